"""Families as the text of a scrape: Prometheus' own format, and OpenMetrics 1.0.

prometheus_client's writers take more than a second for a thousand rules, as each sample is an object
with a dict of its labels. Here the labels of a series are written once, and the text comes in pieces
of one series at most, so that who serves requests beside it can stop between any two.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite, isnan
from typing import TypeAlias

from proxy.observability.catalog import Metric
from proxy.observability.exemplars import Exemplar
from proxy.observability.histogram import Histogram

Labels: TypeAlias = tuple[str, ...]

#: From here on, numbers are written with an exponent.
_EXPONENT = 1_000_000

_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its series; a histogram without observations is none."""

    metric: Metric
    rows: Iterable[tuple[Labels, float | Histogram]]


def write(families: Iterable[Family | None], *, openmetrics: bool) -> Iterator[str]:
    """Give the text of a scrape in pieces; for None, which is a moment to pause, an empty one."""
    for family in families:
        if family is None:
            yield ""
            continue
        metric = family.metric
        yield _write_head(metric, openmetrics)
        name = f"{metric.name}_total" if metric.kind == "counter" else metric.name
        bounds = (*map(repr, metric.bounds), "+Inf")
        for labels, value in family.rows:
            if not isinstance(value, Histogram):
                yield f"{name}{_write_labels(metric.labels, labels)} {write_number(value)}\n"
            elif any(value.counts):
                yield _write_histogram(metric, bounds, labels, value, openmetrics=openmetrics)
    if openmetrics:
        yield "# EOF\n"


def _write_head(metric: Metric, openmetrics: bool) -> str:
    # OpenMetrics names the family, Prometheus its samples.
    name = f"{metric.name}_total" if metric.kind == "counter" and not openmetrics else metric.name
    text = metric.help.translate(_LABEL_ESCAPES if openmetrics else _HELP_ESCAPES)
    return f"# HELP {name} {text}\n# TYPE {name} {metric.kind}\n"


def _write_labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    return "{" + ",".join(pair for _, pair in _write_pairs(names, values)) + "}"


def _write_pairs(names: Labels, values: Labels) -> list[tuple[str, str]]:
    """Return each name with its ``name="value"``, by name."""
    return sorted(
        (name, f'{name}="{value.translate(_LABEL_ESCAPES)}"')
        for name, value in zip(names, values, strict=True)
    )


def _write_histogram(
    metric: Metric, bounds: Labels, labels: Labels, histogram: Histogram, *, openmetrics: bool
) -> str:
    name, total = metric.name, histogram.sum
    counts = list(accumulate(histogram.counts))
    pairs = _write_pairs(metric.labels, labels)
    before = "".join(f"{pair}," for label, pair in pairs if label < "le")
    behind = "".join(f",{pair}" for label, pair in pairs if label > "le")
    start, middle = f'{name}_bucket{{{before}le="', f'"{behind}}} '
    lines = [
        f"{start}{bound}{middle}{_write_count(count)}\n" for bound, count in zip(bounds, counts, strict=True)
    ]
    if openmetrics and histogram.exemplars is not None:
        for place, exemplar in enumerate(histogram.exemplars.read()):
            if exemplar is not None:
                lines[place] = f"{lines[place][:-1]} # {_write_exemplar(exemplar)}\n"
    own = _write_labels(metric.labels, labels)
    lines.append(f"{name}_count{own} {_write_count(counts[-1])}\n")
    lines.append(f"{name}_sum{own} {write_number(total)}\n")
    return "".join(lines)


def _write_count(count: int) -> str:
    # The same at a fraction of the time.
    return f"{count}.0" if count < _EXPONENT else write_number(count)


def write_number(value: float) -> str:
    """Write a number as Go does, whose exponents begin at a million."""
    if not isfinite(value):
        return "NaN" if isnan(value) else "+Inf" if value > 0 else "-Inf"
    text = repr(float(value))
    dot = text.find(".")
    if value < _EXPONENT or dot < len(str(_EXPONENT)):  # or there is an exponent already
        return text
    mantissa = f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{dot - 1:02d}"


def _write_exemplar(exemplar: Exemplar) -> str:
    labels = _write_labels(tuple(exemplar.labels), tuple(exemplar.labels.values()))
    return f"{labels} {write_number(exemplar.value)} {exemplar.timestamp}"
