"""Last words: they arrive, and nobody waits for long."""

import asyncio
import json
import socket
from collections.abc import Iterator

import pytest

from proxy.server.farewell import answer_plain_http, say_farewell
from tests.server.conftest import PATIENCE, Peer

WORDS = b"good bye"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Peer]]:
    """Two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        sock, _ = server.accept()
    with sock, client:
        sock.setblocking(False)
        client.setblocking(False)
        yield sock, Peer(client)


def say(sock: socket.socket, words: bytes, seconds: float = PATIENCE) -> asyncio.Task[None]:
    loop = asyncio.get_running_loop()
    return loop.create_task(say_farewell(sock, words, loop.time() + seconds))


async def test_words_arrive_and_then_an_end(pair: tuple[socket.socket, Peer]) -> None:
    sock, client = pair
    saying = say(sock, WORDS)
    await client.send(bytes(100_000))
    assert await client.to_end() == WORDS
    assert not saying.done()
    client.end()
    await saying


async def test_words_may_be_more_than_is_taken_at_once(pair: tuple[socket.socket, Peer]) -> None:
    sock, client = pair
    words = bytes(range(256)) * 40_000
    saying = say(sock, words)
    assert await client.to_end() == words
    client.end()
    await saying


@pytest.mark.parametrize("words", [WORDS, bytes(10_000_000)], ids=["few", "more-than-is-taken"])
async def test_who_stays_is_left(pair: tuple[socket.socket, Peer], words: bytes) -> None:
    sock, _ = pair
    await say(sock, words, 0.05)


async def test_who_is_gone_is_left(pair: tuple[socket.socket, Peer]) -> None:
    sock, client = pair
    client.reset()
    await say(sock, WORDS)


def test_plain_http_is_answered_with_an_error() -> None:
    head, _, body = answer_plain_http(b"Thu, 01 Jan 1970 00:00:00 GMT").partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 400 Bad Request",
        b"Content-Type: application/json",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    ]
    assert json.loads(body)["error"] == "bad_request"
