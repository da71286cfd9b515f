"""Every metric: name, type, labels, buckets and help, in one table."""

from dataclasses import dataclass

_MICRO = 1e-6


def _microseconds(*values: float) -> tuple[float, ...]:
    return tuple(round(value * _MICRO, 9) for value in values)


#: From 1 us to 10 ms: deciding is pure computing.
DECISION_BOUNDS = _microseconds(
    1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 35, 50, 75, 100, 250, 500, 1000, 2500, 10000
)
#: From 5 us to 1 s, fine where the proxy's own time is expected to lie.
OVERHEAD_BOUNDS = _microseconds(
    *(5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100, 125, 150),
    *(200, 300, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000),
)
#: From 1 ms, which is how fine the loop's timers are, to 5 s.
LOOP_LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: From 100 us to 60 s: what networks and applications take.
REQUEST_BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(30.0, 60.0),
)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it; counters are named without ``_total``."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


REQUESTS = Metric(
    "traceward_requests",
    "counter",
    "Requests by rule, class of status and decision.",
    ("rule", "status", "decision"),
)
DECISIONS = Metric(
    "traceward_decisions", "counter", "Decisions by rule and reason.", ("rule", "decision", "reason")
)
CONTEXTS = Metric(
    "traceward_contexts",
    "counter",
    "What became of trace contexts, and why one was refused.",
    ("context", "fault"),
)
DECISION_SECONDS = Metric(
    "traceward_decision_seconds",
    "histogram",
    "Time to match, decide and rewrite headers.",
    ("rule",),
    DECISION_BOUNDS,
)
OVERHEAD_SECONDS = Metric(
    "traceward_overhead_seconds",
    "histogram",
    "The proxy's own time for a request, without waiting for anyone.",
    ("rule", "decision"),
    OVERHEAD_BOUNDS,
)
UPSTREAM_WAIT_SECONDS = Metric(
    "traceward_upstream_wait_seconds",
    "histogram",
    "Time that requests waited for an upstream connection.",
    ("upstream", "kind"),
    REQUEST_BOUNDS,
)
LOOP_LAG_SECONDS = Metric(
    "traceward_loop_lag_seconds",
    "histogram",
    "How late the event loop came to a timer, of four a second.",
    (),
    LOOP_LAG_BOUNDS,
)
REQUEST_SECONDS = Metric(
    "traceward_request_seconds",
    "histogram",
    "Time from the request head to the end of the response.",
    ("upstream", "decision"),
    REQUEST_BOUNDS,
)
UPSTREAM_SECONDS = Metric(
    "traceward_upstream_seconds",
    "histogram",
    "Time from the request head sent upstream to the response head.",
    ("upstream", "decision"),
    REQUEST_BOUNDS,
)
HEADER_BYTES = Metric(
    "traceward_header_bytes",
    "counter",
    "Bytes of trace-header lines sent upstream beyond those received.",
    ("rule",),
)
SAMPLE_RATE = Metric("traceward_sample_rate", "gauge", "The configured sample rate in percent.", ("rule",))
PREFLIGHTS = Metric("traceward_preflights", "counter", "CORS preflights by outcome.", ("outcome",))
CONNECTIONS = Metric("traceward_connections", "gauge", "Open connections.", ("side",))
IN_FLIGHT = Metric("traceward_requests_in_flight", "gauge", "Requests being served.", ("side",))
UPSTREAM_ERRORS = Metric(
    "traceward_upstream_errors",
    "counter",
    "Requests that an upstream failed, and targets that did not accept one.",
    ("upstream", "kind"),
)
UPSTREAM_HEALTHY = Metric(
    "traceward_upstream_healthy",
    "gauge",
    "Whether a target gets requests: it passes its health checks and is not ejected.",
    ("upstream", "target"),
)
RETRIES = Metric("traceward_retries", "counter", "Requests sent again after a failure.", ("upstream",))
REJECTED_REQUESTS = Metric(
    "traceward_rejected_requests",
    "counter",
    "Requests that never reached an upstream as a whole.",
    ("reason",),
)
MATCHER_ERRORS = Metric("traceward_matcher_errors", "counter", "Exceptions of a rule's function.", ("rule",))
CONFIG_RELOADS = Metric(
    "traceward_config_reloads", "counter", "Reloads of the config, applied or refused.", ("outcome",)
)
CONFIG_LOADED = Metric(
    "traceward_config_loaded_timestamp_seconds", "gauge", "When the config in use was read."
)
LOST_SERIES = Metric(
    "traceward_lost_series", "counter", "Series that found no room in the shared memory of workers."
)
SPANS = Metric("traceward_spans", "counter", "The proxy's own spans by what became of them.", ("outcome",))
ACCESS_LOG_LINES = Metric(
    "traceward_access_log_lines",
    "counter",
    "Lines of the access log by what became of them.",
    ("outcome",),
)
BUILD_INFO = Metric(
    "traceward_build_info", "gauge", "Version of the proxy and of Python.", ("version", "python")
)
