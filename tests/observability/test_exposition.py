"""The text of a scrape, held to what prometheus_client writes and reads."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as ReferenceFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ReferenceExemplar
from prometheus_client.utils import floatToGoString

from proxy.observability.catalog import Metric
from proxy.observability.exemplars import Exemplars, size_for
from proxy.observability.exposition import Family, write, write_number
from proxy.observability.histogram import Histogram

COUNTER = Metric("t_requests", "counter", "Requests.", ("rule", "status"))
GAUGE = Metric("t_rate", "gauge", "A rate.", ("rule",))
PLAIN = Metric("t_up", "gauge", 'A \\ back slash, a "quote",\nand a line.')
TIMES = Metric("t_seconds", "histogram", "Times.", ("rule",), (0.000005, 0.001, 1.0))
SIDES = Metric("t_sides_seconds", "histogram", "Sides.", ("rule", "decision", "lf"), (0.25,))
LAG = Metric("t_lag_seconds", "histogram", "Lag.", (), (0.5,))


def _histogram(bounds: tuple[float, ...], *values: float) -> Histogram:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    return histogram


def _many(bounds: tuple[float, ...], count: int) -> Histogram:
    histogram = _histogram(bounds, *(bound / 2 for bound in bounds), 100.0)
    histogram.counts[0] = count
    return histogram


def _noted(bounds: tuple[float, ...], *values: float) -> Histogram:
    histogram = _histogram(bounds, *values)
    histogram.exemplars = Exemplars(bounds, [0] * size_for(bounds))
    for value in values:
        histogram.exemplars.note(value, b"4bf92f3577b34da6a3ce929d0e0e4736", 1_795_412_355.678)
    return histogram


CASES = [
    pytest.param(Family(COUNTER, []), id="no-series"),
    pytest.param(Family(COUNTER, [(("api", "2xx"), 3), (("b", "5xx"), 12_345_678)]), id="counter"),
    pytest.param(Family(GAUGE, [(("api",), 12.5), (("low",), 0.00001), (("b",), 1e21)]), id="gauge"),
    pytest.param(Family(PLAIN, [((), 1)]), id="no-labels"),
    pytest.param(Family(GAUGE, [(('a\\b"c\nd,e={f}é',), 1.0)]), id="escapes"),
    pytest.param(Family(TIMES, [(("api",), _histogram(TIMES.bounds, 0.000005, 0.5, 7))]), id="histogram"),
    pytest.param(Family(TIMES, [(("many",), _many(TIMES.bounds, 999_998))]), id="up-to-an-exponent"),
    pytest.param(Family(TIMES, [(("api",), _noted(TIMES.bounds, 0.0005, 7.0))]), id="exemplars"),
    pytest.param(Family(SIDES, [(("b", "a", "z"), _many(SIDES.bounds, 3))]), id="labels-around-le"),
    pytest.param(Family(LAG, [((), _histogram(LAG.bounds, 0.25))]), id="histogram-without-labels"),
]


class _Reference(Collector):
    """The same family, for prometheus_client's own writers."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> list[ReferenceFamily]:
        metric = self._family.metric
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        if metric.kind != "histogram":
            plain = kinds[metric.kind](metric.name, metric.help, labels=metric.labels)
            for labels, value in self._family.rows:
                assert not isinstance(value, Histogram)
                plain.add_metric(labels, value)
            return [plain]
        timed = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in self._family.rows:
            assert isinstance(value, Histogram)
            total, buckets = 0, []
            kept = [None] * len(value.counts) if value.exemplars is None else value.exemplars.read()
            bounds = (*map(str, metric.bounds), "+Inf")
            for bound, count, exemplar in zip(bounds, value.counts, kept, strict=True):
                total += count
                buckets.append(
                    (bound, total)
                    if exemplar is None
                    else (
                        bound,
                        total,
                        ReferenceExemplar(dict(exemplar.labels), exemplar.value, exemplar.timestamp),
                    )
                )
            timed.add_metric(labels, buckets, value.sum)
        return [timed]


def _registry(family: Family) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Reference(family))
    return registry


@pytest.mark.parametrize("family", CASES)
def test_prometheus_text_is_what_its_client_would_have_written(family: Family) -> None:
    text = "".join(write([family], openmetrics=False))
    assert text == generate_latest(_registry(family)).decode()


@pytest.mark.parametrize("family", CASES)
def test_openmetrics_text_is_what_the_client_would_have_written(family: Family) -> None:
    text = "".join(write([family], openmetrics=True))
    assert text == generate_openmetrics(_registry(family)).decode()  # type: ignore[no-untyped-call]


@given(st.text(), st.floats(allow_nan=False))
def test_any_label_and_value_is_read_as_written(label: str, value: float) -> None:
    text = "".join(write([Family(GAUGE, [((label,), value)])], openmetrics=True))
    [family] = read_openmetrics(text)  # type: ignore[no-untyped-call]
    [sample] = family.samples
    assert (sample.labels, sample.value) == ({"rule": label}, value)


@given(value=st.floats() | st.integers(0, 10**20))
@example(value=999_999.5)
@example(value=1_000_000)
@example(value=-1_000_000.0)
@example(value=1.5e16)
def test_a_number_is_written_as_the_client_writes_it(value: float) -> None:
    assert write_number(value) == floatToGoString(value)  # type: ignore[no-untyped-call]


def test_a_histogram_without_observations_is_no_series() -> None:
    text = "".join(write([Family(LAG, [((), Histogram(LAG.bounds))])], openmetrics=False))
    assert text == "# HELP t_lag_seconds Lag.\n# TYPE t_lag_seconds histogram\n"


def test_a_piece_is_a_series_at_most_and_a_pause_is_empty() -> None:
    rows = [((f"rule-{number}",), number) for number in range(3)]
    parts = list(write([Family(GAUGE, rows), None], openmetrics=False))
    assert parts == [
        "# HELP t_rate A rate.\n# TYPE t_rate gauge\n",
        *(f't_rate{{rule="rule-{number}"}} {number}.0\n' for number in range(3)),
        "",
    ]
