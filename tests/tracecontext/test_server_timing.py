"""The ``Server-Timing`` metric."""

from proxy.tracecontext import server_timing


def test_the_metric_quotes_the_traceparent() -> None:
    assert server_timing.encode(b"00-a-b-01") == b'traceparent;desc="00-a-b-01"'
