"""One client connection: bytes to requests, which are answered in the order they came.

llhttp frames the messages. Its callbacks arrive for every request in one read, so requests behind
the current one wait in a queue, and reading pauses while one does.
"""

import asyncio
import re
from collections import deque
from time import perf_counter as clock
from typing import TYPE_CHECKING, cast

import httptools

from proxy.exchange import Client, Exchange
from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.framing import Framing, request_framing
from proxy.message.head import Field, PlainRequestHead, RequestHead
from proxy.message.plain import split_plain_request
from proxy.server.field_callbacks import HTTP_VERSIONS, FieldCallbacks
from proxy.server.flow_control import EXCHANGE_BUSY, NOT_CONNECTED, PEER_FULL, ReadGate
from proxy.server.reframe import parse_after_offer
from proxy.server.relay import Relay
from proxy.server.transport import abort, peer_address

if TYPE_CHECKING:
    from proxy.server.data_plane import DataPlane, ListenerFacts

#: How long a closed connection is still read, so that the answer is not lost to a reset, seconds.
LINGER_SECONDS = 2.0

#: A tunnel is not what this proxy is for, and TRACE shows a client what others added.
_REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})
_REQUEST_LINE_START = re.compile(rb"[\r\n]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+ ")


class DownstreamConnection(asyncio.Protocol):
    """The wire side of one client."""

    __slots__ = (
        "_advancing",
        "_at",
        "_client",
        "_closing",
        "_data",
        "_eof",
        "_fields",
        "_head_began",
        "_head_bytes",
        "_head_split",
        "_in_head",
        "_listener",
        "_parser",
        "_plain",
        "_plain_parser",
        "_progressed",
        "_queue",
        "_receiving",
        "_silent_bytes",
        "_target",
        "_transport",
        "_unsent_when_checked",
        "current",
        "deadline",
        "full",
        "gate",
        "plane",
    )
    _transport: asyncio.Transport
    gate: ReadGate

    def __init__(self, plane: "DataPlane", listener: "ListenerFacts") -> None:
        self.plane = plane
        self._listener = listener
        self._parser = httptools.HttpRequestParser(FieldCallbacks(self))
        self._plain_parser = httptools.HttpRequestParser(self)
        self._plain: tuple[bytes, bytes] | None = None  # the head that is parsed, where it is plain
        # The bytes from the first one of a message on, and where in them the next head begins.
        self._data = b""
        self._at = 0
        self._fields: list[Field] = []
        self._target = b""
        self._in_head = False
        self._head_began = False
        self._head_bytes = 0
        self._head_split = False
        self._progressed = False
        self._silent_bytes = 0
        self._receiving: Relay | None = None
        self._queue: deque[Relay] = deque()
        self._advancing = False
        self._closing = False
        self._eof = False
        self._unsent_when_checked = 0
        self._client: Client | None = None
        self.current: Relay | None = None
        self.deadline = 0.0
        self.full = False  # the client takes less than there is to write

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away where there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self.gate = ReadGate(self._transport)
        plane = self.plane
        plane.connections.add(self)
        self.deadline = clock() + plane.limits.header_timeout
        if len(plane.connections) > plane.limits.connections:
            self._refuse(RefusedMessage(ErrorKind.OVERLOAD, "too many connections"))

    def data_received(self, data: bytes) -> None:
        """Parse what came and pass it on in one write."""
        if self._closing:
            return
        started = clock()
        if self.current is None and not self._head_began:
            self._head_began = True
            self.deadline = started + self.plane.limits.header_timeout
        behind = self._feed(data)
        while behind and not self._closing:
            behind = self._feed(behind)
        if not self._in_head:
            self._data = b""  # or an idle connection would keep the last read
        relay = self.current
        if relay is not None and relay.unsent:
            relay.write_upstream(started)

    def eof_received(self) -> bool:
        """Answer what was asked before the client closed its side; a request cut short is an error."""
        self._eof = True
        receiving = self._receiving
        if receiving is not None:
            self._receiving = None
            receiving.refuse(RefusedMessage(ErrorKind.BAD_REQUEST, "the connection ended before the request"))
        if self.current is None:
            self._transport.close()
            return False
        return self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is in flight: nobody waits for it."""
        self._closing = True
        self.plane.connections.discard(self)
        relay = self.current
        if relay is not None:
            relay.leave()
            self._close_exchange(relay, clock())
        self._queue.clear()

    def pause_writing(self) -> None:
        """Stop reading the response while the client does not take it."""
        self.full = True
        if self.current is not None:
            self.current.hold_upstream()

    def resume_writing(self) -> None:
        """Read the response again."""
        self.full = False
        if self.current is not None:
            self.current.release_upstream()

    # httptools callbacks

    def begin_message(self) -> None:
        """Note the first byte of a request; a plain one comes whole."""
        self._in_head = self._head_began = True

    def on_url(self, target: bytes) -> None:
        """Collect the request target, which may come in pieces."""
        self._target += target

    def collect_field(self, name: bytes, value: bytes) -> None:
        """Collect a field of the head, or of the trailer section."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Make an exchange of the head and begin it when its turn has come."""
        plain = self._plain
        head = self._take_head() if plain is None else self._take_plain_head(*plain)
        if (self.current is not None or self._closing) and self._closes_after_last():
            # It came in the read of a request that ends the connection.
            return
        framing = Framing.NONE if plain is not None else request_framing(head)
        plane, client = self.plane, self._client
        if client is None or client.policy is not plane.policy:
            client = self._identify()
        exchange = Exchange(client, plane.ids, plane.wall_clock())
        relay = self._receiving = Relay(self, exchange, head, framing)
        if self.current is None:
            self.current = relay
            relay.begin()
        else:
            self._queue.append(relay)
            self.gate.hold(EXCHANGE_BUSY)

    def on_body(self, data: bytes) -> None:
        """Pass on a piece of the body."""
        self._progressed = True
        if self._receiving is not None:
            self._receiving.receive_body(data)

    def on_message_complete(self) -> None:
        """Note the end of the request, but for one that llhttp ends early because it offers an upgrade."""
        relay = self._receiving
        if relay is None:
            return
        if relay.framing is not Framing.NONE and relay.has_body and self._parser.should_upgrade():
            return
        if relay.framing is Framing.LENGTH:
            self._at += relay.length
        elif relay.framing is Framing.CHUNKED:
            self._data = b""
        self._receiving = None
        self._head_bytes = self._silent_bytes = 0
        trailers, self._fields = self._fields, []
        relay.end_request(trailers)

    # The relay's side.

    def write(self, parts: list[bytes]) -> None:
        """Write the parts in order, in one piece."""
        if self._transport.is_closing():
            return
        self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def finish(self, relay: Relay, now: float) -> None:
        """End an exchange whose response is written at ``now``, and turn to the next one."""
        self.current = None
        if self._receiving is relay:
            self._receiving = None
        plane = self.plane
        limits = plane.limits
        plane.observe(relay.exchange.close(now - relay.head_at))
        if not relay.persist or (self._eof and not self._queue):
            self.close()
            return
        self.deadline = now + (limits.header_timeout if self._head_began else limits.keepalive_timeout)
        if plane.draining and not self._queue and not self._in_head:
            self.close()
        elif self._queue:
            self._advance()

    def abort(self, relay: Relay) -> None:
        """Cut the connection so that the answer cannot look complete."""
        relay.leave()
        self._close_exchange(relay, clock())
        self._closing = True
        abort(self._transport)

    def close(self) -> None:
        """Close once everything is written; read on for a moment, so that the client can read the answer."""
        if self._closing:
            return
        self._closing = True
        self._queue.clear()
        self.deadline = clock() + LINGER_SECONDS
        if self._eof or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self.gate.release(PEER_FULL | EXCHANGE_BUSY | NOT_CONNECTED)

    # The data plane's side.

    @property
    def idle(self) -> bool:
        """Whether no request is in flight or has begun to come."""
        return self.current is None and not self._head_began

    def cut(self) -> None:
        """End at once; an answer that was not begun says why."""
        relay = self.current
        if relay is None:
            self._transport.abort()
        elif relay.answering:
            self.abort(relay)
        else:
            relay.refuse(RefusedMessage(ErrorKind.DRAINING, "the proxy is going down"))

    def expire(self, now: float) -> None:
        """Act on a deadline that passed."""
        unsent = self._transport.get_write_buffer_size()
        if unsent and unsent != self._unsent_when_checked:
            # A slow reader that does read: it gets another turn.
            self._unsent_when_checked = unsent
            self.deadline = now + self.plane.limits.body_timeout
        elif self._closing:
            self._transport.abort()
        elif self.current is not None:
            self.current.expire()
        elif self._in_head:
            self._refuse(RefusedMessage(ErrorKind.REQUEST_TIMEOUT, "the request head did not come in time"))
        else:
            self.close()

    def _feed(self, data: bytes | memoryview) -> memoryview | None:
        """Parse what came; return what is behind a head that offers an upgrade, where llhttp stops."""
        self._head_split = self._in_head
        self._head_bytes += len(data)
        self._progressed = False
        if self._in_head:
            self._data = self._data + bytes(data) if self._data else b""
        else:
            self._data = data if self._receiving is None and type(data) is bytes else b""
            self._at = 0
        parser = self._parser
        if self._data and data[-4:] == b"\r\n\r\n" and not self._in_head:
            self._plain = split_plain_request(self._data)
            if self._plain is not None:
                parser = self._plain_parser
        try:
            parser.feed_data(data)
            if self._in_head:
                self._check_head_size(self._head_bytes, len(self._target))
            elif self._receiving is not None:
                self._check_progress(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            self._resume_after_offer()
            return memoryview(data)[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, RefusedMessage):
                raise
            self._refuse(error.__context__)
        except RefusedMessage as refused:
            self._refuse(refused)
        except httptools.HttpParserError as error:
            self._refuse_bytes(error, data)
        return None

    def _take_head(self) -> RequestHead:
        """Return the head that is complete.

        Raises:
            RefusedMessage: it is larger than the limits, of another version, or of a method that
                is not for proxies.
        """
        parser, fields, target = self._parser, self._fields, self._target
        self._fields, self._target = [], b""
        self._in_head = self._head_began = False
        limits = self.plane.limits
        if self._head_bytes > limits.header_bytes or self._head_split:
            size = len(target) + sum([len(name) + len(value) + 4 for name, value in fields])
            self._check_head_size(size, len(target))
        self._head_bytes = 0
        method = parser.get_method()
        version = self._check_head(len(fields), parser.get_http_version(), method)
        data, lines = self._data, None
        if data.startswith(method, self._at):
            end = data.index(b"\r\n\r\n", self._at)
            lines = data[data.index(b"\r\n", self._at) : end]
            self._at = end + 4
        return RequestHead(method, target, fields, version, lines)

    def _check_head(self, count: int, version: str, method: bytes) -> tuple[int, int]:
        if count > self.plane.limits.headers:
            detail = f"the head has more than {self.plane.limits.headers} fields"
            raise RefusedMessage(ErrorKind.HEAD_TOO_LARGE, detail)
        known = HTTP_VERSIONS.get(version)
        if known is None:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "the request is not HTTP/1.1 or HTTP/1.0")
        if method in _REFUSED_METHODS:
            raise RefusedMessage(ErrorKind.METHOD_NOT_SUPPORTED, f"{method.decode()} is not supported")
        return known

    def _take_plain_head(self, lines: bytes, host: bytes) -> RequestHead:
        target = self._target
        self._target = b""
        self._plain = None
        self._in_head = self._head_began = False
        limits, parser = self.plane.limits, self._plain_parser
        if self._head_bytes > limits.header_bytes:
            self._check_head_size(len(target) + len(lines), len(target))
        self._head_bytes = 0
        method = parser.get_method()
        version = self._check_head(lines.count(b"\r\n"), parser.get_http_version(), method)
        return PlainRequestHead(method, target, lines, host, version)

    def _identify(self) -> Client:
        transport, listener = self._transport, self._listener
        self._client = client = Client(
            self.plane.policy,
            listener.scheme,
            peer_address(transport),
            listener.authority,
            certificate=listener.tls and bool(transport.get_extra_info("peercert")),
        )
        return client

    def _check_head_size(self, size: int, target_size: int) -> None:
        limit = self.plane.limits.header_bytes
        if target_size > limit:
            raise RefusedMessage(ErrorKind.TARGET_TOO_LONG, f"the request line is longer than {limit} bytes")
        if size > limit:
            raise RefusedMessage(ErrorKind.HEAD_TOO_LARGE, f"the head is larger than {limit} bytes")

    def _check_progress(self, size: int) -> None:
        """Bound what of a chunked body is not body: extensions of chunks, and trailers."""
        self._silent_bytes = 0 if self._progressed else self._silent_bytes + size
        limit = self.plane.limits.header_bytes
        if self._silent_bytes > limit:
            raise RefusedMessage(
                ErrorKind.HEAD_TOO_LARGE, f"chunk extensions or trailers exceed {limit} bytes"
            )

    def _resume_after_offer(self) -> None:
        """Go on behind the head of a request that offers an upgrade, where llhttp stops framing.

        The offer is not passed on, so the bytes that follow are the request's body, and requests.
        """
        receiving = self._receiving
        self._parser = parse_after_offer(
            FieldCallbacks(self), receiving.head if receiving is not None else None
        )
        self._head_bytes = 0

    def _refuse_bytes(self, error: httptools.HttpParserError, data: bytes | memoryview) -> None:
        if self._closes_after_last():
            return
        if isinstance(error, httptools.HttpParserInvalidMethodError) and _REQUEST_LINE_START.match(data):
            self._refuse(RefusedMessage(ErrorKind.METHOD_NOT_SUPPORTED, "the method is not known"))
            return
        self._refuse(RefusedMessage(ErrorKind.BAD_REQUEST, f"the request is not valid HTTP/1.1: {error}"))

    def _closes_after_last(self) -> bool:
        """Whether the last request said ``Connection: close``: what follows it is not a request."""
        last = self._queue[-1] if self._queue else self.current
        return self._closing or (last is not None and last.request_complete and not last.persist)

    def _refuse(self, refused: RefusedMessage) -> None:
        """Answer a message that cannot be read any further, in its turn, and stop reading."""
        self._in_head = self._head_began = False
        receiving, self._receiving = self._receiving, None
        if receiving is None:
            head = RequestHead(b"", b"", [], (1, 1))
            exchange = Exchange(self._identify(), self.plane.ids, self.plane.wall_clock())
            receiving = Relay(self, exchange, head, Framing.NONE)
            if self.current is None:
                self.current = receiving
            else:
                self._queue.append(receiving)
        receiving.refuse(refused)
        if not self._closing:
            self.gate.hold(EXCHANGE_BUSY)

    def _advance(self) -> None:
        """Begin queued requests until one is in flight; a loop, since any of them may end at once."""
        if self._advancing:
            return
        self._advancing = True
        while self.current is None and self._queue and not self._closing:
            relay = self.current = self._queue.popleft()
            if not self._queue:
                self.gate.release(EXCHANGE_BUSY)
            relay.begin()
            relay.write_upstream(clock())
        self._advancing = False

    def _close_exchange(self, relay: Relay, now: float) -> None:
        """Hand the record of an exchange over."""
        if self.current is relay:
            self.current = None
        if self._receiving is relay:
            self._receiving = None
        self.plane.observe(relay.exchange.close(now - relay.head_at))
