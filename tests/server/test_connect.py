"""Opening connections: names resolved each time, addresses raced, no wait without an end."""

import asyncio
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohappyeyeballs import AddrInfoType

from proxy.resolving.resolver import Resolver
from tests.server.conftest import GET, Start, StartTarget, place


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are neither accepted nor refused: its queue is full."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        port: int = sock.getsockname()[1]
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(("127.0.0.1", port))
        yield port
        for client in waiting:
            client.close()


async def test_a_name_is_resolved_for_each_connection(
    start: Start, start_target: StartTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = start_target("before"), start_target("after")
    places = [place(before.url), place(after.url)]

    async def resolve(_: Resolver, host: str, port: int) -> Sequence[AddrInfoType]:
        assert (host, port) == ("moving.test", 80)
        return [places.pop(0)]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    wire = await start(upstream="pool: {max_idle: 0}", targets=["http://moving.test"])
    client = await wire.connect()
    assert [(await client.ask(GET))[1] for _ in range(2)] == [b"before", b"after"]


@pytest.mark.parametrize("first", ["refused", "silent"])
async def test_another_address_of_a_name_is_tried(
    start: Start,
    start_target: StartTarget,
    monkeypatch: pytest.MonkeyPatch,
    silent_port: int,
    closed_port: int,
    first: str,
) -> None:
    other = start_target("other")
    bad = silent_port if first == "silent" else closed_port

    async def resolve(*_: object) -> Sequence[AddrInfoType]:
        return [place(f"http://127.0.0.1:{bad}"), place(other.url)]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    wire = await start(targets=["http://two.test"])
    assert (await (await wire.connect()).ask(GET))[1] == b"other"


async def test_the_last_address_has_its_time_within_any_timeout(
    start: Start, start_target: StartTarget, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    other = start_target("other")

    async def resolve(*_: object) -> Sequence[AddrInfoType]:
        return [place(f"http://127.0.0.1:{silent_port}"), place(other.url)]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    wire = await start(upstream="timeouts: {connect: 240ms}", targets=["http://two.test"])
    assert (await (await wire.connect()).ask(GET))[1] == b"other"


async def test_ipv6_and_ipv4_take_turns(
    start: Start, start_target: StartTarget, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    other = start_target("other")
    # Where there is no IPv6, this address fails at once, which comes to the same.
    six: AddrInfoType = (
        *(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""),
        ("::ffff:127.0.0.1", silent_port, 0, 0),
    )

    async def resolve(*_: object) -> Sequence[AddrInfoType]:
        return [six] * 20 + [place(other.url)]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    # Twenty addresses in a row would take longer than this.
    wire = await start(upstream="timeouts: {connect: 4s}", targets=["http://two.test"])
    assert (await (await wire.connect()).ask(GET))[1] == b"other"


async def test_the_queue_of_a_unix_socket_is_waited_for(start: Start, tmp_path: Path) -> None:
    path = str(tmp_path / "upstream.sock")
    with socket.socket(socket.AF_UNIX) as sock, ExitStack() as stack:
        sock.bind(path)
        sock.listen(0)
        sock.settimeout(20)
        first = stack.enter_context(socket.socket(socket.AF_UNIX))
        first.connect(path)
        wire = await start(targets=[f"unix:{path}"])
        client = await wire.connect()
        await client.send(GET)
        await wire.settled(lambda: wire.plane.in_flight == 1)

        def serve() -> None:
            for _ in range(2):
                accepted = stack.enter_context(sock.accept()[0])
            accepted.recv(65536)
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        await asyncio.to_thread(serve)
        assert (await client.answer())[1] == b"ok"


async def test_a_target_that_does_not_answer_is_given_up(
    start: Start, silent_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await start(upstream="timeouts: {connect: 50ms}", port=silent_port)
    head, body = await (await wire.connect()).ask(GET)
    assert head.startswith(b"HTTP/1.1 504 ")
    said = json.loads(body)
    assert said["error"] == "upstream_timeout"
    assert said["detail"] == "connecting to upstream default took longer than 0.05 s"
    target = f"http://127.0.0.1:{silent_port}"
    late = "connecting took longer than 0.05 s"
    assert caplog.messages == [f"upstream default: {target}: upstream_timeout: {late}"]


async def test_after_a_target_that_does_not_answer_the_next_is_tried(
    start: Start, start_target: StartTarget, silent_port: int
) -> None:
    wire = await start(
        upstream="timeouts: {connect: 50ms}", port=silent_port, more_targets=[start_target("other").url]
    )
    assert (await (await wire.connect()).ask(GET.replace(b"GET", b"POST")))[1] == b"other"


async def test_a_name_that_does_not_resolve_is_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    wire = await start(targets=["http://no-such-host.invalid"])
    head, body = await (await wire.connect()).ask(GET)
    assert head.startswith(b"HTTP/1.1 502 ")
    assert json.loads(body)["detail"] == "cannot connect to upstream default: its name does not resolve"
    (told,) = caplog.messages
    start_of_line = "upstream default: http://no-such-host.invalid: upstream_connect: cannot connect: "
    assert told.startswith(start_of_line)
    assert told != start_of_line


async def test_small_writes_leave_at_once(start: Start) -> None:
    wire = await start()
    _, _ = await wire.reach()
    (connection,) = wire.plane.upstreams["default"]._open
    sock = connection.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
