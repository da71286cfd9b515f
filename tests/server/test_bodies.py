"""How bodies are framed on either side, and that every byte of them arrives."""

import hashlib

import pytest

from tests.server.conftest import GET, OK, Start, Wire, fields_of

CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
GET_1_0 = b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n"
CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#: Around the sizes of reads, write buffers and what is kept for another attempt.
SIZES = [0, 1, 2, 4095, 4096, 65535, 65536, 65537, 131072, 262143, 262144, 262145, 1_000_003]


def post(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % size


def ok(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


def make_body(size: int) -> bytes:
    """Bytes of which no part is like another."""
    digests = (hashlib.sha256(b"%d" % number).digest() for number in range(size // 32 + 1))
    return b"".join(digests)[:size]


def get(head: bytes, name: bytes) -> list[bytes]:
    return [value for field, value in fields_of(head) if field.lower() == name]


# Requests.


@pytest.mark.parametrize("size", SIZES)
async def test_a_request_body_with_a_length_arrives_with_that_length(wire: Wire, size: int) -> None:
    body = make_body(size)
    client = await wire.connect()
    upstream, head = await wire.forward(client, post(size))
    assert get(head, b"content-length") == [b"%d" % size]
    assert get(head, b"transfer-encoding") == []
    await client.send(body)
    assert await upstream.exactly(size) == body
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert upstream.quiet


@pytest.mark.parametrize("size", SIZES)
async def test_a_chunked_request_body_is_chunked_anew(wire: Wire, size: int) -> None:
    body = make_body(size)
    client = await wire.connect()
    upstream, head = await wire.forward(client, CHUNKED_POST)
    assert get(head, b"transfer-encoding") == [b"chunked"]
    assert get(head, b"content-length") == []
    for start in range(0, size, 50_000):
        part = body[start : start + 50_000]
        await client.send(b"%X\r\n%b\r\n" % (len(part), part))
    await client.send(b"0\r\n\r\n")
    assert await upstream.chunked() == (body, b"")
    await upstream.send(OK)
    await client.answer()
    assert upstream.quiet


async def test_chunk_extensions_are_dropped_and_safe_trailers_relayed(wire: Wire) -> None:
    client = await wire.connect()
    upstream, head = await wire.forward(
        client, CHUNKED_POST.replace(b"\r\n\r\n", b"\r\nTrailer: X-Sum, Content-Length\r\n\r\n")
    )
    assert get(head, b"trailer") == [b"X-Sum, Content-Length"]
    await client.send(
        b'3;a=b;c="d;e"\r\nabc\r\n0;last\r\nX-Sum: 1 2\r\nHost: b\r\ntraceparent: x\r\nx-sum:3\r\n\r\n'
    )
    assert await upstream.chunked() == (b"abc", b"X-Sum: 1 2\r\nx-sum: 3\r\n")


async def test_a_request_without_a_body_gets_no_framing(wire: Wire) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, b"POST / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert get(head, b"content-length") == get(head, b"transfer-encoding") == []


async def test_a_request_split_at_every_byte_arrives_the_same(wire: Wire) -> None:
    request = (
        b"PUT /a?b=%2F HTTP/1.1\r\nHost: a.test\r\nX-Odd:  v \r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\nA;x=y\r\n 0123456\r\n\r\n0\r\nX-T: t\r\n\r\n"
    )
    client, upstream = await wire.reach()
    heads = set()
    for place in range(1, len(request)):
        await client.send(request[:place])
        await wire.turns()
        await client.send(request[place:])
        heads.add((await upstream.head()).split(b"\r\nX-Forwarded", 1)[0])
        assert await upstream.chunked() == (b"hello 0123456\r\n", b"X-T: t\r\n")
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
    assert heads == {b"PUT /a?b=%2F HTTP/1.1\r\nHost: a.test\r\nX-Odd:  v "}


async def test_a_request_in_single_bytes_arrives_whole(wire: Wire) -> None:
    request = post(5) + b"hello" + GET
    client, upstream = await wire.reach()
    for place in range(len(request)):
        await client.send(request[place : place + 1])
        await wire.turns(2)
    await upstream.head()
    assert await upstream.exactly(5) == b"hello"
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert (await upstream.head()).startswith(b"GET / HTTP/1.1\r\n")
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"


# Responses.


@pytest.mark.parametrize("size", SIZES)
async def test_a_response_body_with_a_length_keeps_it(wire: Wire, size: int) -> None:
    body = make_body(size)
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(ok(size) + body)
    head, received = await client.answer()
    assert get(head, b"content-length") == [b"%d" % size]
    assert get(head, b"transfer-encoding") == []
    assert received == body
    assert (await wire.record()).bytes == size
    assert client.quiet


@pytest.mark.parametrize("size", SIZES)
async def test_a_chunked_response_is_chunked_anew(wire: Wire, size: int) -> None:
    body = make_body(size)
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(CHUNKED_OK)
    assert get(await client.head(), b"transfer-encoding") == [b"chunked"]
    parts = [body[start : start + 70_000] for start in range(0, size, 70_000)]
    await upstream.send(b"".join(b"%x;e\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n")
    assert await client.chunked() == (body, b"")
    assert (await wire.record()).bytes == size


async def test_response_trailers_are_relayed_but_for_those_that_change_the_message(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(
        CHUNKED_OK
        + b"1\r\nx\r\n0\r\nGrpc-Status: 0\r\nSet-Cookie: a\r\nTransfer_Encoding: b\r\nX: \xff\r\n\r\n"
    )
    await client.head()
    assert await client.chunked() == (b"x", b"Grpc-Status: 0\r\nX: \xff\r\n")


@pytest.mark.parametrize("framing", [b"Content-Length: 6", b"Transfer-Encoding: chunked"])
async def test_a_response_split_at_every_byte_arrives_the_same(wire: Wire, framing: bytes) -> None:
    chunked = b"chunked" in framing
    body = b"2;e\r\nab\r\n4\r\n0\r\n\r\r\n0\r\nX-T: t\r\n\r\n" if chunked else b"ab0\r\n\r"
    response = b"HTTP/1.1 207 Odd  \xe4phrase\r\nX-A: b \r\nx-a:\r\n" + framing + b"\r\n\r\n" + body
    client, upstream = await wire.reach()
    for place in range(1, len(response)):
        await client.send(GET)
        await upstream.head()
        await upstream.send(response[:place])
        await wire.turns()
        await upstream.send(response[place:])
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 207 Odd  \xe4phrase\r\nX-A: b \r\nx-a:\r\n"), place
        if chunked:
            assert await client.chunked() == (b"ab0\r\n\r", b"X-T: t\r\n")
        else:
            assert await client.exactly(6) == body


async def test_a_response_that_ends_with_its_connection_is_chunked(wire: Wire) -> None:
    client = await wire.connect()
    for path in (b"/1", b"/2"):
        upstream, _ = await wire.forward(client, GET.replace(b"/ ", path + b" "))
        await upstream.send(b"HTTP/1.1 200 OK\r\n\r\nsome")
        head = await client.head()
        assert get(head, b"transfer-encoding") == [b"chunked"]
        assert get(head, b"connection") == []
        await upstream.send(b" more")
        upstream.close()
        assert await client.chunked() == (b"some more", b"")


async def test_an_empty_response_that_ends_with_its_connection_is_complete(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    upstream.close()
    await client.head()
    assert await client.chunked() == (b"", b"")


@pytest.mark.parametrize(
    ("framing", "request_head"),
    [
        pytest.param(b"", GET, id="until-close"),
        pytest.param(b"", GET_1_0, id="until-close-to-1.0"),
        pytest.param(b"Content-Length: 1000\r\n", GET, id="length"),
        pytest.param(b"Content-Length: 1000\r\n", GET_1_0, id="length-to-1.0"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", GET, id="chunked"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", GET_1_0, id="chunked-to-1.0"),
    ],
)
async def test_a_body_that_a_reset_cuts_never_looks_complete(
    wire: Wire, framing: bytes, request_head: bytes
) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, request_head)
    await upstream.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + b"4\r\nsome\r\n")
    await client.until(b"some")
    upstream.reset()
    assert not (await client.expect_reset()).endswith(b"0\r\n\r\n")
    assert (await wire.record()).error == "upstream_reset"


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_ends_too_early_never_looks_complete(wire: Wire, framing: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n4\r\nsome\r\n")
    await client.until(b"some")
    upstream.close()
    await client.expect_reset()


async def test_an_http_1_0_client_gets_a_chunked_body_until_close(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET_1_0)
    await upstream.send(CHUNKED_OK + b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: t\r\n\r\n")
    head = await client.head()
    assert get(head, b"transfer-encoding") == []
    assert get(head, b"connection") == [b"close"]
    assert await client.to_end() == b"abcde"


async def test_an_http_1_0_client_gets_a_body_until_close_as_such(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET_1_0)
    await upstream.send(b"HTTP/1.0 200 OK\r\n\r\nabc")
    upstream.close()
    head = await client.head()
    assert get(head, b"transfer-encoding") == get(head, b"content-length") == []
    assert get(head, b"connection") == [b"close"]
    assert await client.to_end() == b"abc"


BODILESS = [
    pytest.param(b"HEAD", b"200 OK", b"Content-Length: 5\r\n", id="head-length"),
    pytest.param(b"HEAD", b"200 OK", b"Transfer-Encoding: chunked\r\n", id="head-chunked"),
    pytest.param(b"HEAD", b"200 OK", b"", id="head-nothing"),
    pytest.param(b"HEAD", b"404 Not Found", b"Content-Length: 0\r\n", id="head-404"),
    pytest.param(b"GET", b"204 No Content", b"", id="204"),
    pytest.param(b"GET", b"304 Not Modified", b"ETag: x\r\n", id="304"),
    pytest.param(b"GET", b"304 Not Modified", b"Content-Length: 5\r\n", id="304-length"),
    pytest.param(b"GET", b"304 Not Modified", b"Transfer-Encoding: chunked\r\n", id="304-chunked"),
    pytest.param(b"GET", b"205 Reset Content", b"Content-Length: 0\r\n", id="205"),
    pytest.param(b"GET", b"200 OK", b"Content-Length: 0\r\n", id="empty"),
]


@pytest.mark.parametrize(("method", "status", "framing"), BODILESS)
async def test_a_response_without_a_body_keeps_its_fields_and_both_connections(
    wire: Wire, method: bytes, status: bytes, framing: bytes
) -> None:
    client, upstream = await wire.reach()
    await client.send(GET.replace(b"GET", method))
    await upstream.head()
    await upstream.send(b"HTTP/1.1 " + status + b"\r\n" + framing + b"\r\n")
    assert await client.head() == b"HTTP/1.1 " + status + b"\r\n" + framing + b"\r\n"
    await client.send(GET)
    await upstream.head()
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"


@pytest.mark.parametrize(
    "framing", [b"Transfer-Encoding: chunked", b"Content-Length: 0", b"Content-Length: 5"]
)
async def test_a_204_says_nothing_of_a_body(wire: Wire, framing: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 204 No Content\r\n" + framing + b"\r\nA: b\r\n\r\n")
    assert await client.head() == b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"


async def test_no_coding_is_announced_to_an_http_1_0_client(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET_1_0.replace(b"GET", b"HEAD"))
    await upstream.send(CHUNKED_OK)
    assert get(await client.head(), b"transfer-encoding") == []


async def test_parts_are_passed_on_as_they_come(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(CHUNKED_OK.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
    await client.head()
    for number in range(5):
        event = b"data: %d\n\n" % number
        await upstream.send(b"%x\r\n%b\r\n" % (len(event), event))
        assert await client.exactly(len(event) + 5) == b"%x\r\n%b\r\n" % (len(event), event)
    await upstream.send(b"0\r\n\r\n")
    assert await client.chunked() == (b"", b"")


async def test_parts_of_a_request_are_passed_on_as_they_come(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, CHUNKED_POST)
    for number in range(5):
        await client.send(b"1\r\n%d\r\n" % number)
        assert await upstream.exactly(6) == b"1\r\n%d\r\n" % number
    await client.send(b"0\r\n\r\n")
    assert await upstream.chunked() == (b"", b"")


async def test_bodies_both_ways_at_once(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, CHUNKED_POST)
    await upstream.send(CHUNKED_OK)
    await client.head()
    for number in range(5):
        await client.send(b"1\r\n%d\r\n" % number)
        assert await upstream.exactly(6) == b"1\r\n%d\r\n" % number
        await upstream.send(b"1\r\n%d\r\n" % number)
        assert await client.exactly(6) == b"1\r\n%d\r\n" % number
    await client.send(b"0\r\n\r\n")
    assert await upstream.chunked() == (b"", b"")
    await upstream.send(b"0\r\n\r\n")
    assert await client.chunked() == (b"", b"")
    await client.send(GET)
    await upstream.head()
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"


async def test_a_large_body_to_a_new_connection_is_not_lost(
    start: Start,
) -> None:
    wire = await start()
    body = make_body(300_000)
    client = await wire.connect()
    await client.send(post(len(body)) + body)
    upstream = await wire.accept()
    await upstream.head()
    assert await upstream.exactly(len(body)) == body
