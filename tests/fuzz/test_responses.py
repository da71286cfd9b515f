"""Whatever an upstream answers: the client reads what h11 reads of it, or a 502, or an answer cut off."""

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks.recorder import Message, read_response
from tests.fuzz.conftest import Bench, MemoryTransport
from tests.fuzz.messages import TOKENS, cut, damaged, responses
from tests.fuzz.reading import same_response

REQUESTS = [
    b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: no-retry\r\n\r\n",
    b"PATCH / HTTP/1.0\r\nHost: a.test\r\n\r\n",
]
ENDS = ["open", "close", "reset"]
bounded = settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
thorough = settings(bounded, max_examples=10_000)


def lose(transport: MemoryTransport, end: str) -> None:
    """End an upstream's connection."""
    if end != "open" and not transport.gone:
        transport.gone = True
        transport.protocol.connection_lost(None if end == "close" else ConnectionResetError())


def read(data: bytes, *, ended: bool, method: bytes) -> Message | None:
    try:
        return read_response(data, ended=ended, method=method)
    except h11.RemoteProtocolError:
        return None


async def check(bench: Bench, request: bytes, pieces: list[bytes], end: str) -> None:
    method = request.partition(b" ")[0]
    bench.answer = lambda transport: None
    client = bench.connect()
    await bench.feed(client, [request])
    await bench.settle(lambda: bool(bench.upstreams) and bool(bench.upstreams[0].written))
    upstream = bench.upstreams[0]
    await bench.feed(upstream, pieces)
    lose(upstream, end)
    await bench.settle()
    reusable = not upstream.gone
    written, whole = bytes(client.written), not client.aborted
    got = read_response(written, ended=client.gone and whole, method=method) if written else None
    said = b"".join(pieces)
    if got is not None and got.start != b"502 Bad Gateway":
        told = read(said, ended=end == "close", method=method)
        assert told is not None, "h11 does not read what was passed on as whole"
        same_response(told, got)
    if client.aborted:
        assert got is None
    if got is not None and reusable:
        assert ends_there(said, method)
    await bench.finish(client)


def ends_there(said: bytes, method: bytes) -> bool:
    """Whether h11 finds no byte behind the response."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(said)
    while not isinstance(connection.next_event(), h11.EndOfMessage):
        pass
    return connection.trailing_data[0] == b""


@bounded
@given(st.data(), st.sampled_from(REQUESTS), st.sampled_from(ENDS))
async def test_damaged_responses(bench: Bench, data: st.DataObject, request_: bytes, end: str) -> None:
    await check(bench, request_, data.draw(cut(data.draw(damaged(responses)))), end)


@bounded
@given(
    st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)), max_size=12).map(b"".join),
    st.sampled_from(ENDS),
)
async def test_nonsense(bench: Bench, nonsense: bytes, end: str) -> None:
    await check(bench, REQUESTS[0], [nonsense] if nonsense else [], end)


@settings(bounded, max_examples=12)
@given(damaged(responses, most=1), st.sampled_from(REQUESTS), st.sampled_from(ENDS))
async def test_every_place_to_cut(bench: Bench, response: bytes, request_: bytes, end: str) -> None:
    for place in range(1, len(response)):
        await check(bench, request_, [response[:place], response[place:]], end)


@pytest.mark.slow
@pytest.mark.timeout(900)
@thorough
@given(st.data(), st.sampled_from(REQUESTS), st.sampled_from(ENDS))
async def test_many_damaged_responses(bench: Bench, data: st.DataObject, request_: bytes, end: str) -> None:
    await check(bench, request_, data.draw(cut(data.draw(damaged(responses, most=6)))), end)
