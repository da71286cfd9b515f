"""Counting what happened, and rendering the counts for a scrape.

The path of a request adds to plain integers. One count for each combination of rule, status,
decision, reason, context and fault serves three metrics, which a scrape sums from it.

A scrape is written in steps while requests are counted, so it reads copies of what may grow between
two of them.
"""

import platform
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from proxy import __version__
from proxy.message.error import STATUS, ErrorKind
from proxy.observability import catalog
from proxy.observability.catalog import Metric
from proxy.observability.exemplars import Exemplars, size_for
from proxy.observability.exposition import Family
from proxy.observability.histogram import Histogram
from proxy.observability.store import Cells, Labels, LocalStore, Series, Store
from proxy.policy.outcome import Context, Decision, Reason
from proxy.record import NO_RULE, ExchangeRecord
from proxy.tracecontext.fault import Fault

#: The fault label of contexts that are as they should be.
NO_FAULT: Final = "none"

#: The kind label of upstream errors.
_UPSTREAM_ERRORS: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.UPSTREAM_CONNECT: "connect",
    ErrorKind.UPSTREAM_TIMEOUT: "timeout",
    ErrorKind.UPSTREAM_RESET: "reset",
    ErrorKind.UPSTREAM_PROTOCOL: "protocol",
    ErrorKind.OVERLOAD: "overload",
}

#: Errors of the client: their requests never reached an upstream as a whole, though a part may have.
_REFUSALS: Final = frozenset(
    {
        ErrorKind.BAD_REQUEST,
        ErrorKind.REQUEST_TIMEOUT,
        ErrorKind.BODY_TOO_LARGE,
        ErrorKind.HEAD_TOO_LARGE,
    }
)

#: What the table of outcomes is called in a store.
_OUTCOMES: Final = "outcomes"
#: Requests that were refused before anything was decided, by class of status; shown with the others.
_UNDECIDED: Final = Metric("undecided", "counter", "", ("status",))
_HISTOGRAMS: Final = (
    catalog.DECISION_SECONDS,
    catalog.OVERHEAD_SECONDS,
    catalog.UPSTREAM_WAIT_SECONDS,
    catalog.LOOP_LAG_SECONDS,
    catalog.REQUEST_SECONDS,
    catalog.UPSTREAM_SECONDS,
)
_COUNTERS: Final = (
    catalog.PREFLIGHTS,
    catalog.UPSTREAM_ERRORS,
    catalog.RETRIES,
    catalog.REJECTED_REQUESTS,
    catalog.MATCHER_ERRORS,
    catalog.SPANS,
    catalog.ACCESS_LOG_LINES,
    catalog.CONFIG_RELOADS,
    catalog.LOST_SERIES,
    _UNDECIDED,
)
#: Histograms whose buckets name a sampled request.
_WITH_EXEMPLARS: Final = (catalog.OVERHEAD_SECONDS, catalog.REQUEST_SECONDS)
#: What their exemplars are called in a store.
_EXEMPLARS: Final = {f"{metric.name}:exemplars": metric for metric in _WITH_EXEMPLARS}
_BY_NAME: Final = {metric.name: metric for metric in (*_HISTOGRAMS, *_COUNTERS)}

#: So many outcomes are summed up in one step of a scrape: a few tenths of a millisecond.
_STEP: Final = 128

#: rule, upstream, class of status, decision, reason, context, fault
_OutcomeKey: TypeAlias = tuple[str, str, int, Decision, Reason, Context, Fault | None]


class ReloadOutcome(StrEnum):
    """What became of a reload of the config."""

    APPLIED = "applied"
    REFUSED = "refused"


class SpanOutcome(StrEnum):
    """What became of a span."""

    EXPORTED = "exported"
    DROPPED = "dropped"
    FAILED = "failed"


class LineOutcome(StrEnum):
    """What became of a line of the access log."""

    WRITTEN = "written"
    LOST = "lost"


class _Outcome:
    """How often one combination of labels came, and the histograms that it adds to.

    Histograms have fewer labels than there are combinations, so several outcomes share one.
    """

    __slots__ = ("counts", "decision", "sampled", "timed")

    def __init__(
        self,
        counts: Cells[int],
        decision: Histogram,
        timed: tuple[Histogram, Histogram, Histogram] | None,
        *,
        sampled: bool,
    ) -> None:
        self.counts = counts  # how often, and by how many bytes trace headers grew
        self.decision = decision
        self.timed = timed  # overhead, request and upstream; None where no upstream was asked
        self.sampled = sampled


class Metrics:
    """The counts of one process since it started; reloads keep them.

    With a ``store`` that is shared they are those of a worker, and go on after its crash.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = LocalStore() if store is None else store
        self._outcomes: dict[_OutcomeKey, _Outcome] = {}
        self._histograms: dict[Metric, dict[Labels, Histogram]] = {metric: {} for metric in _HISTOGRAMS}
        self._counters: dict[Metric, dict[Labels, Cells[int]]] = {metric: {} for metric in _COUNTERS}
        # Both from the start, so that an increase can be seen.
        for outcome in ReloadOutcome:
            self._count(catalog.CONFIG_RELOADS, (outcome,), 0)

    def observe(self, record: ExchangeRecord) -> None:
        """Count one exchange."""
        trace = record.trace
        if trace is None:
            self._count(_UNDECIDED, (str(record.status // 100),))
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
            counts = outcome.counts
            counts[0] += 1
            counts[1] += record.header_bytes
            # Histogram.observe written out: this is the path of every request.
            seconds = record.decision_seconds
            decided = outcome.decision
            decided.counts[bisect_left(decided.bounds, seconds)] += 1
            decided.total[0] += seconds
            if outcome.timed is not None:
                overhead, request, upstream = outcome.timed
                seconds = record.duration
                request.counts[bisect_left(request.bounds, seconds)] += 1
                request.total[0] += seconds
                seconds = record.overhead
                if seconds:
                    overhead.counts[bisect_left(overhead.bounds, seconds)] += 1
                    overhead.total[0] += seconds
                seconds = record.upstream_seconds
                if seconds:
                    upstream.counts[bisect_left(upstream.bounds, seconds)] += 1
                    upstream.total[0] += seconds
                if outcome.sampled and trace.trace_id:
                    self._note(record, trace.trace_id, request, overhead)
        if record.error is not None or record.preflight is not None or record.retries or record.passed_over:
            self._observe_rare(record)

    def observe_wait(self, upstream: str, kind: str, seconds: float) -> None:
        """Count a wait for an upstream connection: ``queue`` or ``connect``."""
        self._histogram(catalog.UPSTREAM_WAIT_SECONDS, (upstream, kind)).observe(seconds)

    def observe_lag(self, seconds: float) -> None:
        """Count how late the event loop came to what was due."""
        self._histogram(catalog.LOOP_LAG_SECONDS, ()).observe(seconds)

    def observe_matcher_error(self, rule: str) -> None:
        """Count an exception of a rule's function."""
        self._count(catalog.MATCHER_ERRORS, (rule,))

    def observe_spans(self, outcome: SpanOutcome, count: int) -> None:
        """Count what became of spans; a count of 0 shows the series."""
        self._count(catalog.SPANS, (outcome,), count)

    def observe_lines(self, outcome: LineOutcome, count: int) -> None:
        """Count what became of lines of the access log; a count of 0 shows the series."""
        self._count(catalog.ACCESS_LOG_LINES, (outcome,), count)

    def observe_reload(self, outcome: ReloadOutcome) -> None:
        """Count a reload of the config."""
        self._count(catalog.CONFIG_RELOADS, (outcome,))

    def _make_outcome(self, key: _OutcomeKey) -> _Outcome:
        rule, upstream, _, decision, *_ = key
        counts, _ = self._store.cells(_OUTCOMES, _write_outcome(key), 2)
        decided = self._histogram(catalog.DECISION_SECONDS, (rule,))
        if not upstream:
            return _Outcome(counts, decided, None, sampled=False)
        labels = (upstream, decision)
        overhead = self._histogram(catalog.OVERHEAD_SECONDS, (rule, decision))
        request = self._histogram(catalog.REQUEST_SECONDS, labels)
        answered = self._histogram(catalog.UPSTREAM_SECONDS, labels)
        return _Outcome(counts, decided, (overhead, request, answered), sampled=decision is Decision.SAMPLED)

    def _note(self, record: ExchangeRecord, trace_id: bytes, request: Histogram, overhead: Histogram) -> None:
        """Keep a sampled request as an exemplar, where a bucket has had none for a while."""
        now = record.started + record.duration
        if request.exemplars is not None:
            request.exemplars.note(record.duration, trace_id, now)
        if overhead.exemplars is not None and record.overhead:
            overhead.exemplars.note(record.overhead, trace_id, now)

    def _histogram(self, metric: Metric, labels: Labels) -> Histogram:
        histograms = self._histograms[metric]
        histogram = histograms.get(labels)
        if histogram is None:
            cells = self._store.cells(metric.name, labels, len(metric.bounds) + 1)
            histogram = histograms[labels] = Histogram(metric.bounds, *cells)
            # Both are labelled by something and the decision.
            if metric in _WITH_EXEMPLARS and labels[1] == Decision.SAMPLED:
                size = size_for(metric.bounds)
                kept, _ = self._store.cells(f"{metric.name}:exemplars", labels, size)
                histogram.exemplars = Exemplars(metric.bounds, kept)
        return histogram

    def _count(self, metric: Metric, labels: Labels, more: int = 1) -> None:
        counters = self._counters[metric]
        cells = counters.get(labels)
        if cells is None:
            cells, _ = self._store.cells(metric.name, labels, 1)
            counters[labels] = cells
        cells[0] += more

    def series(self) -> Iterator[Series]:
        """Give every series that was counted in this process."""
        nothing = [0.0]
        for key, outcome in self._outcomes.copy().items():
            yield Series(_OUTCOMES, _write_outcome(key), outcome.counts, nothing)
        for metric, histograms in self._histograms.items():
            for labels, histogram in histograms.copy().items():
                yield Series(metric.name, labels, histogram.counts, histogram.total)
                if histogram.exemplars is not None:
                    yield Series(f"{metric.name}:exemplars", labels, histogram.exemplars.cells, nothing)
        for metric, counters in self._counters.items():
            for labels, cells in counters.copy().items():
                yield Series(metric.name, labels, cells, nothing)

    def add(self, series: Iterable[Series]) -> None:
        """Add what other processes counted; what is of no metric is left out."""
        for each in series:
            metric = _BY_NAME.get(each.name)
            if each.name == _OUTCOMES:
                key = _read_outcome(each.labels)
                outcome = self._outcomes.get(key)
                if outcome is None:
                    outcome = self._outcomes[key] = self._make_outcome(key)
                _add_up(outcome.counts, each.counts)
            elif metric in self._counters:
                self._count(metric, each.labels, each.counts[0])
            elif metric in self._histograms:
                histogram = self._histogram(metric, each.labels)
                _add_up(histogram.counts, each.counts)
                histogram.total[0] += each.sum[0]
            elif each.name in _EXEMPLARS:
                exemplars = self._histogram(_EXEMPLARS[each.name], each.labels).exemplars
                if exemplars is not None:
                    exemplars.add(each.counts)

    def _observe_rare(self, record: ExchangeRecord) -> None:
        if record.preflight is not None:
            self._count(catalog.PREFLIGHTS, (record.preflight,))
        if record.retries:
            self._count(catalog.RETRIES, (record.upstream,), record.retries)
        for passed_over in record.passed_over:
            self._count(catalog.UPSTREAM_ERRORS, (record.upstream, _UPSTREAM_ERRORS[passed_over]))
        if record.error is None:
            return
        kind = _UPSTREAM_ERRORS.get(record.error)
        if kind is not None and record.upstream:
            self._count(catalog.UPSTREAM_ERRORS, (record.upstream, kind))
        if not record.target or (record.error in _REFUSALS and record.status == STATUS[record.error]):
            self._count(catalog.REJECTED_REQUESTS, (record.error,))

    def families(self) -> Iterator[Family | None]:
        """Give every metric with its series; None between two steps that take a while."""
        yield from self._outcome_families()
        for metric, histograms in self._histograms.items():
            yield Family(metric, histograms.copy().items())
        for metric, counters in self._counters.items():
            if metric is not _UNDECIDED:
                yield Family(metric, [(labels, cells[0]) for labels, cells in counters.items()])

    def _outcome_families(self) -> Iterator[Family | None]:
        requests: Counter[Labels] = Counter()
        decisions: Counter[Labels] = Counter()
        contexts: Counter[Labels] = Counter()
        header_bytes: Counter[Labels] = Counter()
        for (kind,), cells in self._counters[_UNDECIDED].copy().items():
            requests[NO_RULE, f"{kind}xx", Decision.UNTRACED] += cells[0]
        counted = self._outcomes.copy().items()
        for number, ((rule, _, status, decision, reason, context, fault), outcome) in enumerate(counted, 1):
            if not number % _STEP:
                yield None
            requests[rule, f"{status}xx", decision] += outcome.counts[0]
            decisions[rule, decision, reason] += outcome.counts[0]
            contexts[context, fault or NO_FAULT] += outcome.counts[0]
            if outcome.counts[1]:
                header_bytes[(rule,)] += outcome.counts[1]
        yield Family(catalog.REQUESTS, requests.items())
        yield Family(catalog.DECISIONS, decisions.items())
        yield Family(catalog.CONTEXTS, contexts.items())
        yield Family(catalog.HEADER_BYTES, header_bytes.items())


class MetricsCollector:
    """Gives a scrape the counts, and the gauges read at that moment."""

    def __init__(
        self, metrics: Metrics, gauges: Callable[[], Iterable[tuple[Metric, Mapping[Labels, float]]]]
    ) -> None:
        self._metrics = metrics
        self._gauges = gauges

    def families(self) -> Iterator[Family | None]:
        """Give every family for one scrape; None between two steps that take a while."""
        yield from self._metrics.families()
        for metric, values in self._gauges():
            yield Family(metric, values.items())
        yield Family(catalog.BUILD_INFO, [((__version__, platform.python_version()), 1)])

    async def scrape(self) -> Iterator[Family | None]:
        """Return the families of one scrape."""
        return self.families()


def _write_outcome(key: _OutcomeKey) -> Labels:
    return tuple("" if word is None else str(word) for word in key)


def _read_outcome(words: Labels) -> _OutcomeKey:
    rule, upstream, status, decision, reason, context, fault = words
    return (
        rule,
        upstream,
        int(status),
        Decision(decision),
        Reason(reason),
        Context(context),
        Fault(fault) if fault else None,
    )


def _add_up(counts: Cells[int], more: Iterable[int]) -> None:
    for place, count in enumerate(more):
        counts[place] += count
