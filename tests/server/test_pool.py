"""Which upstream connections are used again, and which requests may be sent twice."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.message.error import ErrorKind
from proxy.server import pool
from proxy.server.connect import Connector
from proxy.server.upstream import UpstreamConnection
from tests.server.conftest import GET, OK, Peer, Start, StartTarget, Wire

PUT = b"PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
PUT_CHUNKED = (
    b"PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: t\r\n\r\n"
)
POST = PUT.replace(b"PUT", b"POST")


def method(name: bytes) -> bytes:
    return GET.replace(b"GET", name)


def age(wire: Wire, seconds: float) -> None:
    """Have every idle connection look so much older."""
    for target in wire.plane.upstreams["default"]._targets:
        for connection in target.idle:
            connection.idle_since -= seconds


async def expect_status(client: Peer, status: int) -> None:
    head, _ = await client.answer()
    assert head.startswith(b"HTTP/1.1 %d " % status)


# Hygiene.


async def test_a_connection_is_used_again_the_latest_first(wire: Wire) -> None:
    clients = [await wire.connect() for _ in range(2)]
    first, _ = await wire.forward(clients[0], GET)
    second, _ = await wire.forward(clients[1], GET)
    await first.send(OK)
    await clients[0].answer()
    await second.send(OK)
    await clients[1].answer()
    await clients[0].send(GET)
    await second.head()
    assert first.quiet


@pytest.mark.parametrize("data", [b"x", OK, b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_bytes_on_an_idle_connection_close_it(wire: Wire, data: bytes) -> None:
    client, upstream = await wire.reach()
    await upstream.send(data)
    await upstream.gone()
    await wire.settled(lambda: not wire.plane.upstreams["default"].connections)
    other, _ = await wire.forward(client, GET)
    await other.send(OK)
    assert (await client.answer())[1] == b"ok"


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(b"x", id="byte"),
        pytest.param(OK, id="second-answer"),
        pytest.param(b"\r\n", id="blank-line"),
        pytest.param(b"\n", id="line-feed"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\n\r\n", id="interim"),
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK, id="length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="empty"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="204"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", id="304"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked"),
    ],
)
async def test_bytes_behind_an_answer_are_nobodys(wire: Wire, answer: bytes, extra: bytes) -> None:
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    await upstream.send(answer + extra)
    await client.head()
    if b"chunked" in answer:
        await client.chunked()
    elif b"200" in answer and answer.endswith(b"ok"):
        assert await client.exactly(2) == b"ok"
    await client.send(GET)
    await upstream.gone()
    other = await wire.accept()
    await other.head()
    await other.send(OK)
    assert (await client.answer())[1] == b"ok"


@pytest.mark.parametrize("extra", [b"x", OK, b"\r\nx"], ids=["byte", "second-answer", "line-and-byte"])
async def test_bytes_behind_an_answer_like_the_last_are_nobodys(wire: Wire, extra: bytes) -> None:
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    await upstream.send(OK + extra)
    assert (await client.answer())[1] == b"ok"
    other, _ = await wire.forward(client, GET)
    await other.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert client.quiet


async def test_an_answer_like_the_last_has_its_own_body(wire: Wire) -> None:
    client, upstream = await wire.reach()
    for pieces in ((b"no",), (b"y", b"s"), (b"", b"ja"), (b"ok",)):
        await client.send(GET)
        await upstream.head()
        await upstream.send(OK[:-2] + pieces[0])
        for piece in pieces[1:]:
            await wire.turns()
            await upstream.send(piece)
        assert (await client.answer())[1] == b"".join(pieces)
    assert all(record.bytes == 2 for record in wire.records)


async def test_an_answer_like_the_last_to_head_has_no_body(wire: Wire) -> None:
    client, upstream = await wire.reach()
    for answer in (OK[:-2], OK):
        await client.send(method(b"HEAD"))
        await upstream.head()
        await upstream.send(answer)
        await client.head()
    await upstream.gone()
    assert client.quiet


ENDS_IN_LINE = [
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok\r\n", id="length"),
    pytest.param(b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nVary: y\r\n\r\n\r\n", id="plain"),
    pytest.param(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200\r\nConnection: keep-alive\r\n"
        b"Content-Length: 3\r\n\r\nok\n",
        id="interim",
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n", id="chunked"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", id="trailers"),
    pytest.param(b"HTTP/1.1 204 None\r\n\r\n", id="no-fields"),
]


@pytest.mark.parametrize("answer", ENDS_IN_LINE)
async def test_an_answer_that_ends_in_a_line_end_leaves_its_connection_usable(
    wire: Wire, answer: bytes
) -> None:
    client, upstream = await wire.reach()
    for place in range(1, len(answer)):
        await client.send(GET)
        await upstream.head()
        await upstream.send(answer[:place])
        await wire.turns()
        await upstream.send(answer[place:])
        await wire.settled(lambda: wire.plane.in_flight == 0)
    assert wire.uncontacted
    await client.send(GET)
    await upstream.head()


@pytest.mark.parametrize("answer", ENDS_IN_LINE)
async def test_a_blank_line_behind_an_answer_ends_its_connection_however_it_is_split(
    wire: Wire, answer: bytes
) -> None:
    client = await wire.connect()
    for place in range(1, len(answer)):
        upstream, _ = await wire.forward(client, GET)
        await upstream.send(answer[:place])
        await wire.turns()
        await upstream.send(answer[place:] + b"\r\n")
        await upstream.gone()
        await wire.settled(lambda: wire.plane.in_flight == 0)


async def test_a_body_behind_the_answer_to_head_is_nobodys(wire: Wire) -> None:
    client, upstream = await wire.reach()
    await client.send(method(b"HEAD"))
    await upstream.head()
    await upstream.send(OK)
    assert (await client.head()).endswith(b"Content-Length: 2\r\n\r\n")
    await client.send(GET)
    other = await wire.accept()
    await other.head()
    await other.send(OK)
    assert (await client.answer())[1] == b"ok"


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False, id="close"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", False, id="close-in-list"
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False, id="http-1.0"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
            True,
            id="1.0-kept",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2,h2c\r\nContent-Length: 0\r\n\r\n",
            True,
            id="upgrade-offered",
        ),
    ],
)
async def test_what_an_answer_says_of_its_connection_is_kept_to(
    wire: Wire, answer: bytes, kept: bool
) -> None:
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    await upstream.send(answer)
    head, _ = await client.answer()
    assert head == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    await client.send(GET)
    if not kept:
        await upstream.gone()
        upstream = await wire.accept()
    await upstream.head()
    assert wire.uncontacted


async def test_an_answer_that_offers_an_upgrade_keeps_its_body(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"))
    assert (await client.answer())[1] == b"ok"


async def test_a_connection_that_idled_too_long_is_closed(wire: Wire) -> None:
    _, upstream = await wire.reach()
    wire.late(3.9)
    await wire.turns()
    assert upstream.quiet
    wire.late(4.1)
    assert await upstream.to_end() == b""


async def _idle_after_two(wire: Wire) -> list[Peer]:
    """Return two upstream connections that are idle, the longer idle one first."""
    clients = [await wire.connect() for _ in range(2)]
    upstreams = [(await wire.forward(client, GET))[0] for client in clients]
    for client, upstream in zip(clients, upstreams, strict=True):
        await upstream.send(OK)
        await client.answer()
    return upstreams


async def test_no_more_connections_are_kept_than_allowed(start: Start) -> None:
    wire = await start(upstream="pool: {max_idle: 1}")
    first, second = await _idle_after_two(wire)
    wire.late(pool.SPARE_SECONDS)
    assert await first.to_end() == b""
    assert second.quiet


async def test_connections_over_max_idle_serve_requests_that_come_at_once(start: Start) -> None:
    wire = await start(upstream="pool: {max_idle: 1}")
    upstreams = await _idle_after_two(wire)
    wire.late(0)
    for upstream in reversed(upstreams):
        client = await wire.connect()
        await client.send(GET)
        await upstream.head()
    assert wire.uncontacted


async def test_no_connection_is_kept_where_none_may_be(start: Start) -> None:
    wire = await start(upstream="pool: {max_idle: 0}")
    _, upstream = await wire.reach()
    assert await upstream.to_end() == b""


# What a client cost is made up for.

LONG_POST = POST.replace(b"Length: 5", b"Length: 99")


async def _slow(wire: Wire, _: Peer) -> None:
    await wire.turns()
    wire.late(61)


async def _broken(_: Wire, client: Peer) -> None:
    await client.send(b"\r\nnot a chunk\r\n")


async def _leaves(_: Wire, client: Peer) -> None:
    client.reset()


@pytest.mark.parametrize(
    ("request_", "end"),
    [
        pytest.param(LONG_POST, _slow, id="slow"),
        pytest.param(PUT_CHUNKED.partition(b"hello")[0], _broken, id="broken"),
        pytest.param(LONG_POST, _leaves, id="left-amid-a-body"),
        pytest.param(GET, _leaves, id="left"),
    ],
)
async def test_a_connection_that_a_client_cost_is_replaced(
    wire: Wire, request_: bytes, end: Callable[[Wire, Peer], Awaitable[None]]
) -> None:
    client, upstream = await wire.reach()
    other = await wire.connect()
    await other.send(request_)
    await upstream.head()
    await end(wire, other)
    await upstream.gone()
    spare = await wire.accept()
    await wire.settled(lambda: wire.plane.upstreams["default"].in_flight == 0)
    await client.send(GET)
    await spare.head()
    assert wire.uncontacted


async def test_a_connection_that_was_made_for_the_client_is_not_replaced(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    client.reset()
    await upstream.gone()
    await wire.turns()
    assert wire.uncontacted


async def test_a_connection_that_its_upstream_cost_is_not_replaced(wire: Wire) -> None:
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    wire.late(61)
    await expect_status(client, 504)
    await wire.turns()
    assert wire.uncontacted


@pytest.mark.parametrize("limit", ["max_idle: 1", "max_connections: 2"])
async def test_a_connection_is_not_replaced_beyond_the_limits(start: Start, limit: str) -> None:
    wire = await start(upstream=f"pool: {{{limit}}}")
    _, second = await _idle_after_two(wire)
    client = await wire.connect()
    await client.send(GET)
    await second.head()
    client.reset()
    await second.gone()
    await wire.turns()
    assert wire.uncontacted


async def test_connections_that_clients_cost_together_are_replaced_within_the_limits(start: Start) -> None:
    wire = await start(upstream="pool: {max_idle: 1}")
    first, second = await _idle_after_two(wire)
    clients = [await wire.connect() for _ in range(2)]
    for client in clients:
        await client.send(LONG_POST)
    await first.head()
    await second.head()
    await wire.turns()
    wire.late(61)
    await first.gone()
    await second.gone()
    _ = await wire.accept()
    await wire.turns()
    assert wire.uncontacted


async def test_a_drain_replaces_no_connection(wire: Wire) -> None:
    _, upstream = await wire.reach()
    client = await wire.connect()
    await client.send(GET)
    await upstream.head()
    wire.plane.drain()
    client.reset()
    await upstream.gone()
    await wire.turns()
    assert wire.uncontacted


async def test_a_replacement_that_cannot_be_made_fails_nobody(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def refuse(*_: Any, **__: Any) -> UpstreamConnection:
        tried.set()
        raise ConnectionRefusedError

    client, upstream = await wire.reach()
    other = await wire.connect()
    await other.send(GET)
    await upstream.head()
    monkeypatch.setattr(Connector, "open", refuse)
    other.reset()
    await tried.wait()
    monkeypatch.undo()
    await wire.forward(client, GET)


# Sent twice, or not.


@pytest.mark.parametrize("name", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_request_that_may_be_repeated_is_sent_once_more(wire: Wire, name: bytes, end: str) -> None:
    client, upstream = await wire.reach()
    await client.send(method(name))
    first = await upstream.head()
    getattr(upstream, end)()
    second = await wire.accept()
    assert await second.head() == first
    await second.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await client.head()).startswith(b"HTTP/1.1 204 ")
    assert wire.records[-1].retries == 1
    assert wire.uncontacted


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_request_is_sent_again_as_often_as_configured(start: Start, retries: int, end: str) -> None:
    wire = await start(upstream=f"retries: {retries}")
    client = await wire.connect()
    await client.send(GET)
    for _ in range(1 + retries):
        upstream = await wire.accept()
        await upstream.head()
        getattr(upstream, end)()
    await expect_status(client, 502)
    assert wire.uncontacted
    assert (await wire.record()).retries == retries


@pytest.mark.parametrize("retries", [0, 1])
async def test_a_connection_that_had_died_costs_no_retry(start: Start, retries: int) -> None:
    wire = await start(upstream=f"retries: {retries}")
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    upstream.close()
    for _ in range(1 + retries):
        upstream = await wire.accept()
        await upstream.head()
        upstream.close()
    await expect_status(client, 502)
    assert wire.uncontacted


@pytest.mark.parametrize("retries", [0, 1])
async def test_many_connections_that_had_died_are_no_error(start: Start, retries: int) -> None:
    wire = await start(upstream=f"retries: {retries}, eject: {{after: 2, for: 10s}}")
    clients = [await wire.connect() for _ in range(8)]
    idle = [(await wire.forward(client, GET))[0] for client in clients]
    for client, upstream in zip(clients, idle, strict=True):
        await upstream.send(OK)
        await client.answer()
    for client in clients:
        await client.send(GET)
    for upstream in idle:
        await upstream.head()
        upstream.reset()
    wire.serve(lambda head: OK)
    for client in clients:
        assert (await client.answer())[1] == b"ok"


async def test_a_connection_made_for_a_client_that_left_may_have_died_too(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = asyncio.Event()

    open_at_once = Connector.open

    async def open_late(*arguments: Any) -> UpstreamConnection:
        await gone.wait()
        return await open_at_once(*arguments)

    monkeypatch.setattr(Connector, "open", open_late)
    wire = await start(upstream="retries: 0")
    leaving = await wire.connect()
    await leaving.send(GET)
    await wire.settled(lambda: wire.plane.in_flight == 1)
    leaving.reset()
    await wire.settled(lambda: not wire.plane.connections)
    gone.set()
    idle = await wire.accept()
    await wire.settled(lambda: bool(wire.plane.upstreams["default"]._targets[0].idle))
    client = await wire.connect()
    await client.send(GET)
    await idle.head()
    idle.close()
    other = await wire.accept()
    await other.head()
    await other.send(OK)
    await expect_status(client, 200)


@pytest.mark.parametrize("interim", [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"H", b"HTTP/1.1 200 OK\r\n"])
async def test_a_byte_of_an_answer_ends_all_repeats(wire: Wire, interim: bytes) -> None:
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    await upstream.send(interim)
    await wire.turns()
    upstream.close()
    assert b"HTTP/1.1 502 Bad Gateway\r\n" in await client.until(b"upstream_reset")
    assert wire.uncontacted


async def test_a_timeout_is_never_a_repeat(wire: Wire) -> None:
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    wire.late(61)
    await expect_status(client, 504)
    assert wire.uncontacted


@pytest.mark.parametrize("name", [b"POST", b"PATCH"])
@pytest.mark.parametrize("pooled", [True, False])
async def test_a_request_that_changes_things_is_never_sent_twice(
    wire: Wire, name: bytes, pooled: bool
) -> None:
    client, upstream = await wire.reach() if pooled else (await wire.connect(), None)
    await client.send(method(name))
    upstream = upstream or await wire.accept()
    await upstream.head()
    upstream.reset()
    await expect_status(client, 502)
    assert wire.uncontacted


@pytest.mark.parametrize("seconds", [1.9, 2.1])
async def test_a_request_that_changes_things_takes_no_stale_connection(wire: Wire, seconds: float) -> None:
    client, upstream = await wire.reach()
    age(wire, seconds)
    await client.send(POST)
    taken = upstream if seconds < 2 else await wire.accept()
    await taken.head()
    assert await taken.exactly(5) == b"hello"
    assert wire.uncontacted


async def test_a_request_that_may_be_repeated_takes_one_that_is_not_yet_too_old(wire: Wire) -> None:
    client, upstream = await wire.reach()
    age(wire, 3.9)
    await client.send(GET)
    await upstream.head()
    await upstream.send(OK)
    await client.answer()
    age(wire, 10)
    await client.send(GET)
    await (await wire.accept()).head()
    assert upstream.quiet


async def test_a_body_is_sent_again_with_its_request(wire: Wire) -> None:
    client, upstream = await wire.reach()
    for request in (PUT, PUT_CHUNKED):
        await client.send(request)
        first = await upstream.head()
        await upstream.until(b"hello")
        upstream.close()
        upstream = await wire.accept()
        assert await upstream.head() == first
        if request is PUT:
            assert await upstream.exactly(5) == b"hello"
        else:
            assert await upstream.chunked() == (b"hello", b"X-T: t\r\n")
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
    assert wire.uncontacted


async def test_a_body_that_is_still_coming_goes_on_over_the_second_connection(wire: Wire) -> None:
    client, upstream = await wire.reach()
    await client.send(PUT[:-3])
    await upstream.head()
    assert await upstream.exactly(2) == b"he"
    upstream.close()
    second = await wire.accept()
    await second.head()
    await client.send(b"llo")
    assert await second.exactly(5) == b"hello"
    await second.send(OK)
    assert (await client.answer())[1] == b"ok"


async def test_a_body_that_is_not_at_hand_is_not_sent_again(wire: Wire) -> None:
    body = bytes(65537)
    client, upstream = await wire.reach()
    await client.send(PUT.replace(b" 5\r\n\r\nhello", b" %d\r\n\r\n" % len(body)) + body)
    await upstream.head()
    await upstream.exactly(len(body))
    upstream.reset()
    await expect_status(client, 502)
    assert wire.uncontacted


async def test_a_connection_that_ends_as_it_is_made_is_no_endless_wait(start: Start) -> None:
    wire = await start(upstream="retries: 0")
    for _ in range(20):
        client = await wire.connect()
        await client.send(POST)
        upstream = await wire.accept()
        upstream.reset()
        await expect_status(client, 502)
    await wire.settled(lambda: not wire.plane.upstreams["default"].connections)


# Several targets.


async def test_a_target_that_is_down_is_passed_over(start: Start) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        down = place.getsockname()[1]
    wire = await start(more_targets=[f"http://127.0.0.1:{down}"])
    wire.serve(lambda head: OK)
    for _ in range(4):
        client = await wire.connect()
        await client.send(POST)
        assert (await client.answer())[1] == b"ok"
    # In turn: every other one met it first, until it was ejected.
    assert {record.passed_over for record in wire.records} == {(), (ErrorKind.UPSTREAM_CONNECT,)}
    assert {record.error for record in wire.records} == {None}


async def test_a_target_that_was_not_passed_over_fails_the_request_once(start: Start) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        down = place.getsockname()[1]
        wire = await start(port=down)
        client = await wire.connect()
        await client.send(GET)
        await expect_status(client, 502)
    record = await wire.record()
    assert (record.error, record.passed_over) == (ErrorKind.UPSTREAM_CONNECT, ())


async def test_a_connection_beyond_the_most_makes_room_by_an_idle_one(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        wire = await start(
            upstream="pool: {max_connections: 1}",
            more_targets=[f"http://127.0.0.1:{other.getsockname()[1]}"],
        )
        client, upstream = await wire.reach()
        await client.send(GET)
        assert await upstream.to_end() == b""


# Lost before anything was written.


@pytest.fixture
def lost_at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have as many connections as the number in the list says be lost before they are used."""
    left = [1]
    open_and_keep = Connector.open

    async def open_and_lose(*arguments: Any) -> UpstreamConnection:
        connection: UpstreamConnection = await open_and_keep(*arguments)
        if left[0]:
            left[0] -= 1
            connection.transport.abort()
            # It is lost in the loop's next turn.
            await asyncio.sleep(0)
        return connection

    monkeypatch.setattr(Connector, "open", open_and_lose)
    return left


async def test_what_was_not_written_is_written_to_another_connection(
    start: Start, lost_at_once: list[int]
) -> None:
    wire = await start()
    client = await wire.connect()
    await client.send(POST)
    await (await wire.accept()).gone()
    upstream = await wire.accept()
    await upstream.head()
    assert await upstream.exactly(5) == b"hello"
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert (await wire.record()).retries == 1


@pytest.mark.parametrize(("retries", "lost"), [(0, 1), (1, 2), (2, 3)])
async def test_what_was_not_written_is_given_up_after_the_configured_retries(
    start: Start, lost_at_once: list[int], retries: int, lost: int
) -> None:
    lost_at_once[0] = 100
    wire = await start(upstream=f"retries: {retries}")
    client = await wire.connect()
    await client.send(POST)
    assert b'"upstream_reset"' in (await client.answer())[1]
    assert lost_at_once[0] == 100 - lost


async def test_another_target_that_was_not_written_to_is_no_retry(
    start: Start, start_target: StartTarget, lost_at_once: list[int]
) -> None:
    wire = await start(upstream="retries: 0", more_targets=[start_target("other").url])
    client = await wire.connect()
    assert (await client.ask(GET.replace(b"GET", b"POST")))[1] == b"other"


@pytest.mark.parametrize(
    ("coding", "reused"),
    [
        pytest.param(b"Content-Length: 65536", True, id="length-that-is-kept"),
        pytest.param(b"Content-Length: 65537", False, id="length-that-is-not"),
        pytest.param(b"Transfer-Encoding: chunked", False, id="unknown-length"),
    ],
)
async def test_a_body_that_may_outgrow_what_is_kept_takes_no_stale_connection(
    wire: Wire, coding: bytes, reused: bool
) -> None:
    client, upstream = await wire.reach()
    age(wire, 2.1)
    await client.send(b"PUT / HTTP/1.1\r\nHost: a.test\r\n" + coding + b"\r\n\r\n")
    await (upstream if reused else await wire.accept()).head()
    assert wire.uncontacted
