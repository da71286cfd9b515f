"""Log lines that may be due thousands of times a second: one a minute of each kind, with a count."""

import time
from collections.abc import Callable

#: How long nothing more is said of a thing after it was told, seconds.
QUIET_SECONDS = 60.0


class Repeats:
    """Says when a thing is to be told again, and how often it was not."""

    __slots__ = ("_clock", "_told")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: By thing, until when it stays untold, and how often it did.
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}

    def note(self, *thing: str) -> str | None:
        """Return the end of the line that tells of it; None: it was told a moment ago.

        Things are remembered for good, so there must be few of them, and none that a peer can make up.
        """
        now = self._clock()
        quiet_until, untold = self._told.get(thing, (now, 0))
        if now < quiet_until:
            self._told[thing] = quiet_until, untold + 1
            return None
        self._told[thing] = now + QUIET_SECONDS, 0
        return f" (and {untold} more since this was last told)" if untold else ""
