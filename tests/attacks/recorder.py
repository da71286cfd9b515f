"""An upstream that reads what reaches it with h11, a parser of another family than the proxy's."""

import asyncio
from dataclasses import dataclass
from typing import cast

import h11

_LARGEST_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response as h11 reads it; names are in lower case."""

    start: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...] = ()


class Recorder:
    """What came on all connections, in the order in which they were opened."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: list[bytearray] = []
        self.requests: list[Message] = []
        self.faults: list[str] = []
        self.transports: set[asyncio.Transport] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        server = self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    @property
    def received(self) -> bytes:
        """Every byte that came."""
        return b"".join(self.connections)

    def forget(self) -> None:
        """Drop the connections and what came on them."""
        for transport in self.transports:
            transport.abort()
        self.connections.clear()
        self.requests.clear()
        self.faults.clear()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self.forget()


class _Connection(asyncio.Protocol):
    """Answers each request with its number and request line."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._raw = bytearray()
        recorder.connections.append(self._raw)
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
        self._collected = Collected()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._recorder.transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._recorder.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._raw += data
        try:
            self._h11.receive_data(data)
            while self._take(self._h11.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._recorder.faults.append(str(error))
            self._transport.close()

    def _take(self, event: object) -> bool:
        if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            return False
        message = self._collected.take(event)
        if message is not None:
            self._collected = Collected()
            self._recorder.requests.append(message)
            self._answer(message)
        return True

    def _answer(self, message: Message) -> None:
        body = b"%d %b" % (len(self._recorder.requests), message.start)
        fields = [(b"Content-Length", b"%d" % len(body))]
        events = [h11.Response(status_code=200, headers=fields, reason=b"OK"), h11.Data(data=body)]
        if message.start.startswith(b"HEAD "):
            del events[1:]
        for event in [*events, h11.EndOfMessage()]:
            self._transport.write(self._h11.send(event) or b"")
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()


class Collected:
    """The events of one message."""

    def __init__(self) -> None:
        self.started = False
        self._start = b""
        self._fields: tuple[tuple[bytes, bytes], ...] = ()
        self._body = bytearray()

    def take(self, event: object) -> Message | None:
        """Take an event; return the message with its last one."""
        if isinstance(event, h11.Request):
            self._begin(event.method + b" " + event.target, event)
        elif isinstance(event, h11.Response):
            self._begin(b"%d %b" % (event.status_code, event.reason), event)
        elif isinstance(event, h11.Data):
            self._body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Message(self._start, self._fields, bytes(self._body), tuple(event.headers))
        return None

    def _begin(self, start: bytes, event: h11.Request | h11.Response) -> None:
        self.started = True
        self._start = start
        self._fields = tuple(event.headers)


def read_requests(data: bytes, messages: list[Message] | None = None) -> list[Message]:
    """Return the requests that h11 reads one behind another, appended to ``messages``.

    Raises:
        h11.RemoteProtocolError: it cannot.
    """
    messages = [] if messages is None else messages
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
    collected = Collected()
    if data:  # nothing would be the end
        connection.receive_data(data)
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return messages
        message = collected.take(event)
        if message is None:
            continue
        messages.append(message)
        collected = Collected()
        connection.send(h11.Response(status_code=200, headers=[(b"Content-Length", b"0")]))
        connection.send(h11.EndOfMessage())
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return messages
        connection.start_next_cycle()


def read_response(data: bytes, *, ended: bool, method: bytes = b"GET") -> Message | None:
    """Return the final response to one request, as h11 reads it; None: it is not complete.

    Raises:
        h11.RemoteProtocolError: it cannot.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"a")]))
    connection.send(h11.EndOfMessage())
    if data:
        connection.receive_data(data)
    if ended:
        connection.receive_data(b"")
    collected = Collected()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
            return None
        message = collected.take(event)
        if message is not None:
            return message
