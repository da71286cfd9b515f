"""What a histogram tells of the values that it counted: their mean, its error, quantiles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Of fewer values than this a standard error says little.
FEWEST = 30


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values fell in each bucket, not cumulated; the last bucket is of what exceeds every bound."""

    bounds: Sequence[float]
    counts: Sequence[float]
    sum: float

    @property
    def count(self) -> float:
        """How many values there were."""
        return math.fsum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Return the value that so large a share does not exceed, as PromQL's histogram_quantile would.

        Values are taken to lie evenly in their bucket; of those beyond the last bound no more is known
        than that. None where there are no values.
        """
        wanted = share * self.count
        if not self.count:
            return None
        below = 0.0
        for number, bound in enumerate(self.bounds):
            count = self.counts[number]
            if count and below + count >= wanted:
                low = self.bounds[number - 1] if number else 0.0
                return low + (bound - low) * (wanted - below) / count
            below += count
        return self.bounds[-1] if self.bounds else None

    def mean(self) -> Estimate | None:
        """Return the mean, which is exact, and its standard error, which is not; None for few values.

        The error is that of a random sample: the root of variance / count. The variance is taken from
        the buckets, their values lying evenly between their bounds, and those beyond the last bound
        where the sum says. With a bucket's width w that adds about w * w / 12 to what it really is.
        """
        count = self.count
        if count < FEWEST:
            return None
        first = second = 0.0
        for number, bound in enumerate(self.bounds):
            low = self.bounds[number - 1] if number else 0.0
            first += self.counts[number] * (low + bound) / 2
            second += self.counts[number] * (low * low + low * bound + bound * bound) / 3
        beyond = self.counts[-1]
        if beyond:
            last = self.bounds[-1] if self.bounds else 0.0
            value = max(last, (self.sum - first) / beyond)
            first += beyond * value
            second += beyond * value * value
        variance = max(0.0, second / count - (first / count) ** 2) * count / (count - 1)
        return Estimate(self.sum / count, math.sqrt(variance / count))


def subtract(one: Estimate, other: Estimate) -> Estimate:
    """Return by how much one exceeds the other, as means of different requests: their errors add up."""
    return Estimate(one.value - other.value, math.hypot(one.error, other.error))
