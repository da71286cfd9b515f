"""Histograms of plain numbers: one bisection and two additions an observation."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client.samples import Exemplar

from proxy.observability.store import Cells

if TYPE_CHECKING:
    from proxy.observability.exemplars import Exemplars

#: Upper bound as text, count up to it, and perhaps a request that fell in between.
Bucket: TypeAlias = tuple[str, int] | tuple[str, int, Exemplar]


class Histogram:
    """Counts by upper bound, in seconds; the last count is of what exceeds every bound."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(
        self, bounds: tuple[float, ...], counts: Cells[int] | None = None, total: Cells[float] | None = None
    ) -> None:
        """``total`` is one cell with the sum of what was observed."""
        self.bounds = bounds
        self.exemplars: Exemplars | None = None
        self.counts: Cells[int] = [0] * (len(bounds) + 1) if counts is None else counts
        self.total: Cells[float] = [0.0] if total is None else total

    def observe(self, value: float) -> None:
        """Count one value; a bound includes itself."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total[0] += value

    @property
    def sum(self) -> float:
        """The sum of what was observed."""
        return self.total[0]

    def cumulative(self) -> Sequence[Bucket]:
        """Return each bucket, +Inf last."""
        bounds = (*map(repr, self.bounds), "+Inf")
        exemplars = repeat(None, len(bounds)) if self.exemplars is None else self.exemplars.read()
        return [
            (bound, count) if exemplar is None else (bound, count, exemplar)
            for bound, count, exemplar in zip(bounds, accumulate(self.counts), exemplars, strict=True)
        ]
