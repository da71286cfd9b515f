"""Every error that the proxy answers by itself, and who has to do what afterwards."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable

import pytest

from proxy.exchange import Respond
from proxy.server.downstream import DownstreamConnection
from tests.server.conftest import GET, OK, Peer, Start, Wire, fields_of


def get(*fields: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: a.test", *fields, b"", b""])


POST = get(b"Content-Length: 10", line=b"POST / HTTP/1.1")
CHUNKED = get(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.1")


async def expect_error(client: Peer, status: int, kind: str, *, closes: bool) -> str:
    """Check one error answer whole; return its detail."""
    head, body = await client.answer()
    fields = dict(fields_of(head))
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert fields[b"Content-Type"] == b"application/json"
    assert b"Date" in fields
    assert (fields.get(b"Connection") == b"close") is closes
    assert (fields.get(b"Retry-After") == b"1") is (status == 503)
    told = json.loads(body)
    assert list(told) == ["error", "status", "detail", "trace_id"]
    assert told["error"] == kind
    assert told["status"] == status
    if closes:
        assert await client.to_end() == b""
    detail = told["detail"]
    assert isinstance(detail, str)
    assert detail
    return detail


MALFORMED = [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no-host"),
    pytest.param(get(b"Host: a.test"), id="two-hosts"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", id="host-malformed"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", id="host-with-user"),
    pytest.param(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", id="host-empty"),
    pytest.param(b"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", id="target-disagrees"),
    pytest.param(b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", id="target-scheme"),
    pytest.param(get(line=b"GET /a#b HTTP/1.1"), id="target-fragment"),
    pytest.param(get(line=b"GET /\xff HTTP/1.1"), id="target-non-ascii"),
    pytest.param(get(line=b"GET * HTTP/1.1"), id="asterisk-with-get"),
    pytest.param(get(line=b"GET / HTTP/2.0"), id="http-2.0"),
    pytest.param(get(line=b"GET / HTTP/1.2"), id="http-1.2"),
    pytest.param(b"GET /\r\n\r\n", id="http-0.9"),
    pytest.param(get(b"Content-Length: 1", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", id="both-framings"),
    pytest.param(get(b"Content-Length: 1", b"Content-Length: 1") + b"x", id="length-twice"),
    pytest.param(get(b"Content-Length: 1", b"Content-Length: 2") + b"x", id="lengths-differ"),
    pytest.param(get(b"Content-Length: 1, 1") + b"x", id="length-list"),
    pytest.param(get(b"Content-Length: +1") + b"x", id="length-sign"),
    pytest.param(get(b"Content-Length: 0x1") + b"x", id="length-hex"),
    pytest.param(get(b"Content-Length: 99999999999999999999999"), id="length-overflow"),
    pytest.param(get(b"Content-Length: 9223372036854775808"), id="length-negative-where-signed"),
    pytest.param(get(b"Content-Length:") + b"x", id="length-empty"),
    pytest.param(get(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", id="gzip-chunked"),
    pytest.param(get(b"Transfer-Encoding: gzip") + b"0\r\n\r\n", id="gzip"),
    pytest.param(get(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", id="chunked-twice"),
    pytest.param(
        get(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        id="codings-repeated",
    ),
    pytest.param(get(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", id="coding-unknown"),
    pytest.param(
        get(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0") + b"0\r\n\r\n", id="coding-in-http-1.0"
    ),
    pytest.param(get(b"Bad Name: x"), id="name-with-space"),
    pytest.param(get(b"X : y"), id="space-before-colon"),
    pytest.param(get(b"X: a", b" b"), id="folded-line"),
    pytest.param(get(b"X: a\0b"), id="nul"),
    pytest.param(get(b"X: a\rb"), id="bare-cr"),
    pytest.param(b"GET / HTTP/1.1\nHost: a.test\n\n", id="bare-lf"),
    pytest.param(get(b": x"), id="no-name"),
    pytest.param(get(b"no-colon"), id="no-colon"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls"),
]


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        pytest.param(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 is not spoken here: use HTTP/1.1", id="http-2"
        ),
        pytest.param(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "this port takes no TLS, and the request came with it: use http://",
            id="tls",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "'a b' is not a host with an optional port", id="host"
        ),
    ],
)
async def test_mistakes_that_are_often_made_are_told_in_words(
    wire: Wire, request_: bytes, detail: str
) -> None:
    client = await wire.connect()
    _, body = await client.ask(request_)
    assert json.loads(body)["detail"].endswith(detail)


@pytest.mark.parametrize("request_head", MALFORMED)
async def test_a_malformed_request_is_a_400_and_its_connection_closed(
    wire: Wire, request_head: bytes
) -> None:
    client = await wire.connect()
    await client.send(request_head + GET)
    await expect_error(client, 400, "bad_request", closes=True)
    assert wire.uncontacted
    assert (await wire.record()).status == 400


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(b"xyz\r\n", id="size"),
        pytest.param(b"-1\r\n", id="negative-size"),
        pytest.param(b"3\r\nabcd\r\n", id="too-long"),
        pytest.param(b"3\nabc\r\n", id="bare-lf"),
        pytest.param(b"fffffffffffffffff\r\n", id="overflow"),
        pytest.param(b"0\r\nContent-Length: 3\r\n\r\n", id="length-in-trailers"),
    ],
)
async def test_a_malformed_chunk_is_a_400_and_cut_off_upstream(wire: Wire, chunk: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, CHUNKED)
    await client.send(b"2\r\nok\r\n")
    await upstream.until(b"ok\r\n")
    await client.send(chunk)
    await expect_error(client, 400, "bad_request", closes=True)
    assert not (await upstream.to_end()).endswith(b"0\r\n\r\n")


async def test_a_malformed_chunk_inside_an_answer_resets_it(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, CHUNKED)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    await client.head()
    await client.send(b"xyz\r\n")
    await client.expect_reset()
    await upstream.gone()


async def test_a_refused_context_is_a_400_and_the_connection_stays(start: Start) -> None:
    wire = await start("tracing: {invalid: reject, rules: [{match: /}]}")
    client = await wire.connect()
    await client.send(get(b"traceparent: bad"))
    assert "syntax" in await expect_error(client, 400, "invalid_context", closes=False)
    await wire.forward(client, GET)


async def test_a_refused_context_with_a_body_leaves_the_next_request_alone(start: Start) -> None:
    wire = await start("tracing: {invalid: reject, rules: [{match: /}]}")
    client = await wire.connect()
    await client.send(get(b"traceparent: bad", b"Content-Length: 5", line=b"POST / HTTP/1.1"))
    await expect_error(client, 400, "invalid_context", closes=False)
    await client.send(b"hello" + GET)
    upstream = await wire.accept()
    assert (await upstream.head()).startswith(b"GET / ")


async def test_no_route_is_a_404_and_the_connection_stays(start: Start) -> None:
    wire = await start("routes: [{path_prefix: /api/, upstream: api}]", name="api")
    client = await wire.connect()
    await client.send(GET)
    assert "a.test/" in await expect_error(client, 404, "no_route", closes=False)
    await wire.forward(client, GET.replace(b"/ ", b"/api/x "))


async def test_an_error_that_answers_head_has_no_body(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, get(line=b"HEAD / HTTP/1.1"))
    upstream.close()
    second = await wire.accept()
    await second.head()
    second.close()
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 502 ")
    assert int(dict(fields_of(head))[b"Content-Length"]) > 0
    await client.send(GET)
    third = await wire.accept()
    await third.head()
    await third.send(OK)
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


# Limits.


async def test_a_long_target_is_a_414(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(get(line=b"GET /" + b"x" * 32768 + b" HTTP/1.1"))
    await expect_error(client, 414, "target_too_long", closes=True)


async def test_a_target_without_end_is_a_414(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(b"GET /")
    for _ in range(33):
        await client.send(b"x" * 1024)
        await wire.turns(1)
    await expect_error(client, 414, "target_too_long", closes=True)


async def test_a_large_head_is_a_431(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(get(b"X: " + b"x" * 32768))
    await expect_error(client, 431, "head_too_large", closes=True)


async def test_a_head_without_end_is_a_431(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nX: ")
    for _ in range(33):
        await client.send(b"x" * 1024)
        await wire.turns(1)
    await expect_error(client, 431, "head_too_large", closes=True)


async def test_a_head_in_small_pieces_is_a_431(start: Start) -> None:
    wire = await start("limits: {header_bytes: 1KiB}")
    client = await wire.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n")
    for number in range(100):
        await client.send(b"X-%d: xxxxxx\r\n" % number)
        await wire.turns(1)
    await expect_error(client, 431, "head_too_large", closes=True)


async def test_a_head_of_just_the_limit_passes(wire: Wire) -> None:
    client = await wire.connect()
    await wire.forward(client, get(b"X: " + b"x" * 32600))


@pytest.mark.parametrize("size", [20_000, 100_000])
async def test_many_requests_in_one_write_are_not_a_large_head(wire: Wire, size: int) -> None:
    wire.serve(lambda head: OK)
    client = await wire.connect()
    count = size // len(GET)
    await client.send(GET * count)
    for _ in range(count):
        assert (await client.answer())[1] == b"ok"


async def test_too_many_fields_are_a_431(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(get(*[b"X: x"] * 99))
    upstream = await wire.accept()
    await upstream.head()
    other = await wire.connect()
    await other.send(get(*[b"X: x"] * 100))
    await expect_error(other, 431, "head_too_large", closes=True)


@pytest.mark.parametrize(
    "filler", [pytest.param(b"1;" + b"x" * 40_000, id="extension"), pytest.param(b"0\r\nX: ", id="trailers")]
)
async def test_chunk_extensions_and_trailers_are_bounded(wire: Wire, filler: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, CHUNKED)
    await client.send(filler)
    for _ in range(40):
        await client.send(b"x" * 1024)
        await wire.turns(1)
    await expect_error(client, 431, "head_too_large", closes=True)
    await upstream.gone()


async def test_a_length_over_the_limit_is_a_413(start: Start) -> None:
    wire = await start(
        "limits: {request_body: 9B}\ntracing: {sample_rate: 100, rules: [{name: all, match: /}]}"
    )
    client = await wire.connect()
    await client.send(POST + b"0123456789")
    await expect_error(client, 413, "body_too_large", closes=True)
    record = await wire.record()
    assert (record.method, record.url, record.rule) == (b"POST", "http://a.test/", "all")
    assert record.trace_id
    assert record.header_bytes == 0


async def test_a_length_over_the_limit_is_refused_before_its_body_comes(start: Start) -> None:
    wire = await start("limits: {request_body: 9B}")
    client = await wire.connect()
    await client.send(POST)
    await expect_error(client, 413, "body_too_large", closes=True)
    assert wire.uncontacted


async def test_a_chunked_body_over_the_limit_is_a_413(start: Start) -> None:
    wire = await start("limits: {request_body: 9B}")
    client = await wire.connect()
    upstream, _ = await wire.forward(client, CHUNKED)
    await client.send(b"9\r\n123456789\r\n")
    await upstream.until(b"123456789\r\n")
    await client.send(b"1\r\n0\r\n0\r\n\r\n")
    await expect_error(client, 413, "body_too_large", closes=True)
    assert not (await upstream.to_end()).endswith(b"0\r\n\r\n")


async def test_a_body_of_just_the_limit_passes(start: Start) -> None:
    wire = await start("limits: {request_body: 10B}")
    client = await wire.connect()
    upstream, _ = await wire.forward(client, POST + b"0123456789")
    assert await upstream.exactly(10) == b"0123456789"
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT", b"BREW", b"get", b"X-Y"])
async def test_a_method_that_is_not_for_proxies_is_a_501(wire: Wire, method: bytes) -> None:
    client = await wire.connect()
    target = b"a.test:80" if method == b"CONNECT" else b"/"
    await client.send(get(line=method + b" " + target + b" HTTP/1.1"))
    await expect_error(client, 501, "method_not_supported", closes=True)


# Timeouts.


async def test_a_head_that_does_not_come_in_time_is_a_408(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(GET[:10])
    await wire.turns()
    wire.late(9)
    assert client.quiet
    wire.late(11)
    await expect_error(client, 408, "request_timeout", closes=True)


@pytest.mark.interpreted("it puts a function in place of a method, which compiled callers do not look up")
async def test_a_timeout_that_cannot_be_acted_on_keeps_no_other_from_it(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [await wire.connect() for _ in range(3)]
    for client in clients:
        await client.send(GET[:10])
    await wire.turns()
    expire = DownstreamConnection.expire
    calls: list[DownstreamConnection] = []

    def break_once(connection: DownstreamConnection, now: float) -> None:
        calls.append(connection)
        if len(calls) == 1:
            raise ValueError("a bug")
        expire(connection, now)

    monkeypatch.setattr(DownstreamConnection, "expire", break_once)
    wire.late(11)
    wire.late(11)
    for client in clients:
        await expect_error(client, 408, "request_timeout", closes=True)
    assert caplog.messages == ["a timeout could not be acted on; the others go on"]


async def test_a_head_that_comes_slowly_gets_no_more_time(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(GET[:10])
    await wire.turns()
    deadline = next(iter(wire.plane.connections)).deadline
    await client.send(GET[10:20])
    await wire.turns()
    assert next(iter(wire.plane.connections)).deadline == deadline


async def test_a_connection_without_a_request_is_closed(wire: Wire) -> None:
    client = await wire.connect()
    await wire.turns()
    wire.late(11)
    assert await client.to_end() == b""
    assert wire.records == []


async def test_an_idle_connection_is_closed(wire: Wire) -> None:
    client, _ = await wire.reach()
    wire.late(74)
    await wire.turns()
    assert client.quiet
    wire.late(76)
    assert await client.to_end() == b""


async def test_a_body_that_does_not_come_in_time_is_a_408(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, POST + b"hello")
    await upstream.exactly(5)
    wire.late(61)
    await expect_error(client, 408, "request_timeout", closes=True)
    await upstream.gone()


async def test_an_upstream_that_does_not_answer_in_time_is_a_504(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    wire.late(61)
    await expect_error(client, 504, "upstream_timeout", closes=False)
    await upstream.gone()
    other, _ = await wire.forward(client, GET)
    await other.send(OK)
    assert (await client.answer())[1] == b"ok"


async def test_an_answer_that_stops_is_reset(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
    await client.until(b"some\r\n")
    wire.late(61)
    assert b"0\r\n\r\n" not in await client.expect_reset()
    await upstream.gone()
    record = await wire.record()
    assert (record.status, record.error) == (200, "upstream_timeout")


async def test_a_connection_that_is_not_made_in_time_is_a_504(start: Start) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Its queue holds one; the next one's handshake is not answered.
        with socket.create_connection(full.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            wire = await start(upstream="timeouts: {connect: 30ms}", port=full.getsockname()[1])
            client = await wire.connect()
            await client.send(GET)
            await expect_error(client, 504, "upstream_timeout", closes=False)


# Upstreams that fail.


async def test_an_upstream_that_is_down_is_a_502_until_it_is_back(start: Start) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    wire = await start(port=port)
    client = await wire.connect()
    await client.send(GET)
    detail = await expect_error(client, 502, "upstream_connect", closes=False)
    assert detail == "cannot connect to upstream default: connection refused"
    with socket.create_server(("127.0.0.1", port)) as back:
        back.setblocking(False)
        await client.send(GET)
        sock, _ = await asyncio.get_running_loop().sock_accept(back)
        upstream = Peer(sock)
        await upstream.head()
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
        upstream.close()


GARBAGE = [
    pytest.param(b"garbage\r\n\r\n", id="garbage"),
    pytest.param(b"HTTP/2.0 200 OK\r\n\r\n", id="http-2.0"),
    pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", id="two-digits"),
    pytest.param(b"HTTP/1.1 099 OK\r\n\r\n", id="below-100"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="length"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", id="length-twice"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", id="lengths-differ"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="both"
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="gzip-chunked"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", id="gzip"),
    pytest.param(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked-in-1.0"),
    pytest.param(b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", id="name"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", id="folded-line"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", id="nul"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", id="large-head"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, id="head-without-end"),
]


@pytest.mark.parametrize("answer", GARBAGE)
async def test_an_answer_that_is_not_sound_is_a_502(wire: Wire, answer: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(answer)
    await expect_error(client, 502, "upstream_protocol", closes=False)
    await upstream.gone()
    assert wire.uncontacted


@pytest.mark.parametrize("part", [b"", b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_an_upstream_that_ends_before_its_answer_is_a_502(
    wire: Wire, part: bytes, end: Callable[[Peer], None]
) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, POST.replace(b"10", b"0"))
    await upstream.send(part)
    await wire.turns()
    end(upstream)
    await expect_error(client, 502, "upstream_reset", closes=False)
    assert wire.uncontacted


async def test_a_malformed_chunk_of_an_answer_resets_it(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
    await client.until(b"some\r\n")
    await upstream.send(b"xyz\r\n")
    assert b"0\r\n\r\n" not in await client.expect_reset()
    await upstream.gone()
    assert (await wire.record()).error == "upstream_protocol"


@pytest.mark.parametrize(
    "filler", [pytest.param(b"1;", id="extension"), pytest.param(b"0\r\nX: ", id="trailers")]
)
async def test_chunk_extensions_and_trailers_of_an_answer_are_bounded(wire: Wire, filler: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
    await client.until(b"some\r\n")
    with contextlib.suppress(ConnectionError):
        await upstream.send(filler)
        for _ in range(40):
            await upstream.send(b"x" * 1024)
            await wire.turns(1)
    await client.expect_reset()


# Overload.


async def test_one_connection_too_many_is_a_503(start: Start) -> None:
    wire = await start("limits: {connections: 2}")
    clients = [await wire.connect() for _ in range(2)]
    await wire.settled(lambda: len(wire.plane.connections) == 2)
    late = await wire.connect()
    await expect_error(late, 503, "overload", closes=True)
    late.close()
    await wire.forward(clients[0], GET)


async def test_one_waiting_request_too_many_is_a_503(start: Start) -> None:
    wire = await start(upstream="pool: {max_connections: 1, max_pending: 1}")
    first, second, third = [await wire.connect() for _ in range(3)]
    upstream, _ = await wire.forward(first, GET)
    await second.send(GET)
    await wire.turns()
    await third.send(GET)
    await expect_error(third, 503, "overload", closes=False)
    await upstream.send(OK)
    await first.answer()
    await upstream.head()
    await upstream.send(OK)
    assert (await second.answer())[1] == b"ok"
    assert wire.records[-1].queue_wait > 0


async def test_an_overload_that_refuses_a_body_leaves_the_next_request_alone(start: Start) -> None:
    wire = await start(upstream="pool: {max_connections: 1, max_pending: 0}")
    first, second = await wire.connect(), await wire.connect()
    upstream, _ = await wire.forward(first, GET)
    await second.send(POST + b"hello")
    await expect_error(second, 503, "overload", closes=False)
    await upstream.send(OK)
    await first.answer()
    await second.send(b"world" + GET)
    assert (await upstream.head()).startswith(b"GET / ")
    await upstream.send(OK)
    assert (await second.answer())[1] == b"ok"


async def test_a_request_that_waits_too_long_is_a_503(start: Start) -> None:
    wire = await start(upstream="pool: {max_connections: 1}, timeouts: {response: 30s}")
    first, second = await wire.connect(), await wire.connect()
    upstream, _ = await wire.forward(first, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    await first.head()
    await second.send(GET)
    await wire.turns()
    wire.late(29)
    await wire.turns()
    assert second.quiet
    wire.late(31)
    await expect_error(second, 503, "overload", closes=False)


async def test_requests_that_wait_are_served_when_a_connection_cannot_be_made(start: Start) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    wire = await start(upstream="pool: {max_connections: 1}", port=port)
    clients = [await wire.connect() for _ in range(5)]
    for client in clients:
        await client.send(GET)
    for client in clients:
        await expect_error(client, 502, "upstream_connect", closes=False)


async def test_a_trace_id_is_told_where_there_is_one(start: Start) -> None:
    wire = await start("tracing: {sample_rate: 100, rules: [{match: /}]}")
    client = await wire.connect()
    upstream, head = await wire.forward(client, POST.replace(b"10", b"0"))
    traceparent = dict(fields_of(head))[b"traceparent"].decode()
    upstream.close()
    _, body = await client.answer()
    assert json.loads(body)["trace_id"] == traceparent.split("-")[1]


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(413, b"Content Too Large"), (414, b"URI Too Long"), (431, b"Request Header Fields Too Large")],
)
def test_reason_phrases_are_those_of_rfc_9110(status: int, phrase: bytes) -> None:
    assert Respond(status, []).phrase == phrase
