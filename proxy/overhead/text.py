"""A report as people read it: two small tables, and a sentence on what sampling everything would cost."""

from collections.abc import Iterable, Sequence

from proxy.overhead.distribution import FEWEST, Distribution, Estimate
from proxy.overhead.report import Raise, Report

_NOTHING = "-"


def write_report(report: Report) -> str:
    """Return a report as text of several lines, without a final newline."""
    counted = [
        [
            cost.rule,
            f"{cost.requests:,}",
            _percent(cost.configured_rate),
            _percent(cost.actual_rate),
            _micro(cost.deciding.quantile(0.5)),
            _micro(cost.deciding.quantile(0.99)),
            f"{cost.header_bytes / cost.requests:,.1f}",
        ]
        for cost in report.costs
    ]
    timed = [
        [cost.rule, *_times(cost.sampled), *_times(cost.not_sampled), _difference(cost.difference)]
        for cost in report.costs
    ]
    period = "since it started" if report.seconds is None else f"in {report.seconds:g} s"
    parts = [
        f"Traceward {report.version}, {period}; times in microseconds",
        "\n".join(
            _table(("rule", "requests", "rate %", "actual %", "deciding p50", "p99", "bytes added"), counted)
        ),
        "The proxy's own time for a request, means with their standard errors",
        "\n".join(
            _table(
                ("rule", "sampled", "p50", "p99", "not sampled", "p50", "p99", "difference"),
                timed,
            )
        ),
        write_raise(report),
    ]
    return "\n\n".join(parts)


def write_raise(report: Report) -> str:
    """Return what a rate of 100 % would cost, in a sentence or a few."""
    raised = report.raised()
    if not raised.requests:
        return "No request matched a rule that traces, so there is nothing that a rate could change."
    if not raised.more:
        kept = " but for what max_traces_per_second keeps from it" if raised.capped else ""
        return (
            f"All that is decided by rate is sampled already{kept}: a rate of 100 % would cost nothing more. "
            "What followed its parent's decision is not up to the rate."
        )
    change = f"{raised.more:,} more of these {raised.requests:,} requests would be sampled"
    start = f"With every rate at 100 %, {change}"
    if raised.sampled:
        start += f", {(raised.sampled + raised.more) / raised.sampled:.3g} times as many traces"
    if raised.seconds is None:
        return (
            f"{start}. What that costs cannot be told: "
            f"no rule has {FEWEST} requests sampled and as many not. "
            "Let some be sampled for a while, 1 % say, and ask again."
        )
    return " ".join([f"{start}.", *_sentences(raised, raised.seconds, report.seconds)])


def _sentences(raised: Raise, seconds: Estimate, period: float | None) -> Iterable[str]:
    each, error = seconds.value / raised.told, seconds.error / raised.told
    if abs(each) < 2 * error:
        yield (
            f"What each of them would take of the proxy's time cannot be told from chance yet "
            f"({_signed(each)} ± {_micro(error)} us)."
        )
    else:
        share = 100 * seconds.value / raised.own_seconds if raised.own_seconds else 0.0
        yield (
            f"Each of them would take {_signed(each)} ± {_micro(error)} us of the proxy's time, "
            f"{_signed(seconds.value / raised.requests)} us for a request on average ({share:+.1f} %)."
        )
    yield f"Each would send {raised.bytes / raised.told:,.0f} more bytes of headers upstream."
    if period is not None:
        yield (
            f"At the {raised.requests / period:,.3g} requests a second of now that is "
            f"{100 * seconds.value / period:.2g} % of a core and {raised.bytes / period / 1000:,.3g} kB/s."
        )
    if raised.unknown:
        names = ", ".join(raised.unknown[:5]) + (", ..." if len(raised.unknown) > 5 else "")
        yield f"Left out, with less than {FEWEST} requests sampled, or not sampled: {names}."
    if raised.capped:
        yield "max_traces_per_second keeps some from being sampled already, and would keep more."
    yield "The proxy's spans, and what your services record of each trace, come on top."


def _times(distribution: Distribution) -> tuple[str, str, str]:
    mean = distribution.mean()
    if mean is not None:
        text = f"{_micro(mean.value)} ± {_micro(mean.error)}"
    else:
        text = _micro(distribution.sum / distribution.count) if distribution.count else _NOTHING
    return text, _micro(distribution.quantile(0.5)), _micro(distribution.quantile(0.99))


def _difference(difference: Estimate | None) -> str:
    if difference is None:
        return _NOTHING
    return f"{_signed(difference.value)} ± {_micro(difference.error)}"


def _percent(rate: float | None) -> str:
    return _NOTHING if rate is None else f"{rate:.4g}"


def _micro(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _signed(seconds: float) -> str:
    return ("-" if seconds < 0 else "+") + _micro(abs(seconds))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        first, *others = (
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others])
