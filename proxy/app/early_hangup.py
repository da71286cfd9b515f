"""SIGHUP while the proxy starts: it is to reload, and would end a process that does not yet listen for it."""

import signal
from types import FrameType


class EarlyHangup:
    """Remembers that the signal came, from ``install`` until another handler takes its place."""

    def __init__(self) -> None:
        self.came = False

    @classmethod
    def install(cls) -> "EarlyHangup":
        """Take the signal from now on."""
        early = cls()
        signal.signal(signal.SIGHUP, early)
        return early

    @classmethod
    def installed(cls) -> "EarlyHangup | None":
        """Return what takes the signal now, where that is one of these."""
        handler = signal.getsignal(signal.SIGHUP)
        return handler if isinstance(handler, cls) else None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the signal."""
        self.came = True
