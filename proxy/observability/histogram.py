"""Histograms of plain numbers: one bisection and two additions an observation."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts by upper bound, in seconds; the last count is of what exceeds every bound."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a bound includes itself."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> Sequence[tuple[str, int]]:
        """Return (upper bound as text, count up to it) for each bucket, +Inf last."""
        bounds = (*map(repr, self.bounds), "+Inf")
        return list(zip(bounds, accumulate(self.counts), strict=True))
