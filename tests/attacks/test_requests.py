"""What attackers send is refused, or arrives as just what it says; in one piece and in single bytes."""

import json
from collections.abc import Iterable

import pytest

from tests.attacks.cases import PROBE, Refused, RequestCase, Served, seen
from tests.attacks.recorder import Recorder, read_requests
from tests.attacks.request_corpus import REQUESTS
from tests.server.conftest import Peer, Start, Wire

#: Long ones are limits, which have split tests of their own.
MOST_SPLIT = 1500
SEEN_PROBE = seen(line=b"GET /probe HTTP/1.1")


def params(cases: Iterable[RequestCase]) -> list[object]:
    return [pytest.param(case, id=case.id) for case in cases]


def test_there_are_as_many_cases_as_ids() -> None:
    assert len({case.id for case in REQUESTS}) == len(REQUESTS) >= 220


@pytest.mark.parametrize("case", params(REQUESTS))
async def test_in_one_piece(start: Start, recorder: Recorder, case: RequestCase) -> None:
    wire = await start(case.config, port=recorder.port)
    client = await wire.connect()
    for piece in case.pieces:
        await client.send(piece)
        await wire.turns()
    match case.expect:
        case Refused() as refused:
            await expect_answers(client, refused.after)
            await expect_refusal(client, refused.status)
            await expect_received(wire, recorder, refused.after)
            if len(case.pieces) == 1:
                assert recorder.received == b"".join(refused.after)
        case Served() as served:
            messages = await probe(client, served)
            await expect_received(wire, recorder, messages)
            assert recorder.received == b"".join(messages)


@pytest.mark.parametrize(
    "case", params(case for case in REQUESTS if sum(map(len, case.pieces)) <= MOST_SPLIT)
)
async def test_in_single_bytes(start: Start, recorder: Recorder, case: RequestCase) -> None:
    wire = await start(case.config, port=recorder.port)
    client = await wire.connect()
    await send_bytes(wire, client, b"".join(case.pieces))
    match case.expect:
        case Refused() as refused:
            await expect_answers(client, refused.after)
            # How much of a bad method came tells whether it may be one that is not known.
            await expect_refusal(client, *({400, 501} if refused.status in (400, 501) else {refused.status}))
            # What of a body came before the fault was on its way; no request was complete.
            await expect_received(wire, recorder, refused.after)
        case Served() as served:
            await expect_received(wire, recorder, await probe(client, served))


async def send_bytes(wire: Wire, client: Peer, data: bytes) -> None:
    """Send each byte by itself, as long as somebody takes them."""
    for place in range(len(data)):
        try:
            await client.send(data[place : place + 1])
        except ConnectionError:
            return
        await wire.turns(2)


async def probe(client: Peer, served: Served) -> tuple[bytes, ...]:
    """Take every answer, and that to one more request; return what the upstream must have received."""
    if served.closes:
        await expect_answers(client, served.messages)
        assert await client.to_end() == b""
        return served.messages
    await client.send(PROBE)
    messages = (*served.messages, SEEN_PROBE)
    await expect_answers(client, messages)
    assert client.quiet
    return messages


async def expect_answers(client: Peer, messages: tuple[bytes, ...]) -> None:
    for number, message in enumerate(messages, 1):
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n"), (head, body)
        method, target, _ = message.split(b" ", 2)
        assert body == b"%d %b %b" % (number, method, target)


async def expect_refusal(client: Peer, *statuses: int) -> None:
    head, body = await client.answer()
    told = json.loads(body)["status"]
    assert told in statuses, (head, body)
    assert head.startswith(b"HTTP/1.1 %d " % told)
    assert b"\r\nConnection: close\r\n" in head
    assert await client.to_end() == b""


async def expect_received(wire: Wire, recorder: Recorder, messages: tuple[bytes, ...]) -> None:
    """Check that h11 read these messages, no more and no others."""
    await wire.settled(lambda: wire.plane.in_flight == 0)
    assert recorder.faults == []
    assert recorder.requests == read_requests(b"".join(messages))
    assert len(recorder.requests) == len(messages)
