"""What the connections of one worker share, and the sweep that ends what took too long."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from proxy.client import Policy
from proxy.record import ExchangeRecord
from proxy.server.clock import clock
from proxy.server.limits import Limits
from proxy.server.pool import Upstream
from proxy.tracecontext.ids import IdSource

if TYPE_CHECKING:
    from proxy.server.alerts import Handshake
    from proxy.server.downstream import DownstreamConnection
    from proxy.server.tunnel import Tunnel

_LOG: Final = logging.getLogger(__name__)

#: What a client is connected to.
Connection: TypeAlias = "DownstreamConnection | Tunnel"


@dataclass(slots=True)
class ListenerFacts:
    """What an accepted connection knows of its listener; ``authority`` stands in for a missing Host.

    A reload may change the scheme: a connection reads it again with the next policy that it meets.
    """

    scheme: str
    authority: str
    tls: bool = False


class Crowd(Protocol):
    """The client connections of a whole group of workers."""

    def count(self, own: int) -> int:
        """Note how many this worker has; return how many all have."""


class DataPlane:
    """One worker's policy, limits, upstreams and open connections.

    ``observe`` takes the record of every exchange once it ended, ``observe_lag`` how many seconds late
    the loop came to each sweep. ``crowd`` is given where other workers' connections count too.
    """

    __slots__ = (
        "_crowd",
        "_date",
        "_date_second",
        "_retired",
        "connections",
        "draining",
        "handshakes",
        "ids",
        "limits",
        "observe",
        "observe_lag",
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
        crowd: Crowd | None = None,
        *,
        observe_lag: Callable[[float], None] | None = None,
    ) -> None:
        self.policy = policy
        self.limits = limits
        self.upstreams = upstreams
        self.ids = ids
        self.observe = observe
        self.observe_lag = observe_lag
        self.wall_clock = time.time
        self.connections: set[Connection] = set()
        self.handshakes: set[Handshake] = set()  # of TLS; each will be a connection, or fail
        self.draining = False
        self._crowd = crowd
        self._retired: list[Upstream] = []  # those of earlier configs that still have connections
        self._date = b""
        self._date_second = 0

    def renew(self, policy: Policy, limits: Limits, upstreams: Mapping[str, Upstream]) -> None:
        """Decide by another config from the next request on; requests in flight keep theirs."""
        kept = {id(upstream) for upstream in upstreams.values()}
        for upstream in self.upstreams.values():
            if id(upstream) not in kept:
                upstream.close()
                self._retired.append(upstream)
        self.policy = policy
        self.limits = limits
        self.upstreams = upstreams

    def admit(self, connection: "DownstreamConnection") -> bool:
        """Count a client's connection; return whether there is room for it."""
        self.connections.add(connection)
        return self.count_clients() <= self.limits.connections

    def forget(self, connection: Connection) -> None:
        """Count a client's connection no more."""
        self.connections.discard(connection)
        self.count_clients()

    def count_clients(self) -> int:
        """Return how many clients there are, handshakes among them; those of other workers too."""
        own = len(self.connections) + len(self.handshakes)
        return own if self._crowd is None else self._crowd.count(own)

    def http_date(self) -> bytes:
        """Return the time for a Date field."""
        now = int(self.wall_clock())
        if now != self._date_second:
            self._date_second = now
            self._date = formatdate(now, usegmt=True).encode("ascii")
        return self._date

    def sweep(self, now: float) -> None:
        """Act on every deadline that passed, at once."""
        self.expire(self.late(list(self.connections), now), now)
        self.sweep_upstreams(now)

    def late(self, connections: Sequence[Connection], now: float) -> Sequence[Connection]:
        """Return those of the connections whose deadline passed."""
        return [connection for connection in connections if connection.deadline < now]

    def expire(self, late: Sequence[Connection], now: float) -> None:
        """Act on the deadlines that passed; since they did, a connection may have ended, or gone on."""
        for connection in late:
            if connection not in self.connections or connection.deadline >= now:
                continue
            try:
                connection.expire(now)
            except Exception:  # the last resort: without the sweep, no timeout would hold any more
                _LOG.exception("a timeout could not be acted on; the others go on")

    def sweep_upstreams(self, now: float) -> None:
        """Close connections to upstreams that idled too long, and forget upstreams that have none left."""
        for upstream in self.upstreams.values():
            upstream.sweep(now)
        if self._retired:
            self._retired = [upstream for upstream in self._retired if not upstream.settled]

    def drain(self) -> None:
        """Tell every client to go: idle connections close soon, the others after their answer."""
        self.draining = True
        now = clock()
        for connection in self.connections:
            if connection.idle:
                connection.wind_down(now)

    def end_silent_handshakes(self) -> None:
        """End those of clients who sent nothing yet."""
        for handshake in self.handshakes:
            if not handshake.spoke:
                handshake.task.cancel()

    def abort(self) -> None:
        """Cut off every connection."""
        for connection in list(self.connections):
            connection.cut()
        for handshake in self.handshakes:
            handshake.task.cancel()
        for upstream in self.every_upstream():
            upstream.abort()

    def every_upstream(self) -> Sequence[Upstream]:
        """Return the upstreams, and those of earlier configs that still have connections."""
        return (*self.upstreams.values(), *self._retired)

    @property
    def in_flight(self) -> int:
        """Requests being served now."""
        return sum(1 for connection in self.connections if connection.current is not None)
