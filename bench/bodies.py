"""Bodies of any size that cannot lose, double or swap a byte unseen, and peers that take them slowly."""

import asyncio
import random
import zlib
from collections.abc import Iterator
from functools import cache
from time import perf_counter as clock

#: A prime length, so that no buffer's size hides a piece that is left out.
BLOCK = random.Random(1).randbytes(65_521)
LAST_CHUNK = b"0\r\n\r\n"


def pieces(size: int) -> Iterator[bytes]:
    """Give a body of so many bytes."""
    for _ in range(size // len(BLOCK)):
        yield BLOCK
    if rest := size % len(BLOCK):
        yield BLOCK[:rest]


def chunk(piece: bytes) -> bytes:
    """Return a piece as a chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@cache
def checksum(size: int) -> int:
    """Return the CRC-32 of the body of so many bytes."""
    tally = Tally()
    for piece in pieces(size):
        tally.add(piece)
    return tally.crc32


class Tally:
    """What came of a body."""

    __slots__ = ("crc32", "size")

    def __init__(self) -> None:
        self.size = 0
        self.crc32 = 0

    def add(self, piece: bytes) -> None:
        """Count a piece."""
        self.size += len(piece)
        self.crc32 = zlib.crc32(piece, self.crc32)

    def holds(self, size: int) -> bool:
        """Whether it is the whole body of so many bytes, and nothing else."""
        return self.size == size and self.crc32 == checksum(size)


class Pace:
    """Reads a transport at so many bytes a second, by leaving it unread."""

    __slots__ = ("_due", "_rate", "_transport")

    def __init__(self, transport: asyncio.Transport, rate: float) -> None:
        self._transport = transport
        self._rate = rate
        self._due = clock()

    def take(self, size: int) -> None:
        """Count what was read, and wait as long as that should have taken."""
        now = clock()
        self._due = max(self._due, now - 0.1) + size / self._rate
        if self._due > now and self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(self._due - now, self._resume)

    def hurry(self) -> None:
        """Read as fast as it comes."""
        self._rate = float("inf")
        self._due = 0.0
        self._resume()

    def _resume(self) -> None:
        if not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()
