"""Counting what happened, and rendering the counts for a scrape.

The path of a request adds to plain integers. One count for each combination of rule, status,
decision, reason, context and fault serves three metrics, which a scrape sums from it.

A scrape renders in a thread of its own while requests are counted, so it reads copies alone:
``dict.copy`` is one step for other threads, a loop over the dict is not.
"""

import platform
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from proxy import __version__
from proxy.exchange import NO_RULE, ExchangeRecord
from proxy.message.error import ErrorKind
from proxy.observability import catalog
from proxy.observability.catalog import Metric
from proxy.observability.histogram import Histogram
from proxy.policy.outcome import Context, Decision, Reason
from proxy.tracecontext.fault import Fault

#: The fault label of contexts that are as they should be.
NO_FAULT = "none"

#: The kind label of upstream errors.
_UPSTREAM_ERRORS: Mapping[ErrorKind, str] = {
    ErrorKind.UPSTREAM_CONNECT: "connect",
    ErrorKind.UPSTREAM_TIMEOUT: "timeout",
    ErrorKind.UPSTREAM_RESET: "reset",
    ErrorKind.UPSTREAM_PROTOCOL: "protocol",
    ErrorKind.OVERLOAD: "overload",
}

_Labels: TypeAlias = tuple[str, ...]
#: rule, upstream, class of status, decision, reason, context, fault
_OutcomeKey: TypeAlias = tuple[str, str, int, Decision, Reason, Context, Fault | None]
_Key = TypeVar("_Key")


class _Outcome:
    """How often one combination of labels came, and the histograms that it adds to.

    Histograms have fewer labels than there are combinations, so several outcomes share one.
    """

    __slots__ = ("count", "decision", "header_bytes", "timed")

    def __init__(self, decision: Histogram, timed: tuple[Histogram, Histogram, Histogram] | None) -> None:
        self.count = 0
        self.header_bytes = 0
        self.decision = decision
        self.timed = timed  # overhead, request and upstream; None where no upstream was asked


class Metrics:
    """The counts of one process since it started; reloads keep them."""

    def __init__(self) -> None:
        self._outcomes: dict[_OutcomeKey, _Outcome] = {}
        self._undecided: dict[int, int] = {}
        self._decision_seconds: dict[_Labels, Histogram] = {}
        self._overhead_seconds: dict[_Labels, Histogram] = {}
        self._request_seconds: dict[_Labels, Histogram] = {}
        self._upstream_seconds: dict[_Labels, Histogram] = {}
        self._upstream_wait: dict[_Labels, Histogram] = {}
        self._preflights: dict[_Labels, int] = {}
        self._upstream_errors: dict[_Labels, int] = {}
        self._retries: dict[_Labels, int] = {}
        self._rejected: dict[_Labels, int] = {}
        self._matcher_errors: dict[_Labels, int] = {}

    def observe(self, record: ExchangeRecord) -> None:
        """Count one exchange."""
        trace = record.trace
        if trace is None:
            _add(self._undecided, record.status // 100)
        else:
            key = (
                record.rule,
                record.upstream,
                record.status // 100,
                trace.decision,
                trace.reason,
                trace.context,
                trace.fault,
            )
            outcome = self._outcomes.get(key)
            if outcome is None:
                outcome = self._outcomes[key] = self._make_outcome(key)
            outcome.count += 1
            outcome.header_bytes += record.header_bytes
            # Histogram.observe written out: this is the path of every request.
            seconds = record.decision_seconds
            decided = outcome.decision
            decided.counts[bisect_left(decided.bounds, seconds)] += 1
            decided.sum += seconds
            if outcome.timed is not None:
                overhead, request, upstream = outcome.timed
                seconds = record.duration
                request.counts[bisect_left(request.bounds, seconds)] += 1
                request.sum += seconds
                seconds = record.overhead
                if seconds:
                    overhead.counts[bisect_left(overhead.bounds, seconds)] += 1
                    overhead.sum += seconds
                seconds = record.upstream_seconds
                if seconds:
                    upstream.counts[bisect_left(upstream.bounds, seconds)] += 1
                    upstream.sum += seconds
        if record.error is not None or record.preflight is not None or record.retries:
            self._observe_rare(record)

    def observe_wait(self, upstream: str, kind: str, seconds: float) -> None:
        """Count a wait for an upstream connection: ``queue`` or ``connect``."""
        _histogram(self._upstream_wait, (upstream, kind), catalog.UPSTREAM_WAIT_SECONDS).observe(seconds)

    def observe_matcher_error(self, rule: str) -> None:
        """Count an exception of a rule's function."""
        _add(self._matcher_errors, (rule,))

    def _make_outcome(self, key: _OutcomeKey) -> _Outcome:
        rule, upstream, _, decision, *_ = key
        decided = _histogram(self._decision_seconds, (rule,), catalog.DECISION_SECONDS)
        if not upstream:
            return _Outcome(decided, None)
        labels = (upstream, decision)
        overhead = _histogram(self._overhead_seconds, (rule, decision), catalog.OVERHEAD_SECONDS)
        request = _histogram(self._request_seconds, labels, catalog.REQUEST_SECONDS)
        answered = _histogram(self._upstream_seconds, labels, catalog.UPSTREAM_SECONDS)
        return _Outcome(decided, (overhead, request, answered))

    def _observe_rare(self, record: ExchangeRecord) -> None:
        if record.preflight is not None:
            _add(self._preflights, (record.preflight,))
        if record.retries:
            _add(self._retries, (record.upstream,), record.retries)
        if record.error is None:
            return
        kind = _UPSTREAM_ERRORS.get(record.error)
        if kind is not None and record.upstream:
            _add(self._upstream_errors, (record.upstream, kind))
        if not record.target:
            _add(self._rejected, (record.error,))

    def families(self) -> Iterator[Family]:
        """Give every metric that has a series."""
        yield from self._outcome_families()
        for metric, histograms in (
            (catalog.DECISION_SECONDS, self._decision_seconds),
            (catalog.OVERHEAD_SECONDS, self._overhead_seconds),
            (catalog.UPSTREAM_WAIT_SECONDS, self._upstream_wait),
            (catalog.REQUEST_SECONDS, self._request_seconds),
            (catalog.UPSTREAM_SECONDS, self._upstream_seconds),
        ):
            yield _histogram_family(metric, histograms)
        for metric, counts in (
            (catalog.PREFLIGHTS, self._preflights),
            (catalog.UPSTREAM_ERRORS, self._upstream_errors),
            (catalog.RETRIES, self._retries),
            (catalog.REJECTED_REQUESTS, self._rejected),
            (catalog.MATCHER_ERRORS, self._matcher_errors),
        ):
            yield _counter_family(metric, counts)

    def _outcome_families(self) -> Iterator[Family]:
        requests: Counter[_Labels] = Counter()
        decisions: Counter[_Labels] = Counter()
        contexts: Counter[_Labels] = Counter()
        header_bytes: Counter[_Labels] = Counter()
        for status, count in self._undecided.copy().items():
            requests[NO_RULE, f"{status}xx", Decision.UNTRACED] += count
        # A copy: a scrape is rendered in a thread of its own, while requests add outcomes.
        for (rule, _, status, decision, reason, context, fault), outcome in self._outcomes.copy().items():
            requests[rule, f"{status}xx", decision] += outcome.count
            decisions[rule, decision, reason] += outcome.count
            contexts[context, fault or NO_FAULT] += outcome.count
            if outcome.header_bytes:
                header_bytes[(rule,)] += outcome.header_bytes
        yield _counter_family(catalog.REQUESTS, requests)
        yield _counter_family(catalog.DECISIONS, decisions)
        yield _counter_family(catalog.CONTEXTS, contexts)
        yield _counter_family(catalog.HEADER_BYTES, header_bytes)


class MetricsCollector(Collector):
    """Gives a scrape the counts, and the gauges read at that moment."""

    def __init__(
        self, metrics: Metrics, gauges: Callable[[], Iterable[tuple[Metric, Mapping[_Labels, float]]]]
    ) -> None:
        self._metrics = metrics
        self._gauges = gauges

    def collect(self) -> Iterable[Family]:
        """Give every family for one scrape."""
        yield from self._metrics.families()
        for metric, values in self._gauges():
            yield gauge_family(metric, values)
        yield gauge_family(catalog.BUILD_INFO, {(__version__, platform.python_version()): 1})


def gauge_family(metric: Metric, values: Mapping[_Labels, float]) -> Family:
    """Return a gauge with its series."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _add(counts: dict[_Key, int], key: _Key, more: int = 1) -> None:
    counts[key] = counts.get(key, 0) + more


def _histogram(histograms: dict[_Labels, Histogram], labels: _Labels, metric: Metric) -> Histogram:
    histogram = histograms.get(labels)
    if histogram is None:
        histogram = histograms[labels] = Histogram(metric.bounds)
    return histogram


def _counter_family(metric: Metric, counts: dict[_Labels, int]) -> Family:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, count in counts.copy().items():
        family.add_metric(labels, count)
    return family


def _histogram_family(metric: Metric, histograms: dict[_Labels, Histogram]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, histogram in histograms.copy().items():
        if any(histogram.counts):
            family.add_metric(labels, list(histogram.cumulative()), histogram.sum)
    return family
