"""Reads requests from the bytes of one client connection: llhttp frames them.

A request that comes whole in one read, with a head that nothing here is interested in, takes the
short way: llhttp holds it to the grammar without telling about its fields. All others are collected
from llhttp's callbacks.
"""

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

import httptools

from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.framing import BY_CHUNKS, BY_LENGTH
from proxy.message.head import Field, PlainRequestHead, RequestHead
from proxy.message.plain import PlainRequests
from proxy.server.clock import clock
from proxy.server.field_callbacks import HTTP_VERSIONS, FieldCallbacks
from proxy.server.reframe import parse_after_offer

if TYPE_CHECKING:
    from proxy.server.data_plane import DataPlane
    from proxy.server.relay import Relay

#: A tunnel is not what this proxy is for, and TRACE shows a client what others added.
_REFUSED_METHODS: Final = frozenset({b"CONNECT", b"TRACE"})
_CONNECTION: Final = frozenset({b"connection", b"proxy-connection"})
_NOT_HTTP_1: Final = "the request is not HTTP/1.1 or HTTP/1.0"
#: What is met most of what is no HTTP/1.1, by its first bytes.
_OTHER_PROTOCOLS: Final = {
    b"PRI * HTTP/2.0\r\n": "HTTP/2 is not spoken here: use HTTP/1.1",
    b"\x16\x03": "this port takes no TLS, and the request came with it: use http://",
}
# What llhttp refuses as a method may be one that it does not know: as much of it as came is a token.
_REQUEST_LINE_START: Final = re.compile(rb"[\r\n]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: |\Z)")


class RequestReader(ABC):
    """The half of a downstream connection that reads; the other half takes the heads and refusals."""

    __slots__ = (
        "_at",
        "_data",
        "_fields",
        "_head_began",
        "_head_bytes",
        "_head_split",
        "_held",
        "_in_head",
        "_parser",
        "_plain_parser",
        "_plain_requests",
        "_progressed",
        "_receiving",
        "_silent_bytes",
        "_target",
        "plane",
    )

    def __init__(self, plane: "DataPlane") -> None:
        self.plane = plane
        self._parser = httptools.HttpRequestParser(FieldCallbacks(self))
        self._plain_parser = httptools.HttpRequestParser(None)
        self._plain_requests = PlainRequests()
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
        self._receiving: Relay | None = None  # whose body comes
        # What came behind an offer to upgrade, which says what it is; None: there is no offer.
        self._held: bytes | None = None

    # What the other half does.

    @abstractmethod
    def _take_request(self, head: RequestHead, started: float) -> None:
        """Take the head of a request that came at ``started``, ``perf_counter`` seconds.

        Raises:
            RefusedMessage: its body is not delimited in one way.
        """

    @abstractmethod
    def _refuse(self, refused: RefusedMessage) -> None:
        """Answer a message that cannot be read any further, in its turn, and stop reading."""

    @abstractmethod
    def _last_offers(self) -> bool:
        """Whether the last request offers an upgrade that is passed on: what follows it may be anything."""

    @abstractmethod
    def _closes_after_last(self) -> bool:
        """Whether the last request said ``Connection: close``: what follows it is not a request."""

    # Reading.

    def _read(self, data: bytes, started: float) -> None:
        """Parse what came."""
        if self._held is not None:
            self._held += data
            return
        if not self._in_head and self._receiving is None:
            head = self._plain_requests.find(data)
            if head is not None:
                self._read_plain(head, data, started)
                return
        behind = self._feed(data)
        while behind and not self._closes_after_last():
            behind = self._feed(behind)
        if not self._in_head:
            self._data = b""  # or an idle connection would keep the last read

    def _read_plain(self, head: PlainRequestHead, data: bytes, started: float) -> None:
        try:
            self._plain_parser.feed_data(data)
            if len(data) > self.plane.limits.header_bytes:
                self._check_head_size(len(data) - head.length, len(head.target))
            self._check_count(head.count)
            self._head_began = False
            self._take_request(head, started)
            relay = self._receiving
            if relay is not None:
                relay.receive_body(data[-head.length :])
                self._receiving = None
                relay.end_request([])
        except httptools.HttpParserError as error:
            self._refuse_bytes(error)
        except RefusedMessage as refused:
            self._refuse(refused)

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
        try:
            self._parser.feed_data(data)
            if self._in_head:
                self._check_head_size(self._head_bytes, len(self._target))
            elif self._receiving is not None:
                self._check_progress(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            behind = memoryview(data)[upgrade.args[0] :]
            self._resume_after_offer()
            if self._last_offers():
                self._held = bytes(behind)
                return None
            return behind
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, RefusedMessage):
                raise
            self._refuse(error.__context__)
        except RefusedMessage as refused:
            self._refuse(refused)
        except httptools.HttpParserError as error:
            self._refuse_bytes(error)
        return None

    # httptools callbacks

    def begin_message(self) -> None:
        """Note the first byte of a request."""
        self._in_head = self._head_began = True

    def on_url(self, target: bytes) -> None:
        """Collect the request target, which may come in pieces."""
        self._target += target

    def collect_field(self, name: bytes, value: bytes) -> None:
        """Collect a field of the head, or of the trailer section."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand over the head."""
        self._take_request(self._take_head(), clock())

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
        if relay.has_body and self._parser.should_upgrade():
            return
        if relay.framing is BY_LENGTH:
            self._at += relay.length
        elif relay.framing is BY_CHUNKS:
            self._data = b""
        trailers, self._fields = self._fields, []
        if trailers:
            self._check_trailers(trailers)
        self._receiving = None
        self._head_bytes = self._silent_bytes = 0
        relay.end_request(trailers)

    def _take_head(self) -> RequestHead:
        """Return the head that is complete.

        Raises:
            RefusedMessage: it is larger than the limits, of another version, or of a method that
                is not for proxies.
        """
        parser, fields, target = self._parser, self._fields, self._target
        self._fields, self._target = [], b""
        self._in_head = self._head_began = False
        if self._head_bytes > self.plane.limits.header_bytes or self._head_split:
            size = len(target) + sum([len(name) + len(value) + 4 for name, value in fields])
            self._check_head_size(size, len(target))
        self._head_bytes = 0
        self._check_count(len(fields))
        version = HTTP_VERSIONS.get(parser.get_http_version())
        if version is None:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, _NOT_HTTP_1)
        method = parser.get_method()
        if method in _REFUSED_METHODS:
            raise RefusedMessage(ErrorKind.METHOD_NOT_SUPPORTED, f"{method.decode()} is not supported")
        data, lines = self._data, None
        if data.startswith(method, self._at):
            start, end = data.index(b"\r\n", self._at), data.index(b"\r\n\r\n", self._at)
            if not data.startswith(b"HTTP/", start - 8):
                raise RefusedMessage(ErrorKind.BAD_REQUEST, _NOT_HTTP_1)
            lines = data[start:end]
            self._at = end + 4
        else:
            # Blank lines are before it. Nobody may count on from here: a body could be taken for lines.
            self._data = b""
        return RequestHead(method, target, fields, version, lines)

    def _check_count(self, count: int) -> None:
        limit = self.plane.limits.headers
        if count > limit:
            raise RefusedMessage(ErrorKind.HEAD_TOO_LARGE, f"there are more than {limit} fields")

    def _check_trailers(self, trailers: list[Field]) -> None:
        limit = self.plane.limits.header_bytes
        if any(name.lower() in _CONNECTION for name, _ in trailers):
            # llhttp obeys it, which nobody else would.
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "Connection in trailers")
        self._check_count(len(trailers))
        if sum([len(name) + len(value) + 4 for name, value in trailers]) > limit:
            raise RefusedMessage(ErrorKind.HEAD_TOO_LARGE, f"the trailers exceed {limit} bytes")

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

        Unless the upstream takes the offer up, the bytes that follow are the request's body, and requests.
        """
        receiving = self._receiving
        self._parser = parse_after_offer(
            FieldCallbacks(self), receiving.head if receiving is not None else None
        )
        self._head_bytes = 0

    def _refuse_bytes(self, error: httptools.HttpParserError) -> None:
        if self._closes_after_last():
            return
        unknown_method = isinstance(error, httptools.HttpParserInvalidMethodError)
        if unknown_method and _REQUEST_LINE_START.match(self._data, self._at):
            self._refuse(RefusedMessage(ErrorKind.METHOD_NOT_SUPPORTED, "the method is not known"))
            return
        detail = f"the request is not valid HTTP/1.1: {error}"
        for start, words in _OTHER_PROTOCOLS.items():
            if self._data.startswith(start, self._at):
                detail = words
        self._refuse(RefusedMessage(ErrorKind.BAD_REQUEST, detail))
