"""Which targets of an upstream get requests: those that are healthy and not ejected.

Health checks may take every target out, for they say that a request would fail. Ejection is a guess from
requests that failed, so it never takes the last usable one.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.config.upstream import Eject
from proxy.server.target import TargetPool

_LOG: Final = logging.getLogger(__name__)


class Rotation:
    """The targets of one upstream; ``usable`` is one list for good, which changes in place."""

    __slots__ = ("_eject", "_upstream", "targets", "usable")

    def __init__(self, upstream: str, targets: Sequence[TargetPool], eject: Eject | None) -> None:
        self._upstream = upstream
        self._eject = eject
        self.targets = targets
        self.usable = list(targets)

    def set_healthy(self, name: str, healthy: bool) -> None:
        """Note what the health checks say of the target of that name."""
        for target in self.targets:
            if target.name == name:
                target.healthy = healthy
        self._refresh()

    def fail(self, target: TargetPool) -> None:
        """Count a failure, and eject the target where there were too many in a row."""
        target.failures += 1
        eject = self._eject
        if eject is None or target.failures < eject.after or not self._has_other(target):
            return
        target.ejected = True
        self._refresh()
        asyncio.get_running_loop().call_later(eject.for_, self._restore, target)
        _LOG.warning(
            "upstream %s: %s failed %d times in a row and is left out for %g s",
            *(self._upstream, target.name, target.failures, eject.for_),
        )

    def others(self, failed: TargetPool | None) -> Sequence[TargetPool]:
        """Return the usable targets, without the one that just failed where another is left."""
        return [target for target in self.usable if target is not failed] or self.usable

    def in_order(self, first: TargetPool) -> Iterator[TargetPool]:
        """Give the targets to try to connect to: the usable ones, then the ejected ones as the last resort.

        An ejected target may be back before its time is over, which is better than an error.
        """
        usable = list(self.usable)
        place = usable.index(first) if first in usable else 0
        yield first
        yield from (target for target in usable[place:] + usable[:place] if target is not first)
        tried = {first, *usable}
        yield from (target for target in self.targets if target.healthy and target not in tried)

    def _has_other(self, target: TargetPool) -> bool:
        return not target.ejected and any(other is not target for other in self.usable)

    def _restore(self, target: TargetPool) -> None:
        target.ejected = False
        target.failures = 0
        self._refresh()
        _LOG.info("upstream %s: %s is no longer left out", self._upstream, target.name)

    def _refresh(self) -> None:
        healthy = [target for target in self.targets if target.healthy]
        self.usable[:] = [target for target in healthy if not target.ejected] or healthy
