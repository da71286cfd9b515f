"""An upstream that reads a request wholly before it answers: ``python -m bench.sink PORT``.

nginx without its Lua module answers a POST at its head, and so would have proxies measured that stop
half way. ``/bytes/SIZE`` gives so many bytes; ``/spans`` says how many requests came to ``/v1/traces``,
for this is the collector of spans too; all else gets a small answer.
"""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

BODY = (
    b'{"id": 12345, "name": "abcdefghijklmnopqrstuvwxyz", "items": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], '
    b'"total": 99.5, "currency": "EUR", "note": "hello"}'
)
_PIECE = bytes(256 * 1024)
_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: sink\r\nContent-Type: %b\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n"
)
_SMALL = _HEAD % (b"application/json", len(BODY)) + BODY


class Spans:
    """How often a collector was sent some."""

    def __init__(self) -> None:
        self.received = 0


class SinkConnection(asyncio.Protocol):
    """One connection of a proxy."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._rest = 0
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what is no request ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def pause_writing(self) -> None:
        """Wait until the proxy reads."""
        self._full = True

    def resume_writing(self) -> None:
        """Write on."""
        self._full = False
        self._write_rest()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target = b""

    def on_url(self, target: bytes) -> None:
        """Collect the target."""
        self._target += target

    def on_message_complete(self) -> None:
        """Answer."""
        if self._target.startswith(b"/bytes/"):
            self._rest = int(self._target.rpartition(b"/")[2])
            self._transport.write(_HEAD % (b"application/octet-stream", self._rest))
            self._write_rest()
            return
        if self._target == b"/v1/traces":
            self._spans.received += 1
            self._transport.write(_HEAD % (b"application/x-protobuf", 0))
        elif self._target == b"/spans":
            count = b"%d" % self._spans.received
            self._transport.write(_HEAD % (b"text/plain", len(count)) + count)
        else:
            self._transport.write(_SMALL)

    def _write_rest(self) -> None:
        while self._rest and not self._full:
            size = min(self._rest, len(_PIECE))
            self._rest -= size
            self._transport.write(_PIECE if size == len(_PIECE) else _PIECE[:size])


async def serve(port: int) -> None:
    """Serve until killed."""
    spans = Spans()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SinkConnection(spans), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Read the port and serve."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
