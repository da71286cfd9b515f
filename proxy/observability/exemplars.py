"""Exemplars: for each bucket of a histogram, one of the sampled requests that fell into it lately.

They live in cells, as counts do, so a scrape finds those of every worker. Five cells make an exemplar:

    a version, odd while the others are being written
    the trace-id, as two signed 64-bit numbers
    the observed value, nanoseconds
    when it was observed, milliseconds since 1970

A reader that finds the version changed behind the numbers leaves the exemplar out.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from proxy.observability.store import Cells

_SIZE = 5
_SIGN = 1 << 63
#: An exemplar stays for so long, seconds: writing one costs more than counting.
_KEPT_SECONDS = 1.0


class Exemplar(NamedTuple):
    """A request that a bucket counted: its labels, what was observed, and when, seconds since 1970."""

    labels: Mapping[str, str]
    value: float
    timestamp: float


class Exemplars:
    """The exemplars of one histogram."""

    __slots__ = ("_bounds", "_next", "cells")

    def __init__(self, bounds: Sequence[float], cells: Cells[int]) -> None:
        """``cells`` are as many as ``size_for`` says."""
        self._bounds = bounds
        self.cells = cells
        self._next = [0.0] * (len(bounds) + 1)  # before which a bucket needs no new one

    def note(self, value: float, trace_id: bytes, now: float) -> None:
        """Keep a sampled request whose value was observed at ``now``, wall-clock seconds."""
        bucket = bisect_left(self._bounds, value)
        if now < self._next[bucket]:
            return
        self._next[bucket] = now + _KEPT_SECONDS
        high, low = _signed(int(trace_id[:16], 16)), _signed(int(trace_id[16:], 16))
        self._write(bucket, (high, low, round(value * 1e9), round(now * 1e3)))

    def add(self, cells: Cells[int]) -> None:
        """Take those of another process that are later."""
        for bucket in range(len(self._next)):
            theirs = _read(cells, bucket)
            ours = _read(self.cells, bucket)
            if theirs is not None and (ours is None or theirs[3] > ours[3]):
                self._write(bucket, theirs)

    def read(self) -> Sequence[Exemplar | None]:
        """Return one for each bucket, or None."""
        return [self._exemplar(bucket) for bucket in range(len(self._next))]

    def _write(self, bucket: int, numbers: tuple[int, int, int, int]) -> None:
        cells, place = self.cells, bucket * _SIZE
        version = cells[place] | 1  # it is odd already where a process ended in the middle
        cells[place] = version
        cells[place + 1], cells[place + 2], cells[place + 3], cells[place + 4] = numbers
        cells[place] = version + 1

    def _exemplar(self, bucket: int) -> Exemplar | None:
        numbers = _read(self.cells, bucket)
        if numbers is None:
            return None
        high, low, value, at = numbers
        trace_id = f"{high % (2 * _SIGN):016x}{low % (2 * _SIGN):016x}"
        return Exemplar({"trace_id": trace_id}, value / 1e9, at / 1e3)


def size_for(bounds: Sequence[float]) -> int:
    """Return how many cells the exemplars of a histogram take."""
    return _SIZE * (len(bounds) + 1)


def _read(cells: Cells[int], bucket: int) -> tuple[int, int, int, int] | None:
    place = bucket * _SIZE
    version = cells[place]
    if not version or version & 1:
        return None
    numbers = (cells[place + 1], cells[place + 2], cells[place + 3], cells[place + 4])
    return numbers if cells[place] == version else None


def _signed(number: int) -> int:
    return number - 2 * _SIGN if number >= _SIGN else number
