"""What is kept of an exchange to be told later: no head, no connection, no policy.

Records of exchanges are the exchanges themselves, which hold all of these; a queue of records would
keep alive what clients can make large.
"""

from proxy.record import ExchangeRecord

#: What of a URL is kept, characters: enough to find it by, and bounded for a full queue.
MOST_URL = 2048
#: What of a client's address is kept where a proxy told it: longer is no address.
_MOST_ADDRESS = 64


class Entry:
    """A copy of what is told of one exchange; the names are those of ``ExchangeRecord``."""

    __slots__ = (
        "bytes",
        "client_address",
        "complete",
        "duration",
        "error",
        "http_version",
        "method",
        "overhead",
        "peer",
        "rule",
        "started",
        "status",
        "target",
        "trace",
        "trace_url",
        "upstream",
        "upstream_seconds",
        "url",
    )

    def __init__(self, record: ExchangeRecord) -> None:
        url = record.url
        tracing = record.tracing
        self.started = record.started
        self.duration = record.duration
        self.method = record.method
        self.url = url if len(url) <= MOST_URL else shorten(url, MOST_URL)
        self.status = record.status
        self.bytes = record.bytes
        self.complete = record.complete
        self.rule = record.rule
        self.trace = record.trace
        self.error = record.error
        self.overhead = record.overhead
        self.upstream = record.upstream
        self.upstream_seconds = record.upstream_seconds
        self.target = record.target
        self.peer = record.peer
        self.client_address = record.client_address[:_MOST_ADDRESS]
        self.http_version = record.http_version
        #: With {trace_id}, which is filled in when it is told.
        self.trace_url = None if tracing is None else tracing.trace_url


def shorten(text: str, most: int) -> str:
    """Return the beginning of a text that is too long, and dots."""
    return f"{text[: most - 3]}..."
