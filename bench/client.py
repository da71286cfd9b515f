"""A client that asks one thing at a time on a connection and knows how an answer failed to come."""

import asyncio
import json
import socket
from typing import NamedTuple, cast

import httptools

from bench.bodies import LAST_CHUNK, Pace, Tally, checksum, chunk, pieces


class Lost(Exception):
    """A connection that ended before its answer did.

    ``began`` tells whether a part of an answer came, ``reused`` whether an answer came before it.
    """

    def __init__(self, *, began: bool, reused: bool) -> None:
        super().__init__("the connection ended " + ("amid an answer" if began else "without an answer"))
        self.began = began
        self.reused = reused


class Answer(NamedTuple):
    """An answer; the body is in the tally instead, where one was given."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether no request may follow on this connection."""
        return self.fields.get(b"connection", b"").lower() == b"close"

    @property
    def error(self) -> str:
        """The kind of an error of the proxy's own; empty: it is something else."""
        if self.fields.get(b"content-type") != b"application/json":
            return ""
        try:
            facts = json.loads(self.body)
        except ValueError:
            return ""
        return str(facts.get("error", "")) if facts.get("status") == self.status else ""

    def echoes(self, name: str, size: int = 0) -> bool:
        """Whether it is the origin's answer to this very request, with a body of so many bytes."""
        body = f'{{"id": "{name}", "bytes": {size}, "crc32": {checksum(size)}}}'
        return self.status == 200 and self.fields.get(b"x-id") == name.encode() and self.body == body.encode()


class Connection(asyncio.Protocol):
    """One connection to the proxy."""

    def __init__(self) -> None:
        self.answers = 0
        self.unasked = 0  # bytes that came while nothing was asked
        self.ended = asyncio.Event()
        self._waiting: asyncio.Future[Answer] | None = None
        self._room = asyncio.Event()
        self._room.set()

    @classmethod
    async def open(cls, port: int, *, receive_buffer: int | None = None) -> "Connection":
        """Connect to the proxy."""
        sock = socket.socket()
        try:
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, ("127.0.0.1", port))
            _, connection = await loop.create_connection(cls, sock=sock)
        except BaseException:
            sock.close()
            raise
        return connection

    async def ask(self, request: bytes, *, tally: Tally | None = None, pace: float | None = None) -> Answer:
        """Send a request that is whole; return its answer.

        Raises:
            Lost: the connection ended before the answer did.
        """
        answer = self.expect(tally=tally, pace=pace)
        self.write(request)
        return await answer

    async def upload(self, head: bytes, size: int, *, chunked: bool) -> Answer:
        """Send a head and a body of so many bytes, as fast as it is taken; return the answer.

        Raises:
            Lost: the connection ended before the answer did.
        """
        answer = self.expect()
        self.write(head)
        for piece in pieces(size):
            await self._room.wait()
            if answer.done():
                return await answer
            self.write(chunk(piece) if chunked else piece)
        if chunked:
            self.write(LAST_CHUNK)
        return await answer

    def expect(self, *, tally: Tally | None = None, pace: float | None = None) -> asyncio.Future[Answer]:
        """Return what will be the next answer; its body is read at ``pace`` bytes a second."""
        self._tally = tally
        self._pace = None if pace is None else Pace(self._transport, pace)
        self._parser = httptools.HttpResponseParser(self)
        self._fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._began = False
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        if self.ended.is_set():
            self._lose()
        return waiting

    def write(self, data: bytes) -> None:
        """Send bytes; on a connection that ended they are lost."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def hurry(self) -> None:
        """Read what is to come as fast as it comes."""
        if self._pace is not None:
            self._pace.hurry()

    def close(self) -> None:
        """End the connection."""
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._waiting is None:
            self.unasked += len(data)
            return
        self._began = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.unasked += len(data)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self.ended.set()
        self._room.set()
        self._lose()

    def pause_writing(self) -> None:
        """Have an upload wait."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Have an upload go on."""
        self._room.set()

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field."""
        self._fields[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        """Collect or count a piece of the body."""
        if self._tally is None:
            self._body.append(data)
        else:
            self._tally.add(data)
        if self._pace is not None:
            self._pace.take(len(data))

    def on_message_complete(self) -> None:
        """Hand over the answer."""
        waiting, self._waiting = self._waiting, None
        self.answers += 1
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(self._parser.get_status_code(), self._fields, b"".join(self._body)))

    def _lose(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(Lost(began=self._began, reused=self.answers > 0))


def get(path: str) -> bytes:
    """Return a GET as a browser's script sends it."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip, br\r\nCookie: sid=abc\r\n\r\n"
    ).encode()


def post(path: str, size: int) -> bytes:
    """Return a whole POST with a body of so many bytes."""
    return head_of_post(path, size) + b"".join(pieces(size))


def head_of_post(path: str, size: int | None) -> bytes:
    """Return the head of a POST; without a size it is chunked."""
    framing = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    return f"POST {path} HTTP/1.1\r\nHost: api.example.com\r\n{framing}\r\n\r\n".encode()
