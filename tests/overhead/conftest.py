"""A scrape of a proxy that served a while."""

from collections.abc import Callable

import pytest

SCRAPE = """\
# HELP traceward_requests_total Requests by rule, class of status and decision.
# TYPE traceward_requests_total counter
traceward_requests_total{{rule="api",status="2xx",decision="sampled"}} {sampled}
traceward_requests_total{{rule="api",status="2xx",decision="not_sampled"}} {not_sampled}
traceward_requests_total{{rule="none",status="2xx",decision="untraced"}} 7
traceward_requests_total{{rule="all",status="2xx",decision="sampled"}} 50
# TYPE traceward_decisions_total counter
traceward_decisions_total{{rule="api",decision="sampled",reason="rate"}} {sampled}
traceward_decisions_total{{rule="api",decision="not_sampled",reason="rate"}} {not_sampled}
traceward_decisions_total{{rule="none",decision="untraced",reason="no_rule"}} 7
traceward_decisions_total{{rule="all",decision="sampled",reason="rate"}} 40
traceward_decisions_total{{rule="all",decision="sampled",reason="parent"}} 10
# TYPE traceward_decision_seconds histogram
traceward_decision_seconds_bucket{{rule="api",le="1e-05"}} {requests}
traceward_decision_seconds_bucket{{rule="api",le="+Inf"}} {requests}
traceward_decision_seconds_count{{rule="api"}} {requests}
traceward_decision_seconds_sum{{rule="api"}} 0.005
# TYPE traceward_overhead_seconds histogram
traceward_overhead_seconds_bucket{{rule="api",decision="sampled",le="5e-05"}} 0
traceward_overhead_seconds_bucket{{rule="api",decision="sampled",le="6e-05"}} {sampled}
traceward_overhead_seconds_bucket{{rule="api",decision="sampled",le="+Inf"}} {sampled}
traceward_overhead_seconds_count{{rule="api",decision="sampled"}} {sampled}
traceward_overhead_seconds_sum{{rule="api",decision="sampled"}} {sampled_sum}
traceward_overhead_seconds_bucket{{rule="api",decision="not_sampled",le="4e-05"}} 0
traceward_overhead_seconds_bucket{{rule="api",decision="not_sampled",le="5e-05"}} {not_sampled}
traceward_overhead_seconds_bucket{{rule="api",decision="not_sampled",le="+Inf"}} {not_sampled}
traceward_overhead_seconds_count{{rule="api",decision="not_sampled"}} {not_sampled}
traceward_overhead_seconds_sum{{rule="api",decision="not_sampled"}} {not_sampled_sum}
# TYPE traceward_header_bytes_total counter
traceward_header_bytes_total{{rule="api"}} {bytes}
# TYPE traceward_sample_rate gauge
traceward_sample_rate{{rule="api"}} 10.0
traceward_sample_rate{{rule="all"}} 100.0
traceward_sample_rate{{rule="idle"}} 5.0
# TYPE traceward_build_info gauge
traceward_build_info{{version="0.1.0",python="3.11.7"}} 1
"""


@pytest.fixture
def make_scrape() -> Callable[..., str]:
    """Make a scrape with so many requests of the rule api: sampled ones take 55 us, the others 45 us."""

    def make(*, sampled: int = 100, not_sampled: int = 900, sampled_seconds: float = 55e-6) -> str:
        return SCRAPE.format(
            sampled=sampled,
            not_sampled=not_sampled,
            requests=sampled + not_sampled,
            sampled_sum=sampled * sampled_seconds,
            not_sampled_sum=not_sampled * 45e-6,
            bytes=90 * sampled,
        )

    return make
