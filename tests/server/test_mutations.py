"""Messages with random damage, in random pieces: whatever comes, the proxy answers, closes and goes on."""

import contextlib
import random

import pytest

from tests.server.conftest import GET, OK, Peer, Wire

REQUESTS = [
    GET,
    b"POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /b HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: t\r\n\r\n",
    b"GET /c HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"POST /d HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi",
    b"GET http://a.test/e HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
    b"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /g HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"HEAD /h HTTP/1.1\r\nHost: a.test\r\n\r\n",
]
RESPONSES = [
    OK,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: t\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil close",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b":",
    b"\0",
    b"\xff",
    b"0",
    b"9",
    b"GET ",
    b"HTTP/1.1",
    b"Host: b\r\n",
    b";",
]
DAMAGE = 0.4


def damage(source: random.Random, data: bytes) -> bytes:
    while source.random() < DAMAGE:
        start = source.randrange(len(data) + 1)
        end = min(len(data), start + source.choice([0, 0, 1, 2, 20]))
        data = data[:start] + source.choice(PIECES) + data[end:]
    return data


async def send_in_pieces(source: random.Random, wire: Wire, peer: Peer, data: bytes) -> None:
    while data:
        size = source.choice([1, 7, 50, len(data)])
        await peer.send(data[:size])
        data = data[size:]
        await wire.turns(source.randrange(3))


async def serve_badly(source: random.Random, wire: Wire, peer: Peer) -> None:
    """Answer whatever comes with something, as often as something comes."""
    while await peer.receive():
        await send_in_pieces(source, wire, peer, damage(source, source.choice(RESPONSES)))
        if source.random() < 0.2:
            with contextlib.suppress(OSError):
                source.choice([peer.close, peer.reset, peer.end])()
            return


async def accept_forever(source: random.Random, wire: Wire) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            _ = wire.start(serve_badly(source, wire, await wire.accept()))


@pytest.mark.parametrize("seed", range(12))
async def test_damaged_messages_end_in_order(wire: Wire, seed: int) -> None:
    source = random.Random(seed)
    accepting = wire.start(accept_forever(source, wire))
    for _ in range(40):
        client = await wire.connect()
        data = b"".join(damage(source, source.choice(REQUESTS)) for _ in range(source.randrange(1, 5)))
        with contextlib.suppress(OSError):
            await send_in_pieces(source, wire, client, data)
            source.choice([client.end, client.reset, client.close])()
        await wire.turns()
    for seconds in range(70, 1400, 70):
        wire.late(seconds)
        await wire.turns()
    await wire.settled(lambda: not wire.plane.connections)
    accepting.cancel()
    assert wire.plane.in_flight == 0
    assert all(record.status for record in wire.records)
    wire.late(2000)
    await wire.settled(lambda: not wire.plane.upstreams["default"].connections)
