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


class Upstreams:
    """Answers each request once h11 has read it to its end; ``forwarded`` is in that order."""

    def __init__(self) -> None:
        self.forwarded: list[Message] = []
        self._answered: dict[MemoryTransport, int] = {}

    def answer(self, transport: MemoryTransport) -> None:
        messages = read_requests(bytes(transport.written))  # what h11 cannot read is a fault of the proxy
        for message in messages[self._answered.get(transport, 0) :]:
            self.forwarded.append(message)
            response = OK[:-2] if message.start.startswith(b"HEAD ") else OK
            asyncio.get_running_loop().call_soon(respond, transport, response)
        self._answered[transport] = len(messages)


def respond(transport: MemoryTransport, response: bytes) -> None:
    if not transport.gone:
        transport.protocol.data_received(response)


def read_leniently(data: bytes) -> tuple[list[Message], bool]:
    """Return what h11 reads of a client's bytes up to a fault, and whether there was one."""
    messages: list[Message] = []
    try:
        read_requests(data, messages)
    except h11.RemoteProtocolError:
        return messages, True
    return messages, False


async def check(bench: Bench, pieces: list[bytes]) -> None:
    upstreams = Upstreams()
    bench.answer = upstreams.answer
    client = bench.connect()
    await bench.feed(client, pieces)
    await bench.finish(client)
    forwarded = upstreams.forwarded
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
@given(st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)), max_size=12).map(b"".join))
async def test_much_nonsense(bench: Bench, nonsense: bytes) -> None:
    await check(bench, [nonsense] if nonsense else [])


@pytest.mark.slow
@pytest.mark.timeout(900)
@thorough
@given(st.data())
async def test_many_damaged_requests(bench: Bench, data: st.DataObject) -> None:
    await check(bench, data.draw(cut(data.draw(damaged(several, most=6)))))
