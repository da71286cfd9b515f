"""An origin server in a process of its own: ``python -m bench.origin PORT [--keep-alive SECONDS]``.

It prints a line once it listens. ``/echo/ID`` answers with the id, and the size and CRC-32 of the
request's body; ``/bytes/SIZE/ID`` with so many bytes. In the query: ``delay=SECONDS`` before the
answer, ``pace=BYTES`` a second that are read of a body, or written of one, and ``chunked=1``.
"""

import argparse
import asyncio
import socket
from collections.abc import Iterator
from typing import cast
from urllib.parse import parse_qsl

import httptools
import uvloop

from bench.bodies import LAST_CHUNK, Pace, Tally, chunk, pieces


class OriginConnection(asyncio.Protocol):
    """One connection of the proxy; it is closed after ``keep_alive`` seconds without a request."""

    def __init__(self, keep_alive: float | None) -> None:
        self._keep_alive = keep_alive
        self._idle: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._full = False
        self._rest: Iterator[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        """Parse what came; a proxy that sends what is no request is in error, so the connection ends."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Write no more."""
        self._rest = None
        if self._idle is not None:
            self._idle.cancel()

    def pause_writing(self) -> None:
        """Wait until the proxy reads."""
        self._full = True

    def resume_writing(self) -> None:
        """Write on."""
        self._full = False
        self._write_rest()

    # httptools callbacks

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target = b""
        self._tally = Tally()

    def on_url(self, target: bytes) -> None:
        """Collect the target."""
        self._target += target

    def on_headers_complete(self) -> None:
        """Take the target apart."""
        path, _, query = self._target.partition(b"?")
        self._path = path.split(b"/")[1:]
        self._query = dict(parse_qsl(query.decode())) if query else {}
        pace = self._query.get("pace")
        self._pace = None if pace is None else Pace(self._transport, float(pace))

    def on_body(self, data: bytes) -> None:
        """Count a piece of the body."""
        self._tally.add(data)
        if self._pace is not None:
            self._pace.take(len(data))

    def on_message_complete(self) -> None:
        """Answer."""
        delay = self._query.get("delay")
        if delay is None:
            self._answer()
        else:
            asyncio.get_running_loop().call_later(float(delay), self._answer)

    # The answer.

    def _answer(self) -> None:
        match self._path:
            case [b"echo", name]:
                body = b'{"id": "%b", "bytes": %d, "crc32": %d}' % (name, self._tally.size, self._tally.crc32)
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Id: %b\r\n" % name
                self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
                self._wait_for_request()
            case [b"bytes", size, name]:
                self._answer_bytes(int(size), name)
            case _:
                self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                self._wait_for_request()

    def _answer_bytes(self, size: int, name: bytes) -> None:
        chunked = "chunked" in self._query
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        self._transport.write(b"HTTP/1.1 200 OK\r\nX-Id: %b\r\n%b\r\n\r\n" % (name, framing))
        self._rest = chunks(size) if chunked else pieces(size)
        self._write_rest()

    def _write_rest(self) -> None:
        """Write what the proxy takes, or one piece and then wait where there is a pace."""
        rest, pace = self._rest, self._query.get("pace")
        while rest is not None and not self._full:
            piece = next(rest, None)
            if piece is None:
                self._rest = rest = None
                self._wait_for_request()
                return
            self._transport.write(piece)
            if pace is not None:
                asyncio.get_running_loop().call_later(len(piece) / float(pace), self._write_rest)
                return

    def _wait_for_request(self) -> None:
        if self._keep_alive is not None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._keep_alive, self._transport.close)


def chunks(size: int) -> Iterator[bytes]:
    """Give a body of so many bytes in chunks."""
    for piece in pieces(size):
        yield chunk(piece)
    yield LAST_CHUNK


async def serve(port: int, keep_alive: float | None) -> None:
    """Serve until killed."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: OriginConnection(keep_alive), sock=sock, backlog=4096)
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--keep-alive", type=float)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.port, arguments.keep_alive))


if __name__ == "__main__":
    main()
