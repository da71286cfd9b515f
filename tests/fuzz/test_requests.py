"""Whatever a client sends: what the upstream gets, h11 reads as the message that the client sent."""

import asyncio

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks.recorder import Message, read_requests
from tests.fuzz.conftest import Bench, MemoryTransport
from tests.fuzz.messages import TOKENS, cut, damaged, requests
from tests.fuzz.reading import same_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
several = st.lists(requests, min_size=1, max_size=3).map(b"".join)
bounded = settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
thorough = settings(bounded, max_examples=10_000)


def answer_whole_requests(transport: MemoryTransport) -> None:
    """Answer each request once h11 has read it to its end."""
    count = len(read_strictly(bytes(transport.written)))
    answered = getattr(transport, "answered", 0)
    if count > answered:
        transport.answered = count  # type: ignore[attr-defined]
        head = read_strictly(bytes(transport.written))[-1].start.startswith(b"HEAD ")
        response = OK[:-2] if head else OK
        asyncio.get_running_loop().call_soon(respond, transport, response)


def respond(transport: MemoryTransport, response: bytes) -> None:
    if not transport.gone:
        transport.protocol.data_received(response)


def read_strictly(data: bytes) -> list[Message]:
    """Return the requests of one connection; what h11 cannot read of it is a fault of the proxy."""
    return read_requests(data)


def read_leniently(data: bytes) -> tuple[list[Message], bool]:
    """Return what h11 reads of a client's bytes up to a fault, and whether there was one."""
    messages: list[Message] = []
    try:
        read_requests(data, messages)
    except h11.RemoteProtocolError:
        return messages, True
    return messages, False


async def check(bench: Bench, pieces: list[bytes]) -> None:
    bench.answer = answer_whole_requests
    client = bench.connect()
    await bench.feed(client, pieces)
    await bench.finish(client)
    forwarded = [
        message for upstream in bench.upstreams for message in read_strictly(bytes(upstream.written))
    ]
    sent, faulty = read_leniently(b"".join(pieces))
    # h11 reads nothing behind a request of HTTP/1.0, whatever it says of its connection.
    assert faulty or len(forwarded) <= len(sent) or b"HTTP/1.0" in b"".join(pieces)
    for ours, theirs in zip(sent, forwarded, strict=False):
        same_request(ours, theirs)
    answers = bytes(client.written).count(b"HTTP/1.1 200 OK\r\n")
    assert answers == len(forwarded)


@bounded
@given(st.data())
async def test_damaged_requests(bench: Bench, data: st.DataObject) -> None:
    await check(bench, data.draw(cut(data.draw(damaged(several)))))


@bounded
@given(st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)), max_size=12).map(b"".join))
async def test_nonsense(bench: Bench, nonsense: bytes) -> None:
    await check(bench, [nonsense] if nonsense else [])


@settings(bounded, max_examples=12)
@given(damaged(several, most=1))
async def test_every_place_to_cut(bench: Bench, message: bytes) -> None:
    for place in range(1, len(message)):
        await check(bench, [message[:place], message[place:]])


@pytest.mark.slow
@pytest.mark.timeout(900)
@thorough
@given(st.data())
async def test_many_damaged_requests(bench: Bench, data: st.DataObject) -> None:
    await check(bench, data.draw(cut(data.draw(damaged(several, most=6)))))
