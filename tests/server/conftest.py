"""A data plane in the test's own event loop, between raw sockets that do only what the test says."""

import asyncio
import contextlib
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import pytest
import uvloop

from proxy.config.compile import compile_policy
from proxy.config.load import load_text
from proxy.record import ExchangeRecord
from proxy.resolving.resolver import Resolver
from proxy.server.data_plane import DataPlane
from proxy.server.health import HealthMonitor
from proxy.server.limits import Limits
from proxy.server.listeners import Listener, bind, copy_sockets
from proxy.server.pool import Upstream
from proxy.server.tls import listener_context, upstream_context
from proxy.tracecontext.ids import IdSource

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType

    from tests.conftest import Certificates

#: What is not there after so long will not come; a guard, on which no result depends.
PATIENCE = 10.0
_READ_SIZE = 65536


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on the loop that the proxy runs on."""
    return {"uvloop": uvloop.new_event_loop}


class Peer:
    """One end of a raw connection, with what came on it and was not taken yet."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._came = bytearray()

    async def send(self, data: bytes) -> None:
        """Write all of it."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self) -> bytes:
        """Return whatever comes next, nothing at the end."""
        if self._came:
            data = bytes(self._came)
            self._came.clear()
            return data
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(self.sock, _READ_SIZE)

    async def until(self, mark: bytes) -> bytes:
        """Return what comes up to ``mark``, with it."""
        start = 0
        while (place := self._came.find(mark, start)) < 0:
            start = max(0, len(self._came) - len(mark) + 1)
            await self._more(f"{mark!r}")
        return self._take(place + len(mark))

    async def head(self) -> bytes:
        """Return the next message head, with its blank line."""
        return await self.until(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        """Return the next so many bytes."""
        while len(self._came) < size:
            await self._more(f"{size} bytes")
        return self._take(size)

    async def chunked(self) -> tuple[bytes, bytes]:
        """Return a chunked body and the lines of its trailer section, which must have no extensions."""
        body = bytearray()
        while size := int((await self.until(b"\r\n"))[:-2], 16):
            body += await self.exactly(size)
            assert await self.exactly(2) == b"\r\n"
        trailers = bytearray()
        while (line := await self.until(b"\r\n")) != b"\r\n":
            trailers += line
        return bytes(body), bytes(trailers)

    async def answer(self) -> tuple[bytes, bytes]:
        """Return the next head and the body that its Content-Length says."""
        head = await self.head()
        length = next((value for name, value in fields_of(head) if name.lower() == b"content-length"), b"0")
        return head, await self.exactly(int(length))

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request; return the head and the body of its answer."""
        await self.send(request)
        return await self.answer()

    async def to_end(self) -> bytes:
        """Return all that comes until the other side ended; a reset raises ConnectionResetError."""
        data = bytearray()
        while part := await self.receive():
            data += part
        return bytes(data)

    async def expect_reset(self) -> bytes:
        """Return all that comes until the connection is reset; an orderly end is wrong."""
        data = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while part := await self.receive():
                data += part
            raise AssertionError(f"the connection ended in order after {bytes(data[-100:])!r}")
        return bytes(data)

    async def gone(self) -> None:
        """Wait until the other side closed, in whatever way."""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while await self.receive():
                pass

    async def fill(self, data: bytes) -> int:
        """Write as long as somebody takes it; return how many bytes were taken."""
        sent = 0
        refused = 0
        while refused < 20:
            try:
                sent += self.sock.send(data)
                refused = 0
            except BlockingIOError:
                refused += 1
            await turns()
        return sent

    @property
    def quiet(self) -> bool:
        """Whether nothing is there to be read."""
        try:
            return not self._came and not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True

    def end(self) -> None:
        """Close the own side, and read on."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close in order."""
        self.sock.close()

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    async def _more(self, awaited: str) -> None:
        async with asyncio.timeout(PATIENCE):
            data = await asyncio.get_running_loop().sock_recv(self.sock, _READ_SIZE)
        assert data, f"the connection ended after {bytes(self._came[-200:])!r}, before {awaited}"
        self._came += data

    def _take(self, size: int) -> bytes:
        data = bytes(self._came[:size])
        del self._came[:size]
        return data


def place(url: str) -> "AddrInfoType":
    """Return the address in a URL as a resolver gives it."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, int(port))


class TargetServer:
    """A target in the test's loop that answers each head by a function of it; it keeps the heads."""

    def __init__(self, answer: Callable[[bytes], bytes], address: str | tuple[str, int]) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self._socket = _listen(address)
        self._work = asyncio.get_running_loop().create_task(self._serve())
        self._peers: dict[Peer, asyncio.Task[None]] = {}

    @property
    def url(self) -> str:
        """How a config names it."""
        return "http://{}:{}".format(*self._socket.getsockname())

    def close(self) -> None:
        """End it with its connections."""
        self._work.cancel()
        self._socket.close()
        for peer, task in self._peers.items():
            task.cancel()
            peer.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self._socket)
            sock.setblocking(False)
            peer = Peer(sock)
            self._peers[peer] = loop.create_task(self._answer(peer))

    async def _answer(self, peer: Peer) -> None:
        with contextlib.suppress(ConnectionError, AssertionError):
            while True:
                self.heads.append(await peer.head())
                await peer.send(self.answer(self.heads[-1]))


#: The fixture ``start_target``.
StartTarget: TypeAlias = Callable[..., TargetServer]


class Wire:
    """A data plane, its clients and the upstream behind it."""

    def __init__(self, plane: DataPlane, listener: Listener, upstream: socket.socket) -> None:
        self.plane = plane
        self.records: list[ExchangeRecord] = []
        self.faults: list[str] = []
        self._listener = listener
        self._upstream = upstream
        self._peers: list[Peer] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def authority(self) -> str:
        """What a client that names no host meant."""
        return self._listener.url.partition("://")[2]

    @property
    def upstream_authority(self) -> str:
        """The upstream's host and port."""
        return "{}:{}".format(*self._upstream.getsockname()[:2])

    async def connect(self, *, receive_buffer: int | None = None) -> Peer:
        """Return a new client of the proxy."""
        address = self._listener.settings.address
        unix = getattr(address, "path", None)
        sock = socket.socket(socket.AF_INET if unix is None else socket.AF_UNIX, socket.SOCK_STREAM)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        if unix is None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host, _, port = self.authority.rpartition(":")
            await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        else:
            await asyncio.get_running_loop().sock_connect(sock, unix)
        return self._keep(sock)

    async def accept(self) -> Peer:
        """Return the next connection that the proxy opens to the upstream."""
        async with asyncio.timeout(PATIENCE):
            sock, _ = await asyncio.get_running_loop().sock_accept(self._upstream)
        sock.setblocking(False)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._keep(sock)

    @property
    def uncontacted(self) -> bool:
        """Whether no connection waits to be accepted by the upstream."""
        try:
            sock, _ = self._upstream.accept()
        except BlockingIOError:
            return True
        sock.close()
        return False

    async def reach(self) -> tuple[Peer, Peer]:
        """Return a client and an upstream connection that carried one exchange and are idle now."""
        client = await self.connect()
        upstream, _ = await self.forward(client, GET)
        await upstream.send(OK)
        await client.answer()
        return client, upstream

    async def forward(self, client: Peer, request: bytes) -> tuple[Peer, bytes]:
        """Send a request; return the new upstream connection that it came on, and its head there."""
        await client.send(request)
        upstream = await self.accept()
        return upstream, await upstream.head()

    def serve(self, answer: Callable[[bytes], bytes]) -> None:
        """Have the upstream answer each head, on whatever connection, by a function of it."""
        _ = self.start(self._accept_forever(answer))

    def late(self, seconds: float) -> None:
        """Look at the deadlines as if so much time had passed."""
        self.plane.sweep(perf_counter() + seconds)

    async def turns(self, count: int = 5) -> None:
        """Let the loop turn: what was written to a local socket by now is read by its other end."""
        await turns(count)

    async def settled(self, condition: Callable[[], bool]) -> None:
        """Let the loop turn until the condition holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await turns(1)

    async def record(self) -> ExchangeRecord:
        """Return the record of the one exchange that there was."""
        await self.settled(lambda: bool(self.records))
        assert len(self.records) == 1
        return self.records[0]

    async def close(self) -> None:
        """End everything; whatever the loop had to complain of, and doubled records, are errors."""
        for task in self._tasks:
            task.cancel()
        self._listener.close()
        self.plane.abort()
        for peer in self._peers:
            peer.close()
        self._upstream.close()
        await turns()
        assert self.faults == []
        assert len({id(record) for record in self.records}) == len(self.records)

    def _keep(self, sock: socket.socket) -> Peer:
        peer = Peer(sock)
        self._peers.append(peer)
        return peer

    def start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Do something beside what the test does, until the other side closes or the test ends."""

        async def run() -> None:
            with contextlib.suppress(ConnectionError, AssertionError):
                await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        return task

    async def _accept_forever(self, answer: Callable[[bytes], bytes]) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self._upstream)
            sock.setblocking(False)
            _ = self.start(self._answer_forever(self._keep(sock), answer))

    async def _answer_forever(self, peer: Peer, answer: Callable[[bytes], bytes]) -> None:
        while True:
            await peer.send(answer(await peer.head()))


#: The fixture ``start``.
Start: TypeAlias = Callable[..., Awaitable[Wire]]

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer_with(body: str) -> Callable[[bytes], bytes]:
    """Return the function that answers any head with this body."""
    whole = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    return lambda head: whole


async def turns(count: int = 5) -> None:
    """Let the loop turn so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a head, as written."""
    return [split_line(line) for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]]


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """Return a field as written, but for the one space that most lines have behind the colon."""
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")


def listen_on(certificates: "Certificates", shown: str = "here", **more: str) -> str:
    """Return a listener's config, with a certificate of ours."""
    tls = {"cert": str(certificates.cert(shown)), "key": str(certificates.key(shown)), **more}
    return f"{{address: '127.0.0.1:0', tls: {tls}}}"


def trusting(
    certificates: "Certificates",
    version: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    show: str | None = None,
) -> ssl.SSLContext:
    """Return a client's context, with a certificate to show or none."""
    context = ssl.create_default_context(cafile=certificates.cert("ca"))
    context.maximum_version = version
    if show is not None:
        context.load_cert_chain(certificates.cert(show), certificates.key(show))
    return context


async def run(*command: str) -> tuple[int, str]:
    """Return status and output, both streams together, of a command without input."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


def _listen(address: str | tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(address)
    sock.listen(1024)
    sock.setblocking(False)
    return sock


def _refuse(rule: str, error: Exception) -> None:
    raise AssertionError(rule) from error


#: Health checks that show at once what they find.
OFTEN = "interval: 5ms, unhealthy_after: 1, healthy_after: 1"


class Monitored:
    """A monitor at work, and the changes that it told."""

    def __init__(self, monitor: HealthMonitor, changes: asyncio.Queue[tuple[str, str, bool]]) -> None:
        self.monitor = monitor
        self.changes = changes

    async def change(self) -> tuple[str, str, bool]:
        """Return the next change."""
        async with asyncio.timeout(PATIENCE):
            return await self.changes.get()


#: The fixture ``monitor``.
StartMonitor: TypeAlias = Callable[..., Awaitable[Monitored]]


@pytest.fixture
async def monitor(tmp_path: Path) -> AsyncIterator[StartMonitor]:
    """Watch one upstream, ``u``."""
    running: list[asyncio.Task[None]] = []

    async def start(
        *targets: str, check: str = OFTEN, more: str = "", known: Collection[tuple[str, str]] = ()
    ) -> Monitored:
        text = f"upstreams: {{u: {{targets: {list(targets)}, health_check: {{{check}}}{more}}}}}"
        upstreams = load_text(text.encode(), tmp_path / "traceward.yaml", {}).config.upstreams
        changes: asyncio.Queue[tuple[str, str, bool]] = asyncio.Queue()
        monitor = HealthMonitor(upstreams, lambda *change: changes.put_nowait(change), known)
        running.append(asyncio.create_task(monitor.run()))
        return Monitored(monitor, changes)

    yield start
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def start_target() -> AsyncIterator[StartTarget]:
    """Start targets beside the scripted one of ``start``: with the body or the function they answer by."""
    started: list[TargetServer] = []

    def start_target(
        answer: str | Callable[[bytes], bytes], address: str | tuple[str, int] = ("127.0.0.1", 0)
    ) -> TargetServer:
        whole = answer_with(answer) if isinstance(answer, str) else answer
        started.append(TargetServer(whole, address))
        return started[-1]

    yield start_target
    for server in started:
        server.close()
    await turns()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, nor will while the test runs."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start data planes: ``config`` holds further sections, ``upstream`` settings of the upstream.

    With ``port`` the upstream is what listens there, if anything does; with ``targets`` it is these.
    """
    started: list[Wire] = []

    async def start(
        config: str = "",
        *,
        upstream: str = "",
        name: str = "default",
        listen: str = "127.0.0.1:0",
        port: int | None = None,
        unix_upstream: str | None = None,
        more_targets: Sequence[str] = (),
        targets: Sequence[str] | None = None,
    ) -> Wire:
        server = _listen(("127.0.0.1", 0) if unix_upstream is None else unix_upstream)
        target = f"http://127.0.0.1:{port or server.getsockname()[1]}"
        if unix_upstream is not None:
            target = f"unix:{unix_upstream}"
        settings = f"targets: {targets or [target, *more_targets]}" + (upstream and f", {upstream}")
        text = f"listen: {listen}\nupstreams: {{{name}: {{{settings}}}}}\n{config}\n"
        loaded = load_text(text.encode(), tmp_path / "traceward.yaml", {}).config
        records: list[ExchangeRecord] = []
        plane = DataPlane(
            compile_policy(loaded, _refuse, secret=bytes(32)),
            Limits.of(loaded.limits),
            {
                name: Upstream(
                    name,
                    each,
                    head_bytes=loaded.limits.header_bytes,
                    tls=upstream_context(each),
                    resolver=Resolver(),
                    on_wait=lambda name, kind, seconds: None,
                )
                for name, each in loaded.upstreams.items()
            },
            IdSource(lambda size: bytes(range(1, 9)) * (size // 8) + bytes(size % 8)),
            records.append,
        )
        entry = loaded.listen[0]
        tls = None if entry.tls is None else listener_context(entry.tls)
        listener = Listener(entry, bind(entry.address), tls)
        wire = Wire(plane, listener, server)
        wire.records = records
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: wire.faults.append(repr(context))
        )
        await listener.serve(plane, copy_sockets(listener.sockets))
        started.append(wire)
        return wire

    yield start
    for wire in started:
        await wire.close()


@pytest.fixture
async def wire(start: Start) -> Wire:
    """A data plane with the defaults."""
    return await start()
