"""What one config has told of which exchanges."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.config.load import load_text
from proxy.config.schema import Config
from proxy.observability import catalog
from proxy.observability.histogram import Histogram
from proxy.observability.metrics import Metrics
from proxy.observability.observers import Observers, origin_of
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.record import ExchangeRecord

if TYPE_CHECKING:
    from tests.conftest import OtlpCollector

MakeRecord = Callable[..., ExchangeRecord]


def _config(text: str) -> Config:
    return load_text(f"upstream: http://h\n{text}".encode(), Path("traceward.yaml"), {}).config


def _trace(decision: Decision, context: Context) -> TraceDecision:
    return TraceDecision(decision, Reason.RATE, context, trace_id=b"a" * 32, span_id=b"b" * 16)


def _counts(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {
        (f"{family.metric.name}_total", *labels): count
        for family in metrics.families()
        if family is not None and family.metric in (catalog.SPANS, catalog.ACCESS_LOG_LINES)
        for labels, count in family.rows
        if not isinstance(count, Histogram)
    }


TRACES = [
    None,
    _trace(Decision.SAMPLED, Context.STARTED),
    _trace(Decision.SAMPLED, Context.FORWARDED),
    _trace(Decision.NOT_SAMPLED, Context.STARTED),
    _trace(Decision.UNTRACED, Context.FORWARDED),
]


async def test_without_spans_and_log_the_metrics_are_called_and_nothing_else() -> None:
    metrics = Metrics()
    observers = Observers(_config(""), metrics)
    assert observers.observe == metrics.observe
    observers.start()
    await observers.close()
    assert _counts(metrics) == {}


async def test_what_is_sampled_under_a_span_of_ours_has_one(
    make_record: MakeRecord, otlp_collector: "OtlpCollector"
) -> None:
    metrics = Metrics()
    text = f"spans: {{otlp: {otlp_collector.url}, service_name: shop, headers: {{x-key: k}}}}"
    observers = Observers(_config(text), metrics)
    observers.start()
    for trace in TRACES:
        observers.observe(make_record(method=b"GET", url="http://h/?a=1", trace=trace))
    await observers.close()
    [(headers, request)] = otlp_collector.requests
    assert headers["x-key"] == "k"
    assert request.resource_spans[0].resource.attributes[0].value.string_value == "shop"
    [span] = otlp_collector.spans
    assert "a=REDACTED" in {each.value.string_value for each in span.attributes}
    assert {name[1:]: value for name, value in _counts(metrics).items()} == {
        ("exported",): 1,
        ("dropped",): 0,
        ("failed",): 0,
    }


@pytest.mark.parametrize(
    ("mode", "records", "url"),
    [("sampled", "redact", "http://h/?a=REDACTED"), ("all", "keep", "http://h/?a=1")],
)
async def test_what_is_chosen_is_logged(
    make_record: MakeRecord, capfd: pytest.CaptureFixture[str], mode: str, records: str, url: str
) -> None:
    metrics = Metrics()
    observers = Observers(_config(f"access_log: {mode}\nrecords: {{query: {records}}}"), metrics)
    observers.start()
    for trace in TRACES:
        observers.observe(make_record(method=b"GET", url="http://h/?a=1", trace=trace))
    await observers.close()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    expected = (
        ["sampled"] * 2
        if mode == "sampled"
        else [trace.decision if trace else "untraced" for trace in TRACES]
    )
    assert [line["decision"] for line in lines] == expected
    assert {line["url"] for line in lines} == {url}
    assert {name[1:]: value for name, value in _counts(metrics).items()} == {
        ("written",): len(expected),
        ("lost",): 0,
    }


async def test_spans_and_log_go_together(
    make_record: MakeRecord, otlp_collector: "OtlpCollector", capfd: pytest.CaptureFixture[str]
) -> None:
    metrics = Metrics()
    observers = Observers(_config(f"access_log: all\nspans: {{otlp: {otlp_collector.url}}}"), metrics)
    observers.start()
    for trace in TRACES:
        observers.observe(make_record(method=b"GET", url="http://h/", trace=trace))
    await observers.close()
    assert len(capfd.readouterr().out.splitlines()) == len(TRACES)
    assert len(otlp_collector.spans) == 1


@pytest.mark.parametrize(
    ("text", "same"),
    [
        pytest.param("spans: {queue: 2048}", True, id="a-default"),
        pytest.param("workers: 2", True, id="another-key"),
        pytest.param("spans: {queue: 4}", False, id="spans"),
        pytest.param("access_log: all", False, id="access-log"),
        pytest.param("records: {query: keep}", False, id="records"),
    ],
)
def test_another_config_needs_other_observers_where_it_says_so(text: str, same: bool) -> None:
    assert (origin_of(_config(text)) == Observers(_config(""), Metrics()).origin) is same
