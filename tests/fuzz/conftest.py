"""Both connections of the data plane on transports of memory, so that thousands of messages take seconds."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.server.connect import Connector
from proxy.server.data_plane import ListenerFacts
from proxy.server.downstream import DownstreamConnection
from proxy.server.transport import WireProtocol
from tests.server.conftest import Wire, pytest_asyncio_loop_factories, start, wire

__all__ = ["pytest_asyncio_loop_factories", "start", "wire"]

_FACTS = ListenerFacts("http", "a.test")


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; the test is the peer."""

    def __init__(self, protocol: WireProtocol, wrote: Callable[["MemoryTransport"], None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.protocol = protocol
        self.written = bytearray()
        self.paused = False
        self.gone = False  # closed or aborted
        self.aborted = False
        self._wrote = wrote

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self._wrote(self)

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        if not self.gone:
            self.aborted = True
        self.close()

    def is_closing(self) -> bool:
        return self.gone

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0


class Bench:
    """A proxy whose client and upstreams are the test."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.upstreams: list[MemoryTransport] = []
        self.answer: Callable[[MemoryTransport], None] = lambda transport: None

    def connect(self) -> MemoryTransport:
        """Return a new client's connection; upstream connections of before are forgotten."""
        for upstream in self.upstreams:
            upstream.abort()
        self.upstreams = []
        protocol = DownstreamConnection(self._wire.plane, _FACTS)
        transport = MemoryTransport(protocol, lambda transport: None)
        protocol.connection_made(transport)
        return transport

    async def open_upstream(self, _: Connector, target: object, make: Callable[[], WireProtocol]) -> object:
        """Stand in for ``Connector.open``."""
        protocol = make()
        transport = MemoryTransport(protocol, lambda transport: self.answer(transport))
        self.upstreams.append(transport)
        protocol.connection_made(transport)
        return protocol

    async def feed(self, transport: MemoryTransport, pieces: list[bytes]) -> None:
        """Send pieces as far as the proxy reads them."""
        for piece in pieces:
            await self.settle(lambda: not transport.paused or transport.gone)
            if transport.gone:
                return
            transport.protocol.data_received(piece)
            await asyncio.sleep(0)

    async def settle(self, condition: Callable[[], bool] = lambda: False) -> None:
        """Let what is due happen."""
        for _ in range(12):
            if condition():
                return
            await asyncio.sleep(0)

    async def finish(self, transport: MemoryTransport) -> None:
        """End the client's side, and let everything end."""
        await self.settle()
        if not transport.gone:
            transport.protocol.eof_received()
        await self.settle()
        transport.close()
        for upstream in self.upstreams:
            upstream.close()
        await self.settle()


@pytest.fixture
def bench(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(wire)
    monkeypatch.setattr(Connector, "open", lambda *asked: bench.open_upstream(*asked))
    return bench
