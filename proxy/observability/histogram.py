"""Histograms of plain numbers: one bisection and two additions an observation."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from proxy.observability.store import Cells


class Histogram:
    """Counts by upper bound, in seconds; the last count is of what exceeds every bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(
        self, bounds: tuple[float, ...], counts: Cells[int] | None = None, total: Cells[float] | None = None
    ) -> None:
        """``total`` is one cell with the sum of what was observed."""
        self.bounds = bounds
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

    def cumulative(self) -> Sequence[tuple[str, int]]:
        """Return (upper bound as text, count up to it) for each bucket, +Inf last."""
        bounds = (*map(repr, self.bounds), "+Inf")
        return list(zip(bounds, accumulate(self.counts), strict=True))
