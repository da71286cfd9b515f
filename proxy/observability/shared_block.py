"""The counts of one worker in memory that outlives it.

A block is a file in memory, mapped by the worker that counts and by whoever reads. It is a row of
segments, each a counter of the bytes in use and then series one behind the other:

    size, of the labels: two 32-bit numbers
    [name, *labels] as JSON, padded with spaces to 8 bytes
    counts: 64-bit integers
    sum: a 64-bit float

A series is written whole before it is counted in, and never moves. So a reader needs no lock, and
whoever takes the block over after a crash goes on with every count; only one process writes.
"""

import json
import logging
import mmap
import os
import struct
from collections.abc import Iterator

from proxy.observability.catalog import LOST_SERIES
from proxy.observability.store import Cells, Labels, Series

_LOG = logging.getLogger(__name__)

#: By how much a block grows, bytes. Memory is taken page by page, as series come.
SEGMENT_BYTES = 1 << 20
#: How far a block grows: more than 100,000 histograms. Series beyond are counted in the worker alone.
MOST_SEGMENTS = 64

_HEADER = struct.Struct("<II")
_USED = 8  # bytes of the counter at the start of a segment


class SharedBlock:
    """A block, to count in or to read."""

    def __init__(self, descriptor: int) -> None:
        """``descriptor`` is of a file that is empty, or a block already; it stays open."""
        self._descriptor = descriptor
        self._segments: list[_Segment] = []
        self._series: dict[tuple[str, Labels], Series] = {}
        self._lost: Cells[int] | None = None
        self._told = False

    def cells(self, name: str, labels: Labels, size: int) -> tuple[Cells[int], Cells[float]]:
        """Return the cells of a series, with what is in them already; ones of its own without room."""
        if self._lost is None:
            self._read_new()
            self._lost = self._find_or_add(LOST_SERIES.name, (), 1)[0]
        return self._find_or_add(name, labels, size)

    def read(self) -> Iterator[Series]:
        """Give every series that is there by now."""
        self._read_new()
        yield from self._series.values()

    def _find_or_add(self, name: str, labels: Labels, size: int) -> tuple[Cells[int], Cells[float]]:
        series = self._series.get((name, labels)) or self._add(name, labels, size)
        if series is not None and len(series.counts) == size:
            return series.counts, series.sum
        if self._lost is not None:
            self._lost[0] += 1
        if not self._told:
            self._told = True
            _LOG.error("there is no shared memory left for counts: those of new series are not shown")
        return [0] * size, [0.0]

    def _add(self, name: str, labels: Labels, size: int) -> Series | None:
        text = json.dumps([name, *labels]).encode()
        text += b" " * (-len(text) % 8)
        room = _HEADER.size + len(text) + 8 * size + 8
        segment = self._segments[-1] if self._segments else None
        if segment is None or segment.used + room > SEGMENT_BYTES:
            segment = self._grow()
        if segment is None or segment.used + room > SEGMENT_BYTES:
            return None
        series = segment.append(room, text)
        self._series[name, labels] = series
        return series

    def _grow(self) -> "_Segment | None":
        count = len(self._segments)
        if count == MOST_SEGMENTS:
            return None
        try:
            os.ftruncate(self._descriptor, (count + 1) * SEGMENT_BYTES)
            self._segments.append(_Segment(self._descriptor, count))
        except OSError:
            return None
        return self._segments[-1]

    def _read_new(self) -> None:
        """Learn of the series that were added since, by this process or another."""
        count = os.fstat(self._descriptor).st_size // SEGMENT_BYTES
        for segment in self._segments[-1:]:
            self._take(segment)
        while len(self._segments) < count:
            self._segments.append(_Segment(self._descriptor, len(self._segments)))
            self._take(self._segments[-1])

    def _take(self, segment: "_Segment") -> None:
        for series in segment.unread():
            self._series[series.name, series.labels] = series


class _Segment:
    def __init__(self, descriptor: int, number: int) -> None:
        offset = number * SEGMENT_BYTES
        self._bytes = memoryview(mmap.mmap(descriptor, SEGMENT_BYTES, offset=offset))
        self._integers = self._bytes.cast("q")
        self._floats = self._bytes.cast("d")
        self._read_to = _USED

    @property
    def used(self) -> int:
        return max(self._integers[0], _USED)

    def append(self, room: int, text: bytes) -> Series:
        start = self.used
        # What a process that was killed meant to write here may be left.
        self._bytes[start : start + room] = bytes(room)
        _HEADER.pack_into(self._bytes, start, room, len(text))
        self._bytes[start + _HEADER.size : start + _HEADER.size + len(text)] = text
        self._integers[0] = start + room
        self._read_to = start + room
        return self._series(start, room, json.loads(text), len(text))

    def unread(self) -> Iterator[Series]:
        """Give the series behind those that were given before."""
        while self._read_to < self.used:
            start = self._read_to
            room, size = _HEADER.unpack_from(self._bytes, start)
            text = bytes(self._bytes[start + _HEADER.size : start + _HEADER.size + size])
            yield self._series(start, room, json.loads(text), size)
            self._read_to = start + room

    def _series(self, start: int, room: int, words: list[str], size: int) -> Series:
        first = (start + _HEADER.size + size) // 8
        end = (start + room) // 8
        name, *labels = words
        return Series(name, tuple(labels), self._integers[first : end - 1], self._floats[end - 1 : end])
