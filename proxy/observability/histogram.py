"""Histograms of plain numbers: one bisection and two additions an observation."""

from bisect import bisect_left
from typing import TYPE_CHECKING

from proxy.observability.store import Cells

if TYPE_CHECKING:
    from proxy.observability.exemplars import Exemplars


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
