"""One connection to an upstream target: it carries one exchange after another.

A connection goes back to its pool only after a response that ended where its framing says, to a
request that was sent whole, with no byte after it. Whatever comes on an idle connection closes it.
"""

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Final, cast

import httptools

from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.framing import BY_CHUNKS, BY_CLOSE, BY_LENGTH, NO_BODY, response_framing
from proxy.message.head import Field, PlainResponseHead, ResponseHead
from proxy.message.plain import KEPT_BYTES, find_plain_response
from proxy.server.clock import clock
from proxy.server.connect import describe, without_scope
from proxy.server.field_callbacks import FieldCallbacks
from proxy.server.flow_control import PEER_FULL, ReadGate
from proxy.server.transport import ended_in_order

if TYPE_CHECKING:
    from proxy.server.pool import Upstream
    from proxy.server.relay import Relay
    from proxy.server.target import TargetPool

_LARGE_HEAD: Final = "the response head is larger than"
#   status-line = HTTP-version SP status-code SP [ reason-phrase ] CRLF
#
# llhttp takes RTSP and ICE for versions too, any three digits, any byte in a phrase, and blank lines
# before it all. The last space is often left out.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) [1-9][0-9][0-9](?: [\t -~\x80-\xff]*)?\r\n")


class UpstreamConnection:
    """The wire side of an exchange's upstream leg."""

    __slots__ = (
        "_at",
        "_behind_head",
        "_data",
        "_fields",
        "_framing",
        "_full",
        "_head_complete",
        "_interim",
        "_known",
        "_known_size",
        "_lasting",
        "_limit",
        "_owner",
        "_parser",
        "_phrase",
        "_plain_parser",
        "_relay",
        "_response_complete",
        "_reusable",
        "_silent_bytes",
        "_started",
        "_tail",
        "gate",
        "idle_since",
        "served",
        "switched",
        "target",
        "transport",
    )
    transport: asyncio.Transport
    gate: ReadGate
    _parser: httptools.HttpResponseParser | None
    _fields: list[Field]

    def __init__(self, owner: "Upstream", target: "TargetPool", head_limit: int) -> None:
        self._owner = owner
        self.target = target
        self._limit = head_limit
        self._relay: Relay | None = None
        self.idle_since = 0.0
        self.served = 0
        self.switched = False  # by a 101: a tunnel has the connection, or is about to
        self._response_complete = False
        self._lasting = True
        self._reusable = True
        self._full = False  # the upstream takes less than there is to write
        self._head_complete = False
        self._framing = NO_BODY
        self._silent_bytes = 0
        self._data = b""  # all that came up to the end of the head, which begins at _at
        self._at = 0
        self._behind_head = 0  # bytes of the last read that are behind the head
        self._tail = b""  # the end of what came of a chunked body
        self._plain_parser = httptools.HttpResponseParser(None)
        # The head of the last response that was plain, and the size of all of it.
        self._known: PlainResponseHead | None = None
        self._known_size = 0
        self._started = 0.0  # when the last read began

    # The pool's side.

    @property
    def host(self) -> str:
        """The address of the target that it leads to; empty where that is none of IP, or is gone."""
        peer = self.transport.get_extra_info("peername")
        return without_scope(peer[0]) if isinstance(peer, tuple) else ""

    @property
    def used(self) -> bool:
        """Whether it was made for an earlier request, and may have died since."""
        return self.served > 0 or self.idle_since > 0

    def attach(self, relay: "Relay") -> None:
        """Give the connection to one exchange, until its response is complete."""
        self._relay = relay
        self._parser = None
        self._data = b""
        self._fields = []
        self._phrase = b""
        self._framing = NO_BODY
        self._silent_bytes = 0  # since the last piece of a body
        self._head_complete = False
        self._interim = False
        self.switched = False
        self._response_complete = False

    def retire(self) -> None:
        """Carry no exchange any more but the one that is under way."""
        self._lasting = self._reusable = False

    def detach(self) -> None:
        """End the exchange here: the connection cannot carry another one."""
        self._relay = None
        self.transport.abort()

    def end(self) -> None:
        """Tell the pool that the connection, which a tunnel took over, is gone."""
        self._owner.forget(self)

    def close(self) -> None:
        """Close an idle connection."""
        self.transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.gate = ReadGate(self.transport)
        self._owner.admit(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came and pass it on in one write."""
        relay = self._relay
        if relay is None:
            self.transport.abort()
            return
        started = self._started = clock()
        if self._parser is None:
            head = self._find_plain(data)
            if head is not None and relay.method != b"HEAD":
                self._receive_plain(relay, head, data, started)
                return
            self._parser = httptools.HttpResponseParser(FieldCallbacks(self))
        self._silent_bytes += len(data)
        body_before = 0
        if self._head_complete:
            body_before = relay.exchange.bytes
            self._behind_head = len(data)
        else:
            self._data += data
        try:
            self._parser.feed_data(data)
            if self.switched:
                raise httptools.HttpParserError("a 101 without its end")
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.switched and isinstance(error, httptools.HttpParserUpgrade):
                self._relay = None
                self.target.failures = 0
                relay.switch(data[error.args[0] :], started)
                return
            self._reusable = False
            if not self._response_complete:
                self._refuse(relay, error)
                return
        if self._silent_bytes > self._limit and not self._response_complete:
            part = "chunk extensions or trailers exceed" if self._head_complete else _LARGE_HEAD
            self._fail(relay, ErrorKind.UPSTREAM_PROTOCOL, f"{part} header_bytes")
            return
        now = relay.write_downstream(started)
        if self._response_complete:
            if data[-1] in b"\r\n" and self._is_followed(data, relay.exchange.bytes - body_before):
                self._reusable = False
            self._end(relay, now)
        elif self._framing is BY_CHUNKS:
            self._tail = (self._tail + data)[-5:] if len(data) < 5 else data[-5:]

    def eof_received(self) -> None:
        """Let the transport close: nothing more comes, and nobody reads what is written."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, if there is one, and the pool."""
        self._owner.forget(self)
        relay = self._relay
        if relay is None:
            return
        self._relay = None
        ends_by_close = self._framing is BY_CLOSE and self._head_complete and exc is None
        if ends_by_close and ended_in_order(self.transport):
            self.target.failures = 0
            relay.end_response([])
            relay.finish_response(relay.write_downstream(clock()))
            return
        answered = self._head_complete or bool(self._silent_bytes)
        relay.lose_upstream(
            ErrorKind.UPSTREAM_RESET,
            f"upstream {self._owner.name} closed the connection before its response was complete",
            answered=answered,
            # Such as an alert of TLS 1.3 about our certificate, which comes when the handshake is over.
            cause=describe(exc) if isinstance(exc, ssl.SSLError) else "",
        )

    def pause_writing(self) -> None:
        """Stop reading the client while this leg is full."""
        self._full = True
        if self._relay is not None:
            self._relay.hold_downstream()

    def resume_writing(self) -> None:
        """Read the client again."""
        self._full = False
        if self._relay is not None:
            self._relay.release_downstream()

    # httptools callbacks

    def begin_message(self) -> None:
        """Note a message that begins where none may."""
        if self._response_complete:
            self._reusable = False

    def collect_phrase(self, phrase: bytes) -> None:
        """Collect the reason phrase."""
        self._phrase += phrase

    def collect_field(self, name: bytes, value: bytes) -> None:
        """Collect a field of the head, or of the trailer section."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand over the head of an interim or final response."""
        relay = self._relay
        if relay is None or self._response_complete:
            return
        head = self._take_head()
        if head is None:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "the response is not HTTP/1")
        if self._silent_bytes > self._limit and len(head.lines) > self._limit:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, f"{_LARGE_HEAD} header_bytes")
        if head.status < 200:
            self._receive_interim(relay, head)
            return
        self._head_complete = True
        self._silent_bytes = 0
        self._framing = response_framing(head, relay.method)
        self._reusable = self._lasting and self._framing is not BY_CLOSE and head.persists
        relay.receive_response_head(head, self._framing, self._started)
        if self._framing is NO_BODY:
            self._complete(relay, [])

    def on_body(self, data: bytes) -> None:
        """Pass on a piece of the body."""
        if self._relay is None or self._response_complete:
            self._reusable = False
            return
        self._silent_bytes = 0
        self._relay.receive_response_body(data)

    def on_message_complete(self) -> None:
        """Note the end of the response; an interim one has no body."""
        if self._interim:
            self._interim = False
        elif self._relay is not None and not self._response_complete:
            trailers = self._fields
            if trailers and sum([len(name) + len(value) + 4 for name, value in trailers]) > self._limit:
                raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "trailers exceed header_bytes")
            self._complete(self._relay, trailers)

    def _find_plain(self, data: bytes) -> PlainResponseHead | None:
        known = self._known
        if known is not None and len(data) == self._known_size and data.startswith(known.received):
            return known
        head = find_plain_response(data)
        return None if head is None or len(head.received) > self._limit else head

    def _receive_plain(self, relay: "Relay", head: PlainResponseHead, data: bytes, started: float) -> None:
        """Pass on a response that came whole.

        llhttp has read the head that is known already, and a body of a given length is not for it to judge.
        """
        if head is not self._known:
            try:
                self._plain_parser.feed_data(data)
            except httptools.HttpParserError as error:
                self._refuse(relay, error)
                return
            if len(head.received) <= KEPT_BYTES:
                self._known, self._known_size = head, len(data)
        self._reusable, self._head_complete = self._lasting, True
        relay.receive_response_head(head, BY_LENGTH, started)
        relay.receive_response_body(data[len(head.received) :])
        self._complete(relay, [])
        self._end(relay, relay.write_downstream(started))

    def _take_head(self) -> ResponseHead | None:
        """Return the head that is complete; None: it is not one of HTTP/1."""
        parser, data = self._parser, self._data
        assert parser is not None
        line = _STATUS_LINE.match(data, self._at)
        if line is None:
            return None
        status, phrase, fields = parser.get_status_code(), self._phrase, self._fields
        self._fields = []
        self._phrase = b""
        end = data.index(b"\r\n\r\n", self._at)
        if status < 200:
            self._at = end + 4
        else:
            self._data = b""
            self._at = 0
            self._behind_head = len(data) - end - 4
        version = (1, 1) if line[1] == b"1" else (1, 0)
        return ResponseHead(status, phrase, fields, version, data[line.end() - 2 : end])

    def _is_followed(self, data: bytes, body: int) -> bool:
        """Whether bytes follow a response that llhttp passes over without a word, as it does blank lines.

        ``body`` is how much of ``data``, the last read, was body.
        """
        if self._framing is not BY_CHUNKS:
            return self._behind_head > body
        tail = (self._tail + data)[-5:]
        return tail[-4:] != b"\r\n\r\n" or tail[0] in b"\r\n"

    def _receive_interim(self, relay: "Relay", head: ResponseHead) -> None:
        if head.status == 101:
            relay.receive_switch(head, self._started)
            self.switched = self._interim = True
            return
        self._interim = True
        relay.receive_interim(head)

    def _complete(self, relay: "Relay", trailers: list[Field]) -> None:
        self._response_complete = True
        relay.end_response(trailers)

    def _end(self, relay: "Relay", now: float) -> None:
        """Give the connection back, or close it, and let the exchange end."""
        self._relay = None
        self.served += 1
        if self.target.failures:
            self.target.failures = 0
        if not self._reusable or not relay.request_sent or self._full:
            self.transport.abort()
        elif self.gate.holds:
            self.gate.release(PEER_FULL)
        self._owner.release(self, now)
        relay.finish_response(now)

    def _refuse(self, relay: "Relay", error: Exception) -> None:
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError):
            if not isinstance(cause, RefusedMessage):
                raise error
            self._fail(relay, cause.kind, cause.detail)
            return
        self._fail(
            relay,
            ErrorKind.UPSTREAM_PROTOCOL,
            f"the response of upstream {self._owner.name} is not valid HTTP/1.1: {error}",
        )

    def _fail(self, relay: "Relay", kind: ErrorKind, detail: str) -> None:
        self._relay = None
        self.transport.abort()
        relay.lose_upstream(kind, detail, answered=True)
