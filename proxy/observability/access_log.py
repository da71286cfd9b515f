"""The access log: a line of JSON for each request that is to be logged."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from proxy.config.process import AccessLog
from proxy.observability.entry import Entry, shorten
from proxy.observability.line_writer import MOST_AT_ONCE
from proxy.observability.redact import redact_url
from proxy.policy.outcome import Context, Decision
from proxy.record import ExchangeRecord

_encode = json.JSONEncoder(separators=(",", ":")).encode
_SAMPLED = Decision.SAMPLED


def _is_error(record: ExchangeRecord) -> bool:
    """Whether the answer was an error of the upstream's, or any of the proxy's own."""
    return record.status >= 500 or record.error is not None


def _is_sampled(record: ExchangeRecord) -> bool:
    return record.trace is not None and record.trace.decision is _SAMPLED


def _is_any(record: ExchangeRecord) -> bool:
    return True


#: Which requests are logged, by ``access_log``; off: no log is made.
WANTED: Mapping[AccessLog, Callable[[ExchangeRecord], bool]] = {
    AccessLog.ERRORS: _is_error,
    AccessLog.SAMPLED: _is_sampled,
    AccessLog.ALL: _is_any,
}


def encode_line(entry: Entry, *, keep_query: bool) -> bytes:
    """Return the line of an entry; what it lacks is null. Times are in seconds.

    A line that would be longer than what is written at once has a part of its URL.
    """
    words = describe(entry, keep_query=keep_query)
    line = _encode(words)
    excess = len(line) + 1 - MOST_AT_ONCE
    if excess > 0 and isinstance(url := words["url"], str):
        # A character may be written as two.
        words["url"] = shorten(url, max(3, len(url) - excess))
        line = _encode(words)
    return f"{line}\n".encode("ascii")


def describe(entry: Entry, *, keep_query: bool) -> dict[str, object]:
    """Return what is told of an exchange, by the names of ``docs/behavior.md``."""
    trace = entry.trace
    trace_id = None if trace is None else trace.trace_id.decode("ascii") or None
    trace_url = None
    if trace_id is not None and entry.trace_url is not None:
        trace_url = entry.trace_url.replace("{trace_id}", trace_id)
    url = entry.url if keep_query else redact_url(entry.url)
    time = datetime.fromtimestamp(entry.started, UTC).isoformat(timespec="milliseconds")
    return {
        "time": time.replace("+00:00", "Z"),
        "method": entry.method.decode("latin-1") or None,
        "url": url or None,
        "status": entry.status,
        "bytes": entry.bytes,
        "rule": entry.rule,
        "decision": Decision.UNTRACED if trace is None else trace.decision,
        "reason": None if trace is None else trace.reason,
        "context": Context.NONE if trace is None else trace.context,
        "fault": None if trace is None else trace.fault,
        "trace_id": trace_id,
        "trace_url": trace_url,
        "duration": round(entry.duration, 6),
        "overhead": round(entry.overhead, 6),
        "upstream": round(entry.upstream_seconds, 6) if entry.upstream_seconds else None,
        "upstream_name": entry.upstream or None,
        "client": entry.client_address,
        "peer": entry.peer,
        "target": entry.target or None,
        "error": entry.error,
        "complete": entry.complete,
    }
