"""What each clock sees of a request: time passes only where a test says so."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol

import pytest

from proxy.exchange import Exchange
from proxy.record import ExchangeRecord
from proxy.server.connect import Connector
from proxy.server.data_plane import DataPlane
from proxy.server.downstream import DownstreamConnection

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
pytestmark = pytest.mark.interpreted(
    "it puts clocks and functions in place of names that compiled code does not look up"
)

#: How long a wait is, seconds: far longer than anything here really takes.
LONG = 1000.0
#: What the proxy needs for itself, seconds, on however busy a machine.
OWN = 100.0


class Peer(Protocol):
    async def send(self, data: bytes) -> None: ...
    async def head(self) -> bytes: ...
    async def exactly(self, size: int) -> bytes: ...
    async def answer(self) -> tuple[bytes, bytes]: ...


class Wire(Protocol):
    plane: DataPlane
    records: list[ExchangeRecord]

    async def connect(self) -> Peer: ...
    async def forward(self, client: Peer, request: bytes) -> tuple[Peer, bytes]: ...
    async def accept(self) -> Peer: ...
    async def record(self) -> ExchangeRecord: ...
    async def settled(self, condition: Callable[[], bool]) -> None: ...
    async def turns(self, count: int = 5) -> None: ...


Start = Callable[..., Awaitable[Wire]]


class Clock:
    """The clock of the data plane, which may be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return perf_counter() + self.ahead

    def pass_(self, seconds: float = LONG) -> None:
        """Let so much time pass."""
        self.ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Every clock of the data plane."""
    clock = Clock()
    modules = [module for name, module in sys.modules.items() if name.startswith("proxy.server.")]
    clocked = [module for module in modules if getattr(module, "clock", None) is perf_counter]
    assert len(clocked) >= 4
    for module in clocked:
        monkeypatch.setattr(module, "clock", clock)
    return clock


async def test_an_upstream_that_sleeps_is_not_the_proxys_time(wire: Wire, clock: Clock) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    clock.pass_()
    await upstream.send(OK)
    await client.answer()
    record = await wire.record()
    assert 0 < record.overhead < OWN
    assert LONG < record.upstream_seconds < LONG + OWN
    assert LONG < record.duration < LONG + OWN


async def test_an_upstream_that_sleeps_within_a_body_is_not_the_proxys_time(wire: Wire, clock: Clock) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(OK[:-1])
    head = await client.head()
    assert await client.exactly(1) == b"o"
    clock.pass_()
    await upstream.send(OK[-1:])
    await client.exactly(1)
    record = await wire.record()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert 0 < record.overhead < OWN
    assert record.upstream_seconds < OWN
    assert record.duration > LONG


async def test_a_client_that_sends_slowly_is_not_the_proxys_time(wire: Wire, clock: Clock) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, POST + b"bo")
    assert await upstream.exactly(2) == b"bo"
    clock.pass_()
    await client.send(b"dy")
    assert await upstream.exactly(2) == b"dy"
    await upstream.send(OK)
    await client.answer()
    record = await wire.record()
    assert 0 < record.overhead < OWN
    assert record.duration > LONG


async def test_a_client_that_reads_slowly_is_not_the_proxys_time(wire: Wire, clock: Clock) -> None:
    size = 16 * 1024 * 1024
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    await client.head()
    task = asyncio.ensure_future(upstream.send(bytes(size)))
    [connection] = wire.plane.connections
    assert isinstance(connection, DownstreamConnection)
    await wire.settled(lambda: connection.full)
    clock.pass_()
    await client.exactly(size)
    await task
    record = await wire.record()
    assert 0 < record.overhead < OWN
    assert record.duration > LONG
    assert record.bytes == size


async def test_a_full_pool_is_a_wait_and_not_the_proxys_time(start: Start, clock: Clock) -> None:
    wire = await start(upstream="pool: {max_connections: 1}")
    waits: list[tuple[str, str, float]] = []
    wire.plane.upstreams["default"].on_wait = lambda *wait: waits.append(wait)
    first, second = await wire.connect(), await wire.connect()
    upstream, _ = await wire.forward(first, GET)
    waits.clear()
    await second.send(GET)
    await wire.settled(lambda: wire.plane.in_flight == 2)
    clock.pass_()
    await upstream.send(OK)
    await upstream.head()
    await upstream.send(OK)
    await second.answer()
    await wire.settled(lambda: len(wire.records) == 2)
    record = wire.records[1]
    assert 0 < record.overhead < OWN
    assert LONG < record.queue_wait < LONG + OWN
    assert record.connect_wait == 0
    assert record.duration > LONG
    [(name, kind, seconds)] = waits
    assert (name, kind, seconds) == ("default", "queue", record.queue_wait)


async def test_connecting_is_a_wait_and_not_the_proxys_time(
    wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[tuple[str, str, float]] = []
    wire.plane.upstreams["default"].on_wait = lambda *wait: waits.append(wait)

    connect = Connector.open

    async def connect_slowly(*arguments: Any) -> object:
        clock.pass_()
        return await connect(*arguments)

    monkeypatch.setattr(Connector, "open", connect_slowly)
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(OK)
    await client.answer()
    record = await wire.record()
    assert 0 < record.overhead < OWN
    assert LONG < record.connect_wait < LONG + OWN
    assert record.queue_wait == 0
    [(name, kind, seconds)] = waits
    assert (name, kind, seconds) == ("default", "connect", record.connect_wait)


async def test_what_waits_unread_is_seen_by_no_clock_of_the_request(wire: Wire, clock: Clock) -> None:
    client = await wire.connect()
    await client.send(GET)
    # The loop is kept busy, so that nobody reads: this is what the lag of the loop is for.
    clock.pass_()
    upstream = await wire.accept()
    await upstream.head()
    await upstream.send(OK)
    await client.answer()
    record = await wire.record()
    assert 0 < record.overhead < OWN
    assert record.duration < OWN


async def test_what_the_proxy_does_is_its_time(
    wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide, respond = Exchange.receive_request, Exchange.receive_response

    def decide_slowly(*arguments: object) -> object:
        clock.pass_(LONG)
        return decide(*arguments)  # type: ignore[arg-type]

    def respond_slowly(*arguments: object) -> object:
        clock.pass_(2 * LONG)
        return respond(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Exchange, "receive_request", decide_slowly)
    monkeypatch.setattr(Exchange, "receive_response", respond_slowly)
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(OK)
    await client.answer()
    record = await wire.record()
    assert LONG < record.decision_seconds < LONG + OWN
    assert 3 * LONG < record.overhead < 3 * LONG + OWN
