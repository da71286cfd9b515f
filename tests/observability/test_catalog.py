"""The names, types and labels that dashboards are built on."""

import pytest

from proxy.observability import catalog
from proxy.observability.catalog import Metric

METRICS = [value for value in vars(catalog).values() if isinstance(value, Metric)]

PROMISED = [
    ("traceward_requests_total", "counter", ("rule", "status", "decision")),
    ("traceward_decisions_total", "counter", ("rule", "decision", "reason")),
    ("traceward_contexts_total", "counter", ("context", "fault")),
    ("traceward_decision_seconds", "histogram", ("rule",)),
    ("traceward_overhead_seconds", "histogram", ("rule", "decision")),
    ("traceward_upstream_wait_seconds", "histogram", ("upstream", "kind")),
    ("traceward_loop_lag_seconds", "histogram", ()),
    ("traceward_request_seconds", "histogram", ("upstream", "decision")),
    ("traceward_upstream_seconds", "histogram", ("upstream", "decision")),
    ("traceward_header_bytes_total", "counter", ("rule",)),
    ("traceward_sample_rate", "gauge", ("rule",)),
    ("traceward_preflights_total", "counter", ("outcome",)),
    ("traceward_connections", "gauge", ("side",)),
    ("traceward_requests_in_flight", "gauge", ("side",)),
    ("traceward_upstream_errors_total", "counter", ("upstream", "kind")),
    ("traceward_retries_total", "counter", ("upstream",)),
    ("traceward_rejected_requests_total", "counter", ("reason",)),
    ("traceward_matcher_errors_total", "counter", ("rule",)),
    ("traceward_spans_total", "counter", ("outcome",)),
    ("traceward_access_log_lines_total", "counter", ("outcome",)),
    ("traceward_build_info", "gauge", ("version", "python")),
]


@pytest.mark.parametrize(("name", "kind", "labels"), [pytest.param(*row, id=row[0]) for row in PROMISED])
def test_a_metric_is_named_and_labelled_as_promised(name: str, kind: str, labels: tuple[str, ...]) -> None:
    [metric] = [each for each in METRICS if each.name == name.removesuffix("_total")]
    assert (metric.kind, metric.labels) == (kind, labels)
    assert (metric.kind == "counter") is name.endswith("_total")


@pytest.mark.parametrize("metric", [pytest.param(metric, id=metric.name) for metric in METRICS])
def test_every_metric_is_sound(metric: Metric) -> None:
    assert metric.help.endswith(".")
    assert bool(metric.bounds) is (metric.kind == "histogram")
    assert list(metric.bounds) == sorted(set(metric.bounds))


def test_the_buckets_of_overhead_are_fine_where_it_lies() -> None:
    bounds = catalog.OVERHEAD_BOUNDS
    assert (bounds[0], bounds[-1]) == (0.000005, 1.0)
    assert sum(bound < 0.00015 for bound in bounds) >= 15
