"""Asking a proxy once, or twice with a while in between."""

import time
from collections.abc import Callable

from proxy.overhead import reading
from proxy.overhead.reading import Unreadable
from proxy.overhead.report import Report, make_report


def ask(
    url: str,
    seconds: float | None,
    *,
    fetch: Callable[[str], str] = reading.fetch,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Return what a proxy's metrics tell: of all time, or of what comes in so many seconds.

    Raises:
        Unreadable: the metrics cannot be had, are not a proxy's, or tell of no request.
    """
    started = clock()
    before = reading.read(fetch(url), url)
    if seconds is None:
        if not before.requests:
            raise Unreadable(f"{url} has counted no request yet: send some, and ask again")
        return make_report(before)
    wait(seconds)
    passed = clock() - started
    came = reading.between(before, reading.read(fetch(url), url))
    if not came.requests:
        raise Unreadable(f"{url} has counted no request in {seconds:g} s: wait longer, or ask without --for")
    return make_report(came, passed)
