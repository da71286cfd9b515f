"""Warnings about what may go wrong thousands of times a second: one now and then."""

import time
from collections.abc import Callable

#: How long nothing more is said after a warning, seconds.
QUIET_SECONDS = 60.0


class Rarely:
    """Says when to speak again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until = 0.0

    def __call__(self) -> bool:
        """Return whether it is time for a warning, and count on it being given."""
        now = self._clock()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + QUIET_SECONDS
        return True
