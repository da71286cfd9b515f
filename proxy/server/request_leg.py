"""A request on its way upstream: what is to be sent of it, and what may be sent again.

Parts collect while one read is parsed and leave in one write at its end.
"""

from typing import TYPE_CHECKING, Final

from proxy.exchange import Exchange, Forward
from proxy.message.encode import encode_request_head, encode_trailers
from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.framing import BY_CHUNKS, BY_LENGTH, CHUNKED_LINE, LAST_CHUNK, NO_BODY, Framing, chunk
from proxy.message.head import Field, PlainRequestHead, RequestHead
from proxy.message.trailers import safe_trailers
from proxy.server.clock import clock
from proxy.server.flow_control import NOT_CONNECTED, PEER_FULL

if TYPE_CHECKING:
    from proxy.server.downstream import DownstreamConnection
    from proxy.server.pool import Upstream
    from proxy.server.upstream import UpstreamConnection

#: A request body is kept for another attempt while it is not larger, bytes.
REPLAY_BYTES: Final = 65536
#: Methods that may be sent twice (RFC 9110, 9.2.2).
IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


class RequestLeg:
    """The half of a relay that sends the request; the other half answers it."""

    __slots__ = (
        "_body_bytes",
        "_connection",
        "_downstream",
        "_forward",
        "_replay",
        "_response_complete",
        "_response_started",
        "_upstream",
        "_upstreams",
        "_wrote_head_at",
        "exchange",
        "framing",
        "head",
        "head_at",
        "limits",
        "method",
        "queued_at",
        "replaced",
        "request_complete",
        "request_sent",
        "unsent",
        "waiting",
    )

    def __init__(
        self, downstream: "DownstreamConnection", exchange: Exchange, head: RequestHead, framing: Framing
    ) -> None:
        self._downstream = downstream
        # Those of the config that the request began with, which a reload replaces in the plane.
        self.limits = downstream.plane.limits
        self._upstreams = downstream.plane.upstreams
        self.exchange = exchange
        self.head = head
        self.head_at = 0.0
        self.framing = framing
        self.method = head.method
        self.request_complete = False
        self.request_sent = False
        self.waiting = False
        self.queued_at = 0.0
        self.replaced = 0  # connections that had died before the request came, at most one
        self.unsent: list[bytes] = []
        self._replay: list[bytes] | None = [] if framing is not NO_BODY else None
        self._body_bytes = 0
        self._forward: Forward | None = None
        self._upstream: Upstream | None = None
        self._connection: UpstreamConnection | None = None
        self._wrote_head_at = 0.0
        # The other half's, which say whether any of this still matters.
        self._response_started = False
        self._response_complete = False

    # From the downstream connection.

    @property
    def has_body(self) -> bool:
        """Whether bytes of a body follow the head."""
        return self.framing is BY_CHUNKS or self.length > 0

    @property
    def length(self) -> int:
        """What Content-Length says, 0 without one."""
        head = self.head
        if isinstance(head, PlainRequestHead):
            return head.length
        return int(head.get(b"content-length") or b"0") if self.framing is BY_LENGTH else 0

    def receive_body(self, data: bytes) -> None:
        """Take a piece of the request's body.

        Raises:
            RefusedMessage: the body is larger than ``request_body``.
        """
        if self._response_complete:
            return
        self._body_bytes += len(data)
        limit = self.limits.request_body
        if limit is not None and self._body_bytes > limit:
            raise RefusedMessage(ErrorKind.BODY_TOO_LARGE, f"the body is larger than {limit} bytes")
        part = chunk(data) if self.framing is BY_CHUNKS else data
        self.unsent.append(part)
        if self._body_bytes > REPLAY_BYTES:
            self._replay = None
        elif self._replay is not None:
            self._replay.append(part)

    def end_body(self, trailers: list[Field]) -> None:
        """Take the end of the request's body."""
        if self.framing is BY_CHUNKS:
            end = LAST_CHUNK + encode_trailers(safe_trailers(trailers)) + b"\r\n"
            self.unsent.append(end)
            if self._replay is not None:
                self._replay.append(end)

    def write_upstream(self, started: float) -> None:
        """Write what was collected since ``started``, where there is a connection to write to."""
        connection = self._connection
        if connection is None or not self.unsent:
            return
        parts = self.unsent
        self.unsent = []
        self.request_sent = self.request_complete
        if len(parts) == 1:
            connection.transport.write(parts[0])
        else:
            connection.transport.writelines(parts)
        now = clock()
        exchange = self.exchange
        if self._wrote_head_at:
            exchange.overhead += now - started
        else:
            exchange.overhead += now - self.head_at - exchange.queue_wait - exchange.connect_wait
            self._wrote_head_at = now
        if self._connection is not None and not self._response_started:
            self._downstream.deadline = now + self._request_timeout()

    # To an upstream connection.

    def attach(self, connection: "UpstreamConnection") -> None:
        """Take a connection; what is to be sent leaves at the next ``write_upstream``."""
        forward, upstream = self._forward, self._upstream
        assert forward is not None
        assert upstream is not None
        self.waiting = False
        self._connection = connection
        self.exchange.target = connection.target.name
        lines = forward.lines
        if upstream.changes_host:
            lines = upstream.address(lines, connection.target)
        if self.framing is BY_CHUNKS:
            lines += CHUNKED_LINE
        self.unsent.insert(0, encode_request_head(self.method, forward.target, lines))
        downstream = self._downstream
        if downstream.gate.holds:
            downstream.gate.release(NOT_CONNECTED)
        if downstream.full:
            # The client has not taken the answer before this one yet.
            connection.gate.hold(PEER_FULL)

    # Sending it once more.

    @property
    def repeatable(self) -> bool:
        """Whether the request may be sent on a connection that may turn out to be dead.

        A body of unknown length may outgrow what is kept of it.
        """
        return self.method in IDEMPOTENT and (
            self.framing is NO_BODY
            or (self._replay is not None and self.framing is BY_LENGTH and self.length <= REPLAY_BYTES)
        )

    def take_retry(self) -> bool:
        """Whether ``retries`` lets the request be sent once more; if so, count it."""
        exchange = self.exchange
        if self._upstream is None or exchange.retries - self.replaced >= self._upstream.retries:
            return False
        exchange.retries += 1
        return True

    def _replayable(self) -> bool:
        """Whether all that was sent of the request is at hand and may be sent twice."""
        return self.method in IDEMPOTENT and (self.framing is NO_BODY or self._replay is not None)

    def _replace(self, stale: bool) -> bool:
        """Whether to send the request once more because its connection had idled, and was dead already.

        That is no retry: the upstream never saw the request, as far as anybody can tell.
        """
        if not stale or self.replaced:
            return False
        self.replaced = 1
        self.exchange.retries += 1
        return True

    def _rewind(self) -> None:
        """Have all that was sent of the request sent once more."""
        self.unsent = [] if self._replay is None else list(self._replay)
        self.request_sent = False
        self._downstream.gate.release(PEER_FULL)

    # Waiting, for either side.

    def hold_downstream(self) -> None:
        """Stop reading the request: the upstream does not take it."""
        self._downstream.gate.hold(PEER_FULL)

    def release_downstream(self) -> None:
        """Read the request again."""
        self._downstream.gate.release(PEER_FULL)
        self._downstream.deadline = clock() + self._request_timeout()

    def _await_connection(self, upstream: "Upstream", now: float) -> None:
        """Bound the wait, and read no more of the request while there is nothing to write it to."""
        self._downstream.deadline = now + upstream.response_timeout
        if self.framing is not NO_BODY and not self.request_complete:
            self._downstream.gate.hold(NOT_CONNECTED)

    def _request_timeout(self) -> float:
        """Seconds until the next step of the request: its next piece, or the response's head."""
        if self.request_complete and self._upstream is not None:
            return self._upstream.response_timeout
        return self.limits.body_timeout
