"""Which requests a client connection carries, in which order, and when it ends."""

import pytest

from proxy.server.downstream import DRAIN_GRACE_SECONDS
from tests.server.conftest import GET, OK, Start, Wire, fields_of

KEEP = b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: Keep-Alive\r\n\r\n"


def get(path: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"Host: a.test", *fields, b"", b""])


def path_of(head: bytes) -> bytes:
    return head.split(b" ", 2)[1]


def echo_path(head: bytes) -> bytes:
    path = path_of(head)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)


# HTTP/1.0.


async def test_http_1_0_closes_after_the_answer(wire: Wire) -> None:
    client = await wire.connect()
    upstream, head = await wire.forward(client, b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
    assert head.startswith(b"GET / HTTP/1.1\r\n")
    await upstream.send(OK)
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"Connection", b"close") in fields_of(head)
    assert body == b"ok"
    assert await client.to_end() == b""


async def test_http_1_0_keeps_its_connection_where_it_asks(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, KEEP)
    for _ in range(3):
        await upstream.send(OK)
        head, _ = await client.answer()
        assert (b"Connection", b"keep-alive") in fields_of(head)
        await client.send(KEEP)
        await upstream.head()


async def test_http_1_0_without_host_gets_the_listeners(wire: Wire) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, b"GET / HTTP/1.0\r\nA: b\r\n\r\n")
    assert fields_of(head)[0] == (b"Host", wire.authority.encode())


# HTTP/1.1.


async def test_connection_close_is_answered_and_closes(wire: Wire) -> None:
    client = await wire.connect()
    upstream, head = await wire.forward(client, get(b"/", b"Connection: CLOSE"))
    assert b"CLOSE" not in head
    await upstream.send(OK)
    head, _ = await client.answer()
    assert (b"Connection", b"close") in fields_of(head)
    assert await client.to_end() == b""


async def test_the_upstreams_connection_outlives_the_clients(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, get(b"/", b"Connection: close"))
    await upstream.send(OK)
    await client.answer()
    other = await wire.connect()
    await other.send(GET)
    await upstream.head()
    assert wire.uncontacted


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(wire: Wire) -> None:
    client = await wire.connect()
    upstream, head = await wire.forward(client, b"".join(get(b"/%d" % number) for number in range(5)))
    for number in range(5):
        assert path_of(head) == b"/%d" % number
        await wire.turns()
        assert upstream.quiet
        await upstream.send(echo_path(head))
        assert (await client.answer())[1] == b"/%d" % number
        if number < 4:
            head = await upstream.head()
    assert wire.uncontacted


@pytest.mark.parametrize(
    ("request_line", "fields", "version", "address"),
    [
        pytest.param(b"GET / HTTP/1.1", b"", "1.1", "127.0.0.1", id="peer"),
        pytest.param(b"GET / HTTP/1.0", b"", "1.0", "127.0.0.1", id="old"),
        pytest.param(
            b"GET / HTTP/1.1", b"X-Forwarded-For: 192.0.2.1\r\n", "1.1", "192.0.2.1", id="forwarded"
        ),
    ],
)
async def test_a_record_says_who_asked_and_how(
    start: Start, request_line: bytes, fields: bytes, version: str, address: str
) -> None:
    wire = await start("forwarded: {trusted_proxies: [127.0.0.1]}")
    client = await wire.connect()
    upstream, _ = await wire.forward(client, request_line + b"\r\nHost: a.test\r\n" + fields + b"\r\n")
    await upstream.send(OK)
    await client.answer()
    record = await wire.record()
    assert (record.http_version, record.client_address, record.peer) == (version, address, "127.0.0.1")


async def test_a_pipelined_request_starts_when_it_is_its_turn(wire: Wire) -> None:
    times = [1.0]
    wire.plane.wall_clock = lambda: times[-1]
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET * 2)
    times.append(2.0)
    for _ in range(2):
        await upstream.send(OK)
        await client.answer()
    await wire.settled(lambda: len(wire.records) == 2)
    assert [record.started for record in wire.records] == times


async def test_pipelined_requests_with_bodies_keep_them_apart(wire: Wire) -> None:
    chunked = b"POST /1 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    counted = b"POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\ndefg"
    client = await wire.connect()
    upstream, _ = await wire.forward(client, chunked + counted + get(b"/3"))
    assert await upstream.chunked() == (b"abc", b"")
    await upstream.send(OK)
    assert path_of(await upstream.head()) == b"/2"
    assert await upstream.exactly(4) == b"defg"
    await upstream.send(OK)
    assert path_of(await upstream.head()) == b"/3"
    await upstream.send(OK)
    for _ in range(3):
        assert (await client.answer())[1] == b"ok"


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param([], id="plain"),
        pytest.param([b"Connection: Upgrade", b"Upgrade: h2c"], id="each-offering-an-upgrade"),
    ],
)
async def test_two_thousand_requests_in_one_write(wire: Wire, offer: list[bytes]) -> None:
    wire.serve(echo_path)
    client = await wire.connect()
    await client.send(b"".join(get(b"/%d" % number, *offer) for number in range(2000)))
    for number in range(2000):
        assert (await client.answer())[1] == b"/%d" % number
    assert len(wire.records) == 2000


async def test_two_thousand_requests_that_never_go_upstream(start: Start) -> None:
    wire = await start("tracing: {invalid: reject, rules: [{match: /}]}")
    client = await wire.connect()
    await client.send(get(b"/", b"traceparent: bad") * 2000)
    for _ in range(2000):
        assert b'"invalid_context"' in (await client.answer())[1]
    assert [record.status for record in wire.records] == [400] * 2000


async def test_requests_that_never_go_upstream_behind_one_that_does(start: Start) -> None:
    wire = await start("tracing: {invalid: reject, rules: [{match: /}]}")
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET + get(b"/", b"traceparent: bad") * 500 + GET)
    await upstream.send(OK)
    await client.answer()
    for _ in range(500):
        assert b'"invalid_context"' in (await client.answer())[1]
    await upstream.head()


async def test_a_request_behind_a_malformed_one_is_not_served(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(b"GET / HTTP/1.1\r\n\r\n" + GET)
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"bad_request" in body
    assert await client.to_end() == b""
    assert wire.uncontacted
    assert len(wire.records) == 1
    # Not since the clock began.
    assert 0 <= wire.records[0].duration < 10


async def test_a_malformed_request_is_answered_in_its_turn(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET + b"GET / HTTP/1.1\r\nbad header\r\n\r\n" + GET)
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    head, _ = await client.answer()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert (b"Connection", b"close") in fields_of(head)
    assert await client.to_end() == b""
    assert [record.status for record in wire.records] == [200, 400]


@pytest.mark.parametrize("more", [GET, b"garbage", b"\r\n", b"\x00" * 1000])
async def test_what_follows_connection_close_is_ignored(wire: Wire, more: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, get(b"/", b"Connection: close") + more)
    await client.send(more)
    await wire.turns()
    await upstream.send(OK)
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"ok"
    assert await client.to_end() == b""
    assert [record.status for record in wire.records] == [200]
    assert upstream.quiet


async def test_a_body_is_complete_before_what_follows_connection_close(wire: Wire) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    client = await wire.connect()
    upstream, _ = await wire.forward(client, request + GET)
    assert await upstream.exactly(5) == b"hello"
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert await client.to_end() == b""


async def test_blank_lines_before_a_request_are_skipped(wire: Wire) -> None:
    client = await wire.connect()
    upstream, head = await wire.forward(client, b"\r\n\r\n" + GET)
    assert head.startswith(b"GET / HTTP/1.1\r\n")
    await upstream.send(OK)
    await client.answer()
    await client.send(b"\r\n" + GET)
    await upstream.head()


@pytest.mark.parametrize("blank", [b"\r\n", b"\r\n\r\n", b"\n"])
async def test_no_part_of_a_body_is_taken_for_the_lines_of_a_head(wire: Wire, blank: bytes) -> None:
    head = b"POST /1 HTTP/1.1\r\nHost: a.test\r\nX-Pad: %b\r\nContent-Length: 200\r\n\r\n" % (b"a" * 80)
    hidden = b"GET /3 HTTP/1.1\r\nHost: b.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    # It stands where the next head would, were the blank lines and this head not counted.
    body = (b"x" * (200 - len(blank + head)) + hidden).ljust(200, b"y")
    client = await wire.connect()
    upstream, _ = await wire.forward(client, blank + head + body + get(b"/2", b"X-A: b", b"X-C: d"))
    assert await upstream.exactly(200) == body
    await upstream.send(OK)
    await client.answer()
    assert fields_of(await upstream.head())[:3] == [(b"Host", b"a.test"), (b"X-A", b"b"), (b"X-C", b"d")]


@pytest.mark.parametrize("line", [b"GET / RTSP/1.1", b"GET / RTSP/1.0", b"SOURCE / ICE/1.0"])
async def test_a_request_of_another_protocol_is_refused(wire: Wire, line: bytes) -> None:
    client = await wire.connect()
    await client.send(line + b"\r\nHost: a.test\r\n\r\n")
    assert (await client.head()).startswith(b"HTTP/1.1 400 ")
    assert wire.uncontacted


async def test_closing_waits_until_the_client_has_read_its_answer(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
    await client.answer()
    await client.send(b"x" * 100_000)
    assert await client.to_end() == b""
    wire.late(3)
    await wire.settled(lambda: not wire.plane.connections)


async def test_closing_waits_until_the_client_has_read_why(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n")
    await client.answer()
    await client.send(b"x" * 100_000)
    await wire.turns()
    assert await client.to_end() == b""
    client.close()
    await wire.settled(lambda: not wire.plane.connections)


async def test_what_follows_connection_close_beside_an_offer_is_ignored(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, get(b"/", b"Connection: close, upgrade", b"Upgrade: x") + GET)
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert await client.to_end() == b""
    assert upstream.quiet


# Half-closed and gone.


async def test_a_client_that_closed_its_side_is_still_answered(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    client.end()
    await wire.turns()
    await upstream.send(OK)
    assert (await client.to_end()).endswith(b"\r\n\r\nok")
    assert (await wire.record()).status == 200


async def test_requests_queued_before_a_half_close_are_all_answered(wire: Wire) -> None:
    wire.serve(echo_path)
    client = await wire.connect()
    await client.send(b"".join(get(b"/%d" % number) for number in range(20)))
    client.end()
    for number in range(20):
        assert (await client.answer())[1] == b"/%d" % number
    assert await client.to_end() == b""


async def test_a_large_answer_reaches_a_client_that_closed_its_side(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    client.end()
    await wire.turns()
    body = bytes(range(256)) * 8192
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
    await client.head()
    sending = wire.start(upstream.send(body))
    assert await client.exactly(len(body)) == body
    await sending
    assert await client.to_end() == b""


@pytest.mark.parametrize(
    "request_start",
    [
        pytest.param(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello", id="length"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            id="chunked",
        ),
    ],
)
async def test_a_request_that_ends_early_is_cut_off_upstream(wire: Wire, request_start: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, request_start)
    await upstream.until(b"hello")
    client.end()
    assert not (await upstream.to_end()).endswith(b"0\r\n\r\n")
    head, _ = await client.answer()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert await client.to_end() == b""


async def test_a_client_that_leaves_before_the_answer_ends_the_request_upstream(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    client.reset()
    await upstream.gone()
    record = await wire.record()
    assert (record.status, record.complete) == (499, False)
    assert record.upstream == "default"


async def test_a_client_that_leaves_inside_its_request_is_a_499(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(
        client, b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello"
    )
    await upstream.exactly(5)
    client.reset()
    await upstream.gone()
    assert (await wire.record()).status == 499


async def test_a_client_that_leaves_inside_the_answer_ends_it_upstream(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    await client.head()
    client.reset()
    await upstream.gone()
    record = await wire.record()
    assert (record.status, record.bytes, record.complete, record.error) == (200, 4, False, None)
    assert wire.plane.in_flight == 0


async def test_a_client_that_leaves_behind_the_answer_has_had_all_of_it(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(OK)
    await client.answer()
    client.reset()
    record = await wire.record()
    assert (record.status, record.bytes, record.complete) == (200, 2, True)


async def test_an_answer_that_the_upstream_broke_off_is_not_complete(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    await client.until(b"some")
    upstream.reset()
    await client.expect_reset()
    record = await wire.record()
    assert (record.status, record.complete, record.error) == (200, False, "upstream_reset")


async def test_an_answer_that_the_end_of_a_drain_cuts_off_is_not_complete(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    await client.until(b"some")
    wire.plane.abort()
    await client.expect_reset()
    record = await wire.record()
    assert (record.status, record.complete, record.error) == (200, False, None)


async def test_an_error_of_the_proxys_own_is_complete(start: Start, closed_port: int) -> None:
    wire = await start(port=closed_port)
    await (await wire.connect()).ask(GET)
    record = await wire.record()
    assert (record.status, record.complete) == (502, True)


async def test_a_client_that_leaves_while_it_waits_for_a_connection(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(GET)
    client.reset()
    upstream = await wire.accept()
    assert (await wire.record()).status == 499
    other = await wire.connect()
    await other.send(GET)
    await upstream.head()
    assert wire.uncontacted


async def test_a_client_that_leaves_between_requests_is_no_exchange(wire: Wire) -> None:
    client, _ = await wire.reach()
    client.close()
    await wire.settled(lambda: not wire.plane.connections)
    assert [record.status for record in wire.records] == [200]


async def test_a_client_that_leaves_inside_a_head_is_no_exchange(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(GET[:20])
    await wire.turns()
    client.close()
    await wire.settled(lambda: not wire.plane.connections)
    assert wire.records == []


# Draining.


async def test_a_drain_closes_idle_connections_and_finishes_the_others(wire: Wire) -> None:
    idle, upstream = await wire.reach()
    busy = await wire.connect()
    await busy.send(GET)
    await upstream.head()
    wire.plane.drain()
    wire.late(1.0)
    assert await idle.to_end() == b""
    await upstream.send(OK)
    head, body = await busy.answer()
    assert (b"Connection", b"close") in fields_of(head)
    assert body == b"ok"
    assert await busy.to_end() == b""


async def test_who_connects_in_a_drain_and_says_nothing_is_soon_closed(wire: Wire) -> None:
    wire.plane.draining = True
    client = await wire.connect()
    await wire.settled(lambda: bool(wire.plane.connections))
    wire.late(DRAIN_GRACE_SECONDS)
    assert await client.to_end() == b""


async def test_a_drain_waits_for_a_head_that_began(wire: Wire) -> None:
    client, upstream = await wire.reach()
    await client.send(GET[:20])
    await wire.turns()
    wire.plane.drain()
    await client.send(GET[20:])
    await upstream.head()
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert await client.to_end() == b""


async def test_a_drain_waits_for_a_head_that_began_behind_a_request(wire: Wire) -> None:
    client, upstream = await wire.reach()
    await client.send(GET + GET[:20])
    await upstream.head()
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    wire.plane.drain()
    await client.send(GET[20:])
    await upstream.head()
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert await client.to_end() == b""


async def test_what_a_drain_cuts_short_is_told_or_reset(wire: Wire) -> None:
    waiting = await wire.connect()
    await wire.forward(waiting, GET)
    answering = await wire.connect()
    upstream, _ = await wire.forward(answering, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    await answering.head()
    wire.plane.abort()
    head, body = await waiting.answer()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert (b"Retry-After", b"1") in fields_of(head)
    assert b'"draining"' in body
    await answering.expect_reset()
