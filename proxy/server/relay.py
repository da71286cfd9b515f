"""One exchange on the wire: what the downstream connection reads goes upstream, and back.

A relay is driven by the callbacks of two connections and by the sweep for timeouts; nothing in it
waits. Parts collect while one read is parsed and leave in one write at its end.
"""

from typing import TYPE_CHECKING, Final

from proxy.exchange import Exchange, Respond
from proxy.message.encode import encode_response_head, encode_trailers
from proxy.message.error import CLOSING, ErrorKind, RefusedMessage
from proxy.message.framing import (
    BY_CHUNKS,
    BY_CLOSE,
    CHUNKED_LINE,
    LAST_CHUNK,
    NO_BODY,
    Framing,
    chunk,
    sent_framing,
)
from proxy.message.head import Field, RequestHead, ResponseHead
from proxy.message.lines import encode_lines
from proxy.message.trailers import safe_trailers
from proxy.server.clock import clock
from proxy.server.flow_control import NOT_CONNECTED, PEER_FULL
from proxy.server.request_leg import RequestLeg

if TYPE_CHECKING:
    from proxy.server.downstream import DownstreamConnection

#: How long the rest of a request that was answered early is read and dropped, seconds.
DISCARD_SECONDS: Final = 5.0

_CLOSE: Final = b"\r\nConnection: close"
_KEEP_ALIVE: Final = b"\r\nConnection: keep-alive"


class Relay(RequestLeg):
    """The state of one exchange between its two connections."""

    __slots__ = ("_expects", "_incoming", "_refused", "_sent_framing", "persist")

    def __init__(
        self, downstream: "DownstreamConnection", exchange: Exchange, head: RequestHead, framing: Framing
    ) -> None:
        super().__init__(downstream, exchange, head, framing)
        self.persist = head.persists
        self._refused: RefusedMessage | None = None
        self._incoming: list[bytes] = []
        self._sent_framing = NO_BODY
        self._expects = False

    # The request, from the downstream connection.

    def begin(self, now: float) -> None:
        """Decide about the request, now that it is its turn."""
        self.head_at = now
        if self._refused is not None:
            self.fail(self._refused.kind, self._refused.detail)
            return
        try:
            action = self.exchange.receive_request(self.head, now)
        except RefusedMessage as refused:
            self.fail(refused.kind, refused.detail)
            return
        self.exchange.decision_seconds = clock() - now
        limit = self.limits.request_body
        if limit is not None and self.length > limit:
            self.fail(ErrorKind.BODY_TOO_LARGE, f"the body is larger than {limit} bytes")
            return
        if isinstance(action, Respond):
            self._respond(action)
            return
        self._forward = action
        self._expects = not self.head.plain and b"expect" in self.head.present
        self._upstream = upstream = self._upstreams[action.upstream]
        upstream.acquire(self, now)
        if self.waiting:
            self._await_connection(upstream, now)

    def refuse(self, refused: RefusedMessage) -> None:
        """Answer with an error: at once where it is this request's turn, else in its turn.

        What was sent upstream of it is cut off there.
        """
        self.request_complete = True
        self.persist = False
        if self._downstream.current is not self:
            self._refused = refused
            return
        if self._response_complete:
            self._downstream.finish(self, clock())
            return
        self._leave_upstream(by_client=True)
        self.fail(refused.kind, refused.detail)

    def end_request(self, trailers: list[Field]) -> None:
        """Take the end of the request."""
        self.request_complete = True
        if self._response_complete:
            self._downstream.finish(self, clock())
            return
        self.end_body(trailers)

    # The ends of an upstream connection before its time.

    def fail(self, kind: ErrorKind, detail: str) -> None:
        """Answer with an error of our own, or cut off the answer that began."""
        self.waiting = False
        self.exchange.error = kind
        if self._response_started:
            # Chunks behind a head that begins with HTTP/ begin with their size: nothing of it was written.
            unwritten = self._sent_framing is BY_CHUNKS and self._incoming[:1]
            if not unwritten or not unwritten[0].startswith(b"HTTP/"):
                self._downstream.abort(self)
                return
            self._incoming = []
            self.exchange.bytes = 0
        if kind in CLOSING:
            self.persist = False
        self._respond(self.exchange.fail(kind, detail))

    def lose_upstream(self, kind: ErrorKind, detail: str, *, answered: bool, cause: str = "") -> None:
        """Go on without the connection: send again where that is safe, fail otherwise.

        ``answered`` tells whether any byte of an answer came; ``cause`` is for operators alone.
        """
        connection, upstream = self._connection, self._upstream
        self._connection = None
        if self._response_complete or connection is None or upstream is None:
            return
        stale = connection.used and not answered
        told = f"{detail}: {cause}" if cause else detail
        if not stale:
            upstream.note_failure(connection.target, kind, told)
        if answered or not self._replayable() or not (self._replace(stale) or self.take_retry()):
            if stale:
                upstream.tell_failure(connection.target, kind, told)
            self.fail(kind, detail)
            return
        self._rewind()
        now = clock()
        upstream.acquire_again(self, connection.target)
        if self.waiting:
            self._await_connection(upstream, now)
        self.write_upstream(now)

    # The response, from the upstream connection.

    def receive_interim(self, head: ResponseHead) -> None:
        """Pass on a 1xx head; an HTTP/1.0 client knows none (RFC 9110, 15.2)."""
        if head.status == 100:
            self._expects = False
        if self.head.version == (1, 1):
            lines = self.exchange.receive_interim(head)
            self._incoming.append(head.encode(lines))

    def receive_switch(self, head: ResponseHead, now: float) -> None:
        """Take a 101, which came at ``now``.

        Raises:
            RefusedMessage: the client did not offer what it switches to.
        """
        exchange = self.exchange
        lines = exchange.receive_switch(head)
        exchange.upstream_seconds = now - self._wrote_head_at
        exchange.status = head.status
        self._incoming.append(head.encode(lines))

    def switch(self, early: bytes, started: float) -> None:
        """Join the two connections; ``early`` came from the upstream behind its 101."""
        connection, upstream = self._connection, self._upstream
        assert connection is not None
        assert upstream is not None
        self._response_started = self._response_complete = True
        self._connection = None
        now = self.write_downstream(started)
        self._downstream.join(self, connection.transport, early, upstream.idle_timeout, connection.end, now)

    def receive_response_head(self, head: ResponseHead, framing: Framing, now: float) -> None:
        """Take the final head, which came at ``now``."""
        exchange = self.exchange
        exchange.upstream_seconds = now - self._wrote_head_at
        lines = exchange.receive_response(head)
        version = self.head.version
        self._sent_framing = sent = framing if head.plain else sent_framing(framing, version)
        if sent is BY_CHUNKS or (
            # What HEAD and 304 say of the body they lack; never with 204, nor to HTTP/1.0 (RFC 9112, 6.1).
            framing is NO_BODY
            and not head.plain
            and b"transfer-encoding" in head.present
            and head.status != 204
            and version == (1, 1)
        ):
            lines += CHUNKED_LINE
        if self._expects and not self.request_complete and not self._body_bytes:
            # The client may now leave its body out, or send it: nobody can tell where a next request begins.
            self.persist = False
        if sent is BY_CLOSE:
            self.persist = False
        if not self.persist or version == (1, 0) or self._downstream.plane.draining:
            lines += self._connection_line()
        exchange.status = head.status
        self._response_started = True
        self._replay = None
        self._incoming.append(head.encode(lines))

    def receive_response_body(self, data: bytes) -> None:
        """Take a piece of the response's body."""
        self.exchange.bytes += len(data)
        self._incoming.append(chunk(data) if self._sent_framing is BY_CHUNKS else data)

    def end_response(self, trailers: list[Field]) -> None:
        """Take the end of the response."""
        self._response_complete = True
        if self._sent_framing is BY_CHUNKS:
            self._incoming.append(LAST_CHUNK + encode_trailers(safe_trailers(trailers)) + b"\r\n")

    def write_downstream(self, started: float) -> float:
        """Write what was collected since ``started``; return the time then, ``perf_counter`` seconds."""
        parts = self._incoming
        if not parts:
            return started
        self._incoming = []
        downstream = self._downstream
        downstream.write(parts)
        now = clock()
        self.exchange.overhead += now - started
        if self._upstream is not None:
            # Writing may have found that the client takes no more: then it is the client who is waited for.
            patience = self.limits.stall_check if downstream.full else self._upstream.idle_timeout
            downstream.deadline = now + patience
        return now

    def finish_response(self, now: float) -> None:
        """End the exchange at ``now``, or drop the rest of a request that was answered early."""
        self._connection = None
        downstream = self._downstream
        if downstream.gate.holds:
            downstream.gate.release(PEER_FULL)
        if self.request_complete:
            downstream.finish(self, now)
            return
        self.unsent = []
        downstream.deadline = now + DISCARD_SECONDS
        if not self.persist:
            downstream.finish(self, now)

    # Back-pressure.

    def hold_upstream(self) -> None:
        """Stop reading the response: the client does not take it."""
        if self._connection is not None:
            self._connection.gate.hold(PEER_FULL)
            self._downstream.deadline = clock() + self.limits.stall_check

    def release_upstream(self) -> None:
        """Read the response again."""
        if self._connection is not None and self._upstream is not None:
            self._connection.gate.release(PEER_FULL)
            self._downstream.deadline = clock() + self._upstream.idle_timeout

    # The ends that come from outside.

    @property
    def answering(self) -> bool:
        """Whether a part of the answer was sent."""
        return self._response_started

    def leave(self) -> None:
        """End the exchange because its client is gone."""
        self.exchange.complete = self._response_complete
        self._leave_upstream(by_client=True)
        self._response_complete = True

    def expire(self) -> None:
        """End the exchange because its deadline passed: say whose fault it is."""
        if self._response_complete:
            self._downstream.abort(self)
            return
        connection, upstream = self._connection, self._upstream
        held = connection is not None and bool(connection.gate.holds)
        queued = self.waiting and bool(self.queued_at)
        waits_for_client = not self.request_complete and not self._downstream.gate.holds
        self._leave_upstream(by_client=held or waits_for_client)
        if held or (self._response_started and waits_for_client):
            self.exchange.error = ErrorKind.REQUEST_TIMEOUT
            self._downstream.abort(self)
        elif waits_for_client:
            self.request_complete = True
            self.fail(
                ErrorKind.REQUEST_TIMEOUT,
                f"no part of the request body came within {self.limits.body_timeout:g} s",
            )
        elif queued:
            self.fail(ErrorKind.OVERLOAD, "no upstream connection became free in time")
        else:
            detail = f"upstream {self.exchange.upstream} did not answer in time"
            if connection is not None and upstream is not None:
                upstream.note_failure(connection.target, ErrorKind.UPSTREAM_TIMEOUT, detail)
            self.fail(ErrorKind.UPSTREAM_TIMEOUT, detail)

    def _leave_upstream(self, *, by_client: bool) -> None:
        connection, upstream = self._connection, self._upstream
        self._connection = None
        if upstream is None:
            return
        if connection is not None:
            connection.detach()
            if by_client and not self._downstream.plane.draining:
                upstream.replace(connection)
        if self.waiting:
            self.waiting = False
            upstream.withdraw(self)

    def _connection_line(self) -> bytes:
        if self._downstream.plane.draining:
            self.persist = False
        if not self.persist:
            return _CLOSE
        return _KEEP_ALIVE if self.head.version == (1, 0) else b""

    def _respond(self, respond: Respond) -> None:
        """Send a response of our own; the rest of the request, if any, is dropped."""
        exchange = self.exchange
        exchange.status = respond.status
        fields = [*respond.fields, (b"Date", self._downstream.plane.http_date())]
        if respond.status != 204:
            fields.append((b"Content-Length", b"%d" % len(respond.body)))
        lines = encode_lines(fields) + self._connection_line()
        parts = [encode_response_head(respond.status, respond.phrase, lines)]
        if self.method != b"HEAD" and respond.body:
            parts.append(respond.body)
            exchange.bytes = len(respond.body)
        self._response_started = self._response_complete = True
        self._downstream.write(parts)
        self._downstream.gate.release(NOT_CONNECTED)
        self.finish_response(clock())
