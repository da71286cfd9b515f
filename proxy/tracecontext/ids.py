"""New trace-ids and span-ids.

Randomness is taken in blocks: a system call for each id costs more than the id.
"""

from collections.abc import Callable
from typing import Final

_BLOCK: Final = 4096
_ZERO_TRACE_ID: Final = b"0" * 32
_ZERO_SPAN_ID: Final = b"0" * 16


class IdSource:
    """Ids as lower-case hex, never all zeros. ``random_bytes(n)`` gives n random bytes (``os.urandom``).

    The block lives in memory: a process that forks needs a new source, or both sides draw the same ids.
    """

    __slots__ = ("_at", "_digits", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._digits = b""
        self._at = 0

    def trace_id(self) -> bytes:
        """Return 32 hex digits."""
        at = self._at
        taken = self._digits[at : at + 32]
        if len(taken) < 32 or taken == _ZERO_TRACE_ID:
            return self._retake(32, _ZERO_TRACE_ID)
        self._at = at + 32
        return taken

    def span_id(self) -> bytes:
        """Return 16 hex digits."""
        at = self._at
        taken = self._digits[at : at + 16]
        if len(taken) < 16 or taken == _ZERO_SPAN_ID:
            return self._retake(16, _ZERO_SPAN_ID)
        self._at = at + 16
        return taken

    def _retake(self, size: int, zero: bytes) -> bytes:
        taken = zero
        while taken == zero:
            self._digits = self._random_bytes(_BLOCK).hex().encode()
            taken = self._digits[:size]
        self._at = size
        return taken
