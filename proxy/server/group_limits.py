"""Limits that hold for a whole group of workers, kept in a file of memory that they share.

First each worker's number of client connections, as 64-bit integers that it alone writes; then the
token buckets of the caps on traces: tokens and time, two 64-bit floats each.
"""

import fcntl
import mmap
import os

from proxy.policy.sampling import capacity, take_token

#: How many workers there may be.
MOST_WORKERS = 1024
#: How many caps on traces there may be in one config; memory is taken page by page, as they are used.
MOST_CAPS = 65536

_BUCKETS = 8 * MOST_WORKERS  # where they begin
_BUCKET = 16  # bytes
_SIZE = _BUCKETS + _BUCKET * MOST_CAPS


class GroupMemory:
    """The file, mapped; its descriptor stays open."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.ftruncate(descriptor, _SIZE)
        view = memoryview(mmap.mmap(descriptor, _SIZE))
        self.connections = view[:_BUCKETS].cast("q")
        self.buckets = view[_BUCKETS:].cast("d")

    def clear_bucket(self, place: int) -> None:
        """Fill a bucket anew, for another cap."""
        self.buckets[2 * place] = self.buckets[2 * place + 1] = 0.0


class GroupCrowd:
    """The client connections of the group, as one of its workers counts them.

    It notes its own before it sums up all, so two workers cannot both take the last place; both may
    find it taken.
    """

    def __init__(self, memory: GroupMemory, worker: int, workers: int) -> None:
        self._counts = memory.connections[:workers]
        self._worker = worker

    def count(self, own: int) -> int:
        """Note how many this worker has; return how many all have."""
        self._counts[self._worker] = own
        return sum(self._counts)


class GroupTraceLimit:
    """A cap on traces over all workers: a bucket under a lock that ends with whoever holds it."""

    def __init__(self, memory: GroupMemory, place: int, per_second: float) -> None:
        self.per_second = per_second
        self._descriptor = memory.descriptor
        self._bucket = memory.buckets[2 * place : 2 * place + 2]
        self._offset = _BUCKETS + _BUCKET * place

    def take(self, now: float) -> bool:
        """Take one trace out of the bucket, if there is one."""
        self._lock(fcntl.LOCK_EX)
        try:
            bucket = self._bucket
            tokens, at = bucket
            if not at:
                tokens, at = capacity(self.per_second), now
            taken, bucket[0], bucket[1] = take_token(self.per_second, tokens, at, now)
        finally:
            self._lock(fcntl.LOCK_UN)
        return taken

    def give_back(self) -> None:
        """Put back what was taken and not used."""
        self._lock(fcntl.LOCK_EX)
        try:
            self._bucket[0] += 1.0
        finally:
            self._lock(fcntl.LOCK_UN)

    def _lock(self, operation: int) -> None:
        fcntl.lockf(self._descriptor, operation, _BUCKET, self._offset)
