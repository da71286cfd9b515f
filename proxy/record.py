"""The one record of an exchange: for metrics, spans, the access log."""

from typing import TYPE_CHECKING, Final

from proxy.policy.outcome import Decision

if TYPE_CHECKING:
    from proxy.message.error import ErrorKind
    from proxy.policy.cors import PreflightOutcome
    from proxy.policy.propagation import TraceDecision, TracingPolicy

#: The rule label of requests that no rule matches.
NO_RULE: Final = "none"


class ExchangeRecord:
    """What there is to say about an exchange once it ended; times are in seconds.

    ``started`` is wall-clock time. ``overhead`` is the proxy's own time, ``decision_seconds`` the
    part of it that deciding took. ``status`` is 499 where the client left before an answer began, and
    ``complete`` false where no whole answer was written.
    """

    __slots__ = (
        "bytes",
        "complete",
        "connect_wait",
        "decision_seconds",
        "duration",
        "error",
        "header_bytes",
        "matched",
        "method",
        "overhead",
        "passed_over",
        "peer",
        "preflight",
        "queue_wait",
        "retries",
        "rule",
        "started",
        "status",
        "target",
        "trace",
        "tracing",
        "upstream",
        "upstream_seconds",
        "url",
    )

    def __init__(self, started: float, peer: str) -> None:
        self.started = started
        self.peer = peer
        self.method = b""
        self.url = ""
        self.rule = NO_RULE
        self.matched = False
        self.trace: TraceDecision | None = None
        self.tracing: TracingPolicy | None = None
        self.preflight: PreflightOutcome | None = None
        self.status = 0
        self.bytes = 0
        self.complete = True
        self.header_bytes = 0
        self.upstream = ""
        self.target = ""
        self.error: ErrorKind | None = None
        self.passed_over: tuple[ErrorKind, ...] = ()  # why targets did not accept a request that went on
        self.retries = 0
        self.duration = 0.0
        self.overhead = 0.0
        self.decision_seconds = 0.0
        self.queue_wait = 0.0
        self.connect_wait = 0.0
        self.upstream_seconds = 0.0

    @property
    def decision(self) -> Decision:
        """What became of the request; untraced where it was refused before anything was decided."""
        return self.trace.decision if self.trace is not None else Decision.UNTRACED

    @property
    def trace_id(self) -> str | None:
        """The trace-id that the upstream was or would be sent, 32 hex digits."""
        if self.trace is None or not self.trace.trace_id:
            return None
        return self.trace.trace_id.decode("ascii")

    @property
    def client_address(self) -> str:
        """Who asked: the peer, or whom the trusted proxy that it is forwarded for."""
        return self.peer

    @property
    def http_version(self) -> str:
        """The version of the request."""
        return "1.1"

    @property
    def trace_url(self) -> str | None:
        """Where the trace can be looked at."""
        trace_id = self.trace_id
        if trace_id is None or self.tracing is None or self.tracing.trace_url is None:
            return None
        return self.tracing.trace_url.replace("{trace_id}", trace_id)
