"""What a record adds to which series, and how a scrape reads them."""

from collections.abc import Callable, Iterable, Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.message.error import ErrorKind
from proxy.observability import catalog
from proxy.observability.catalog import Metric
from proxy.observability.exposition import write
from proxy.observability.metrics import Metrics, MetricsCollector
from proxy.policy.cors import PreflightOutcome
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.record import NO_RULE, ExchangeRecord
from proxy.tracecontext.fault import Fault

Series = dict[str, float]
Gauges = Callable[[], Iterable[tuple[Metric, Mapping[tuple[str, ...], float]]]]
MakeRecord = Callable[..., ExchangeRecord]

#: In which order labels are told here, others before them.
_ORDER = " rule upstream status decision reason context fault kind outcome le "


def _scrape(metrics: Metrics) -> Series:
    """Return every sample of a scrape as ``name{label=value,...}``."""
    return _read(_text(metrics, lambda: ()))


def _text(metrics: Metrics, gauges: Gauges) -> str:
    return "".join(write(MetricsCollector(metrics, gauges).families(), openmetrics=False))


def _read(text: str) -> Series:
    series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            names = sorted(sample.labels, key=lambda name: _ORDER.find(f" {name} "))
            labels = ",".join(f"{name}={sample.labels[name]}" for name in names)
            series[f"{sample.name}{{{labels}}}"] = sample.value
    return series


def _observed(*records: ExchangeRecord) -> Series:
    metrics = Metrics()
    for record in records:
        metrics.observe(record)
    return _scrape(metrics)


def _starting(series: Series, name: str) -> Series:
    return {key: value for key, value in series.items() if key.startswith(name)}


def test_an_answered_request_counts_once_everywhere(make_record: MakeRecord) -> None:
    series = _observed(make_record())
    assert series["traceward_requests_total{rule=api,status=2xx,decision=sampled}"] == 1
    assert series["traceward_decisions_total{rule=api,decision=sampled,reason=rate}"] == 1
    assert series["traceward_contexts_total{context=started,fault=none}"] == 1
    assert series["traceward_decision_seconds_count{rule=api}"] == 1
    assert series["traceward_overhead_seconds_count{rule=api,decision=sampled}"] == 1
    assert series["traceward_request_seconds_count{upstream=default,decision=sampled}"] == 1
    assert series["traceward_upstream_seconds_count{upstream=default,decision=sampled}"] == 1
    assert not _starting(series, "traceward_upstream_errors_total")
    assert not _starting(series, "traceward_rejected_requests_total")


def test_requests_of_one_kind_add_up(make_record: MakeRecord) -> None:
    series = _observed(make_record(), make_record(status=204), make_record(status=404))
    assert series["traceward_requests_total{rule=api,status=2xx,decision=sampled}"] == 2
    assert series["traceward_requests_total{rule=api,status=4xx,decision=sampled}"] == 1
    assert series["traceward_decisions_total{rule=api,decision=sampled,reason=rate}"] == 3


@pytest.mark.parametrize("decision", list(Decision))
@pytest.mark.parametrize("reason", list(Reason))
def test_every_decision_and_reason_is_a_label(
    make_record: MakeRecord, decision: Decision, reason: Reason
) -> None:
    series = _observed(make_record(trace=TraceDecision(decision, reason, Context.NONE)))
    assert series[f"traceward_decisions_total{{rule=api,decision={decision},reason={reason}}}"] == 1


@pytest.mark.parametrize("context", list(Context))
@pytest.mark.parametrize("fault", [*Fault, None])
def test_every_context_and_fault_is_a_label(
    make_record: MakeRecord, context: Context, fault: Fault | None
) -> None:
    series = _observed(make_record(trace=TraceDecision(Decision.SAMPLED, Reason.RATE, context, fault)))
    assert series[f"traceward_contexts_total{{context={context},fault={fault or 'none'}}}"] == 1


def test_a_request_that_no_rule_matches_counts_under_none(make_record: MakeRecord) -> None:
    trace = TraceDecision(Decision.UNTRACED, Reason.NO_RULE, Context.NONE)
    series = _observed(make_record(rule=NO_RULE, matched=False, trace=trace))
    assert series["traceward_requests_total{rule=none,status=2xx,decision=untraced}"] == 1
    assert series["traceward_decisions_total{rule=none,decision=untraced,reason=no_rule}"] == 1
    assert series["traceward_decision_seconds_count{rule=none}"] == 1
    assert series["traceward_overhead_seconds_count{rule=none,decision=untraced}"] == 1


def test_a_request_that_was_refused_unread_is_a_request_without_a_decision(make_record: MakeRecord) -> None:
    series = _observed(
        make_record(
            rule=NO_RULE,
            trace=None,
            status=400,
            upstream="",
            target="",
            error=ErrorKind.BAD_REQUEST,
            overhead=0.0,
        )
    )
    assert series["traceward_requests_total{rule=none,status=4xx,decision=untraced}"] == 1
    assert series["traceward_rejected_requests_total{reason=bad_request}"] == 1
    assert not _starting(series, "traceward_decision")
    assert not _starting(series, "traceward_contexts")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(ErrorKind.UPSTREAM_CONNECT, "connect", id="connect"),
        pytest.param(ErrorKind.UPSTREAM_TIMEOUT, "timeout", id="timeout"),
        pytest.param(ErrorKind.UPSTREAM_RESET, "reset", id="reset"),
        pytest.param(ErrorKind.UPSTREAM_PROTOCOL, "protocol", id="protocol"),
        pytest.param(ErrorKind.OVERLOAD, "overload", id="overload"),
    ],
)
def test_what_an_upstream_did_wrong_counts_for_it(
    make_record: MakeRecord, error: ErrorKind, kind: str
) -> None:
    series = _observed(make_record(error=error, status=502))
    assert series[f"traceward_upstream_errors_total{{upstream=default,kind={kind}}}"] == 1


def test_an_error_counts_as_rejected_where_no_upstream_was_reached(make_record: MakeRecord) -> None:
    reached = make_record(error=ErrorKind.UPSTREAM_RESET, status=502)
    unreached = make_record(error=ErrorKind.UPSTREAM_CONNECT, status=502, target="", overhead=0.0)
    assert _starting(_observed(reached, unreached), "traceward_rejected_requests_total") == {
        "traceward_rejected_requests_total{reason=upstream_connect}": 1
    }


@pytest.mark.parametrize(
    ("error", "status"), [(ErrorKind.BODY_TOO_LARGE, 413), (ErrorKind.REQUEST_TIMEOUT, 408)]
)
def test_a_request_that_never_reached_an_upstream_whole_is_rejected(
    make_record: MakeRecord, error: ErrorKind, status: int
) -> None:
    assert _starting(
        _observed(make_record(error=error, status=status)), "traceward_rejected_requests_total"
    ) == {f"traceward_rejected_requests_total{{reason={error}}}": 1}


def test_an_answer_that_its_client_took_too_slowly_is_no_rejected_request(make_record: MakeRecord) -> None:
    series = _observed(make_record(error=ErrorKind.REQUEST_TIMEOUT, status=200))
    assert not _starting(series, "traceward_rejected_requests_total")


def test_targets_that_were_passed_over_count_as_errors_of_their_upstream(make_record: MakeRecord) -> None:
    passed_over = (ErrorKind.UPSTREAM_CONNECT, ErrorKind.UPSTREAM_TIMEOUT, ErrorKind.UPSTREAM_CONNECT)
    assert _starting(_observed(make_record(passed_over=passed_over)), "traceward_upstream_errors_total") == {
        "traceward_upstream_errors_total{upstream=default,kind=connect}": 2,
        "traceward_upstream_errors_total{upstream=default,kind=timeout}": 1,
    }


def test_what_the_client_did_wrong_is_not_the_upstreams_error(make_record: MakeRecord) -> None:
    series = _observed(make_record(error=ErrorKind.REQUEST_TIMEOUT, status=408))
    assert not _starting(series, "traceward_upstream_errors_total")


def test_waiting_for_the_upstream_is_not_the_proxys_time(make_record: MakeRecord) -> None:
    waited = make_record(
        overhead=0.00002, duration=30.0, upstream_seconds=29.0, queue_wait=0.5, connect_wait=0.4
    )
    series = _observed(waited)
    assert series["traceward_overhead_seconds_sum{rule=api,decision=sampled}"] == pytest.approx(0.00002)
    assert series["traceward_overhead_seconds_bucket{rule=api,decision=sampled,le=2e-05}"] == 1
    assert series["traceward_request_seconds_sum{upstream=default,decision=sampled}"] == 30.0


def test_a_request_that_nothing_was_sent_for_has_no_overhead(make_record: MakeRecord) -> None:
    series = _observed(make_record(overhead=0.0, target="", error=ErrorKind.UPSTREAM_CONNECT, status=502))
    assert not _starting(series, "traceward_overhead_seconds")


def test_waits_count_by_upstream_and_kind() -> None:
    metrics = Metrics()
    metrics.observe_wait("default", "queue", 0.2)
    metrics.observe_wait("default", "connect", 0.001)
    metrics.observe_wait("default", "connect", 0.002)
    series = _scrape(metrics)
    assert series["traceward_upstream_wait_seconds_count{upstream=default,kind=queue}"] == 1
    assert series["traceward_upstream_wait_seconds_count{upstream=default,kind=connect}"] == 2


def test_bytes_preflights_retries_and_matcher_errors_count(make_record: MakeRecord) -> None:
    metrics = Metrics()
    metrics.observe(make_record(header_bytes=99, preflight=PreflightOutcome.AUGMENTED))
    metrics.observe(make_record(header_bytes=1, retries=2))
    metrics.observe_matcher_error("api")
    series = _scrape(metrics)
    assert series["traceward_header_bytes_total{rule=api}"] == 100
    assert series["traceward_preflights_total{outcome=augmented}"] == 1
    assert series["traceward_retries_total{upstream=default}"] == 2
    assert series["traceward_matcher_errors_total{rule=api}"] == 1


def test_gauges_and_the_build_come_with_every_scrape() -> None:
    text = _text(Metrics(), lambda: [(catalog.SAMPLE_RATE, {("api",): 12.5})])
    assert 'traceward_sample_rate{rule="api"} 12.5' in text
    assert "traceward_build_info{" in text


def test_lag_counts_without_labels() -> None:
    metrics = Metrics()
    metrics.observe_lag(0.003)
    series = _scrape(metrics)
    assert series["traceward_loop_lag_seconds_count{}"] == 1
    assert series["traceward_loop_lag_seconds_bucket{le=0.005}"] == 1
    assert series["traceward_loop_lag_seconds_bucket{le=0.0025}"] == 0


def test_a_scrape_between_whose_steps_requests_come_is_whole(make_record: MakeRecord) -> None:
    metrics = Metrics()
    for number in range(150):
        metrics.observe(make_record(rule=f"rule-{number}"))
    text = []
    for number, part in enumerate(write(MetricsCollector(metrics, lambda: ()).families(), openmetrics=False)):
        text.append(part)
        metrics.observe(make_record(rule=f"rule-{number % 150}", status=200 + number % 400))
        metrics.observe(make_record(rule=f"late-{number}", upstream=f"late-{number}"))
    series = _read("".join(text))
    for name in ("decision", "overhead"):
        for key, count in _starting(series, f"traceward_{name}_seconds_count").items():
            top = key.replace("_count{", "_bucket{").replace("}", ",le=+Inf}")
            assert series[top] == count
    assert sum(_starting(series, "traceward_requests_total").values()) == sum(
        _starting(series, "traceward_decisions_total").values()
    )


def test_summing_up_many_outcomes_pauses(make_record: MakeRecord) -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.observe(make_record(rule=f"rule-{number}"))
    assert sum(family is None for family in metrics.families()) >= 5


def test_a_sampled_request_is_an_exemplar_of_its_buckets(make_record: MakeRecord) -> None:
    trace_id = b"0af7651916cd43dd8448eb211c80319c"
    sampled = TraceDecision(Decision.SAMPLED, Reason.RATE, Context.STARTED, trace_id=trace_id)
    other = TraceDecision(Decision.NOT_SAMPLED, Reason.PARENT, Context.FORWARDED, trace_id=b"1" * 32)
    worker, total = Metrics(), Metrics()
    for trace in (sampled, other):
        worker.observe(make_record(trace=trace, started=100.0))
    total.add(worker.series())
    families = MetricsCollector(total, lambda: ()).families
    lines = "".join(write(families(), openmetrics=True)).splitlines()
    assert [line for line in lines if "#" in line[1:]] == [
        'traceward_overhead_seconds_bucket{decision="sampled",le="3e-05",rule="api"} 1.0'
        f' # {{trace_id="{trace_id.decode()}"}} 3e-05 100.5',
        'traceward_request_seconds_bucket{decision="sampled",le="0.5",upstream="default"} 1.0'
        f' # {{trace_id="{trace_id.decode()}"}} 0.5 100.5',
    ]
    assert "trace_id" not in "".join(write(families(), openmetrics=False))
