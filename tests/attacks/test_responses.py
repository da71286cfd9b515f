"""What a broken upstream answers is passed on, or told as a failure; and whose connection is used again."""

import contextlib
import json
from collections.abc import Iterable

import h11
import pytest

from tests.attacks.cases import OK, PROBE, Aborted, BadGateway, Passed, ResponseCase
from tests.attacks.recorder import Message, read_response
from tests.attacks.response_corpus import RESPONSES
from tests.server.conftest import Peer, Wire

MOST_SPLIT = 1000
SLOW = b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n"


def params(cases: Iterable[ResponseCase]) -> list[object]:
    return [pytest.param(case, id=case.id) for case in cases]


def test_every_case_has_an_id_of_its_own() -> None:
    assert len({case.id for case in RESPONSES}) == len(RESPONSES) >= 100


@pytest.mark.parametrize("case", params(RESPONSES))
async def test_in_one_piece(wire: Wire, case: ResponseCase) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, case.request)
    with contextlib.suppress(ConnectionError):
        for piece in case.pieces:
            await upstream.send(piece)
            await wire.turns()
    await end(wire, upstream, case)
    match case.expect:
        case BadGateway() as failure:
            await expect_failure(client, case, failure.error)
        case Aborted() as aborted:
            assert await client.expect_reset() == aborted.received
        case Passed() as passed:
            assert await client.exactly(len(passed.received)) == passed.received
            assert client.quiet or b"Connection: close" in passed.received
    await expect_next(wire, client, upstream, case)


@pytest.mark.parametrize(
    "case", params(case for case in RESPONSES if sum(map(len, case.pieces)) <= MOST_SPLIT)
)
async def test_in_single_bytes(wire: Wire, case: ResponseCase) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, case.request)
    with contextlib.suppress(ConnectionError):
        data = b"".join(case.pieces)
        for place in range(len(data)):
            await upstream.send(data[place : place + 1])
            await wire.turns(2)
    await end(wire, upstream, case)
    match case.expect:
        case BadGateway() as failure:
            await expect_failure_or_reset(client, case, failure.error)
        case Aborted():
            assert read(await client.expect_reset(), case) is None
        case Passed() as passed:
            expected = read(passed.received, case)
            assert expected is not None
            received = bytearray()
            while (message := read(bytes(received), case)) is None:
                part = await client.receive()
                assert part, bytes(received)
                received += part
            assert message == expected
    await expect_next(wire, client, upstream, case)


async def test_a_second_response_is_not_for_the_next_request(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, SLOW + PROBE)
    await upstream.send(OK + OK.replace(b"ok", b"no"))
    assert (await client.answer())[1] == b"ok"
    other = await wire.accept()
    assert (await other.head()).startswith(b"GET /probe ")
    assert client.quiet
    await other.send(OK.replace(b"ok", b"me"))
    assert (await client.answer())[1] == b"me"


@pytest.mark.parametrize("pause", [0, 1, 5], ids=["at-once", "a-turn-later", "later"])
async def test_a_response_that_nobody_asked_for_is_nobodys(wire: Wire, pause: int) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, SLOW)
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    await upstream.send(OK.replace(b"ok", b"no"))
    await wire.turns(pause)
    # A request may be on its way already: it is sent again, and gets its own answer.
    await client.send(PROBE)
    other = await wire.accept()
    assert (await other.head()).startswith(b"GET /probe ")
    await other.send(OK.replace(b"ok", b"me"))
    assert (await client.answer())[1] == b"me"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
)
async def test_an_answer_before_the_request_ended_ends_the_connection(wire: Wire, framing: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, b"POST / HTTP/1.1\r\nHost: a.test\r\n" + framing)
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    await upstream.gone()
    await client.send(b"0123456789" if b"Length" in framing else b"0\r\n\r\n")
    await client.send(PROBE)
    other = await wire.accept()
    assert (await other.head()).startswith(b"GET /probe ")
    await other.send(OK)
    assert (await client.answer())[1] == b"ok"


async def end(wire: Wire, upstream: Peer, case: ResponseCase) -> None:
    await wire.turns(3)
    if case.end == "close":
        with contextlib.suppress(OSError):  # the proxy was faster
            upstream.end()
    elif case.end == "reset":
        upstream.reset()


async def expect_failure(client: Peer, case: ResponseCase, error: str) -> None:
    """Take a 502, behind the interim responses that came before it."""
    while not (head := await client.head()).startswith(b"HTTP/1.1 502 "):
        assert head.startswith(b"HTTP/1.1 1")
    if not case.request.startswith(b"HEAD "):
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        assert json.loads(await client.exactly(length))["error"] == error


async def expect_failure_or_reset(client: Peer, case: ResponseCase, error: str) -> None:
    """Take a 502, or a reset of an answer that is not complete."""
    data = b""
    try:
        while part := await client.receive():
            data += part
            if (message := read(data, case)) is not None:
                assert message.start == b"502 Bad Gateway"
                assert case.request.startswith(b"HEAD ") or json.loads(message.body)["error"] == error
                return
    except ConnectionResetError:
        assert read(data, case) is None
        return
    raise AssertionError(f"the connection ended in order after {data!r}")


def read(data: bytes, case: ResponseCase) -> Message | None:
    try:
        return read_response(data, ended=False, method=case.request.partition(b" ")[0])
    except h11.RemoteProtocolError as error:
        raise AssertionError(data) from error


async def expect_next(wire: Wire, client: Peer, upstream: Peer, case: ResponseCase) -> None:
    """The next request gets its own answer, on the connection only where that is clean."""
    await wire.settled(lambda: wire.plane.in_flight == 0)
    if not isinstance(case.expect, Passed) or b"HTTP/1.0" in case.request:
        client = await wire.connect()
    reused = isinstance(case.expect, Passed) and case.expect.reused
    await client.send(PROBE)
    if not reused:
        if case.end != "reset":
            await upstream.gone()
        upstream = await wire.accept()
    assert (await upstream.head()).startswith(b"GET /probe HTTP/1.1\r\n")
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert wire.uncontacted
