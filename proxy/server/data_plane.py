"""What the connections of one worker share, and the sweep that ends what took too long."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from time import perf_counter as clock
from typing import TYPE_CHECKING

from proxy.exchange import ExchangeRecord, Policy
from proxy.server.limits import Limits
from proxy.server.pool import Upstream
from proxy.tracecontext.ids import IdSource

if TYPE_CHECKING:
    from proxy.server.downstream import DownstreamConnection
    from proxy.server.tunnel import Tunnel

_LOG = logging.getLogger(__name__)

#: How often deadlines are looked at, seconds: no timeout is finer.
SWEEP_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """What an accepted connection knows of its listener; ``authority`` stands in for a missing Host."""

    scheme: str
    authority: str
    tls: bool = False


class DataPlane:
    """One worker's policy, limits, upstreams and open connections.

    ``observe`` takes the record of every exchange once it ended.
    """

    __slots__ = (
        "_date",
        "_date_second",
        "connections",
        "draining",
        "handshakes",
        "ids",
        "limits",
        "observe",
        "policy",
        "upstreams",
        "wall_clock",
    )

    def __init__(
        self,
        policy: Policy,
        limits: Limits,
        upstreams: Mapping[str, Upstream],
        ids: IdSource,
        observe: Callable[[ExchangeRecord], None],
    ) -> None:
        self.policy = policy
        self.limits = limits
        self.upstreams = upstreams
        self.ids = ids
        self.observe = observe
        self.wall_clock = time.time
        self.connections: set[DownstreamConnection | Tunnel] = set()
        self.handshakes: set[asyncio.Task[None]] = set()  # of TLS; each will be a connection, or fail
        self.draining = False
        self._date = b""
        self._date_second = 0

    def http_date(self) -> bytes:
        """Return the time for a Date field."""
        now = int(self.wall_clock())
        if now != self._date_second:
            self._date_second = now
            self._date = formatdate(now, usegmt=True).encode("ascii")
        return self._date

    async def sweep_forever(self) -> None:
        """Look at every deadline, again and again, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(clock())

    def sweep(self, now: float) -> None:
        """Act on every deadline that passed."""
        for connection in [late for late in self.connections if late.deadline < now]:
            try:
                connection.expire(now)
            except Exception:  # the last resort: without the sweep, no timeout would hold any more
                _LOG.exception("a timeout could not be acted on; the others go on")
        for upstream in self.upstreams.values():
            upstream.sweep(now)

    def drain(self) -> None:
        """Tell every client to go: idle connections close now, the others after their answer."""
        self.draining = True
        for connection in [idle for idle in self.connections if idle.idle]:
            connection.close()

    def abort(self) -> None:
        """Cut off every connection."""
        for connection in list(self.connections):
            connection.cut()
        for handshake in self.handshakes:
            handshake.cancel()
        for upstream in self.upstreams.values():
            upstream.abort()

    @property
    def in_flight(self) -> int:
        """Requests being served now."""
        # A copy, for a scrape asks from a thread of its own.
        return sum(1 for connection in self.connections.copy() if connection.current is not None)
