"""The signals that a worker pays no heed to, from its very start."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

#: What tells a supervisor to stop or to reload.
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def withheld() -> Iterator[None]:
    """Start processes with these signals blocked, for until they ignore them, they would end by them.

    Here they come a moment later.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
