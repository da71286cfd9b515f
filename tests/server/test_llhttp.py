"""What the wire parser does that the data plane is built on; a newer one that differs is seen here."""

import contextlib

import httptools
import pytest

from tests.server.conftest import GET, OK, Wire

GET_CLOSE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: t\r\n\r\n"


class Events:
    """What a parser called, in order."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        self.seen.append((name, value))

    def on_headers_complete(self) -> None:
        self.seen.append("head")
        self._note_persistence()

    def on_body(self, data: bytes) -> None:
        self.seen.append(data)

    def on_message_complete(self) -> None:
        self.seen.append("end")
        self._note_persistence()

    def _note_persistence(self) -> None:
        if isinstance(self.parser, httptools.HttpRequestParser):
            self.seen.append(self.parser.should_keep_alive())


class Raising(Events):
    def on_headers_complete(self) -> None:
        raise LookupError("inside")


def respond(data: bytes) -> list[object]:
    events = Events()
    httptools.HttpResponseParser(events).feed_data(data)
    return events.seen


def test_should_keep_alive_is_right_when_the_message_is_complete() -> None:
    for data, persists in ((GET, True), (GET_CLOSE, False)):
        events = Events()
        events.parser = httptools.HttpRequestParser(events)
        events.parser.feed_data(data)
        assert events.seen[-2:] == ["end", persists]


def test_an_exception_in_a_callback_is_the_context_of_another() -> None:
    with pytest.raises(httptools.HttpParserCallbackError) as caught:
        httptools.HttpRequestParser(Raising()).feed_data(GET)
    assert isinstance(caught.value.__context__, LookupError)


def test_trailers_come_as_headers_behind_the_body() -> None:
    seen = respond(b"HTTP/1.1 200 OK\r\n" + CHUNKED)
    assert seen == [(b"Transfer-Encoding", b"chunked"), "head", b"abc", (b"X-T", b"t"), "end"]


def test_an_answer_to_head_with_a_length_never_ends_by_itself() -> None:
    assert respond(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n") == [(b"Content-Length", b"2"), "head"]


def test_a_response_parser_that_waits_for_a_body_takes_the_next_answer_for_it() -> None:
    events = Events()
    parser = httptools.HttpResponseParser(events)
    parser.feed_data(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    with contextlib.suppress(httptools.HttpParserError):
        parser.feed_data(OK)
    assert events.seen[2] == b"HT"


async def test_each_response_gets_a_parser_of_its_own(wire: Wire) -> None:
    client, upstream = await wire.reach()
    for _ in range(3):
        await client.send(GET.replace(b"GET", b"HEAD"))
        await upstream.head()
        await upstream.send(OK[:-2])
        assert await client.head() == OK[:-2]
    await client.send(GET)
    await upstream.head()
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert wire.uncontacted


def test_a_body_until_close_has_no_end() -> None:
    assert respond(b"HTTP/1.1 200 OK\r\n\r\nabc") == ["head", b"abc"]


def test_interim_heads_come_before_the_final_one_on_one_parser() -> None:
    seen = respond(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert seen == [
        (b"A", b"b"),
        "head",
        "end",
        "head",
        "end",
        (b"Content-Length", b"2"),
        "head",
        b"ok",
        "end",
    ]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 3\r\n\r\nabc", CHUNKED, b"\r\n"], ids=["length", "chunked", "none"]
)
def test_framing_stops_at_the_head_of_an_offer(framing: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n"
    events = Events()
    data = head + framing
    with pytest.raises(httptools.HttpParserUpgrade) as caught:
        httptools.HttpRequestParser(events).feed_data(data + GET)
    assert caught.value.args[0] == data.index(b"\r\n\r\n") + 4
    assert b"abc" not in events.seen
    assert events.seen[-1] == "end"


def test_bytes_behind_connection_close_raise_in_the_same_read() -> None:
    events = Events()
    with pytest.raises(httptools.HttpParserError):
        httptools.HttpRequestParser(events).feed_data(GET_CLOSE + GET)
    assert events.seen[-1] == "end"


OFFER = b"POST /1 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\nhello", b"", CHUNKED], ids=["length", "none", "chunked"]
)
async def test_a_request_that_offers_an_upgrade_split_at_every_byte_arrives_once(
    wire: Wire, framing: bytes
) -> None:
    data = OFFER + (framing or b"\r\n") + b"GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n"
    client, upstream = await wire.reach()
    for place in range(1, len(data)):
        await client.send(data[:place])
        await wire.turns()
        await client.send(data[place:])
        head = await upstream.head()
        assert head.startswith(b"POST /1 HTTP/1.1\r\n")
        assert b"pgrade" not in head
        if framing == CHUNKED:
            assert await upstream.chunked() == (b"abc", b"X-T: t\r\n")
        elif framing:
            assert await upstream.exactly(5) == b"hello"
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
        assert (await upstream.head()).startswith(b"GET /2 HTTP/1.1\r\n")
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
        assert upstream.quiet
    assert wire.uncontacted


async def test_offers_with_bodies_behind_one_another(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(
        client, (OFFER + CHUNKED + OFFER + b"Content-Length: 5\r\n\r\nhello") * 3
    )
    for number in range(6):
        if number:
            await upstream.head()
        if number % 2:
            assert await upstream.exactly(5) == b"hello"
        else:
            assert await upstream.chunked() == (b"abc", b"X-T: t\r\n")
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
    assert len(wire.records) == 6


async def test_a_plain_answer_behind_one_to_head_is_read_from_its_start(wire: Wire) -> None:
    client, upstream = await wire.reach()
    for request, answer in (
        (b"HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        (GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (GET, OK),
        (GET, b"HTTP/1.1 204 None\r\nContent-Length: 0\r\n\r\n"),
        (GET, OK),
    ):
        await client.send(request)
        await upstream.head()
        await upstream.send(answer)
        head = await client.head()
        assert head.startswith(answer.partition(b"\r\n")[0])
        if answer is OK:
            assert await client.exactly(2) == b"ok"
        elif b"chunked" in answer:
            assert await client.chunked() == (b"", b"")
