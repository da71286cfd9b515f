"""The connections to one upstream: kept alive, bounded, handed to one exchange at a time."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Container, Coroutine, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from proxy.config.upstream import PRESERVE
from proxy.config.upstream import Upstream as UpstreamSettings
from proxy.message.error import ErrorKind
from proxy.message.lines import with_host
from proxy.resolving.resolver import Resolver
from proxy.server.balance import make_balance
from proxy.server.clock import clock
from proxy.server.connect import Connector
from proxy.server.connecting import connect_for, connect_spare
from proxy.server.failure_log import FailureLog
from proxy.server.rotation import Rotation
from proxy.server.target import TargetPool
from proxy.server.upstream import UpstreamConnection

if TYPE_CHECKING:
    from proxy.server.relay import Relay

#: A request that may not be sent twice takes no connection that was idle longer, seconds: the
#: upstream may be closing it while the request is on its way.
FRESH_SECONDS: Final = 2.0
#: How long connections beyond ``max_idle`` are kept, seconds: while more requests than that come
#: and go, each would be closed only to be made again.
SPARE_SECONDS: Final = 0.2


class Upstream:
    """The connections to the targets of one upstream, in one worker."""

    __slots__ = (
        "_choose",
        "_connecting",
        "_failures",
        "_head_bytes",
        "_max_idle",
        "_open",
        "_pending",
        "_pool_idle_timeout",
        "_rotation",
        "_surely_fresh",
        "_targets",
        "_usable",
        "changes_host",
        "closed",
        "connector",
        "idle_timeout",
        "name",
        "on_wait",
        "response_timeout",
        "retries",
        "settings",
    )

    def __init__(
        self,
        name: str,
        settings: UpstreamSettings,
        *,
        head_bytes: int,
        tls: ssl.SSLContext | None,
        resolver: Resolver,
        on_wait: Callable[[str, str, float], None],
    ) -> None:
        """``head_bytes`` bounds response heads; ``on_wait`` takes name, kind of wait and seconds."""
        self.name = name
        self.settings = settings
        self._head_bytes = head_bytes
        self.connector = Connector(
            resolver, tls=tls, server_name=settings.tls.server_name, patience=settings.timeouts.connect
        )
        self.changes_host = settings.host != PRESERVE
        self.response_timeout = settings.timeouts.response
        self.idle_timeout = settings.timeouts.idle
        self._pool_idle_timeout = settings.pool.idle_timeout
        self._max_idle = settings.pool.max_idle
        self._surely_fresh = min(FRESH_SECONDS, settings.pool.idle_timeout)
        self.retries = settings.retries
        self.on_wait = on_wait
        self.closed = False
        self._targets = [TargetPool(address, settings.host_for(address)) for address in settings.targets]
        self._rotation = Rotation(name, self._targets, settings.eject)
        self._failures = FailureLog(name)
        self._usable = self._rotation.usable
        self._choose = make_balance(settings.balance)
        self._open: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pending: deque[Relay] = deque()

    # The relay's side.

    def acquire(self, relay: "Relay", now: float) -> None:
        """Attach a connection to the relay, at once or once there is one, or fail it.

        ``now`` is ``perf_counter`` seconds.
        """
        targets = self._usable
        if len(targets) == 1:
            target = targets[0]
        elif targets:
            target = self._choose(targets)
        else:
            self._fail_without_target(relay)
            return
        idle = target.idle
        if idle:
            latest = idle[-1]
            connection: UpstreamConnection | None
            if now - latest.idle_since < self._surely_fresh and not latest.transport.is_closing():
                connection = idle.pop()
            else:
                connection = self._take_idle(target, relay, now)
            if connection is not None:
                connection.attach(relay)
                relay.attach(connection)
                return
        self._wait(relay, target)

    def acquire_again(self, relay: "Relay", failed: TargetPool) -> None:
        """As ``acquire``, for a request that a connection to ``failed`` was lost under.

        Another target is preferred, and the connection is a new one: that one died says that its
        neighbours may be dead too.
        """
        targets = self._rotation.others(failed)
        if targets:
            self._wait(relay, self._choose(targets))
        else:
            self._fail_without_target(relay)

    def withdraw(self, relay: "Relay") -> None:
        """Forget a relay that waits for a connection."""
        if relay in self._pending:
            self._pending.remove(relay)

    def address(self, lines: bytes, target: TargetPool) -> bytes:
        """Return the request's field lines with the Host that this upstream is to see."""
        return lines if target.host is None else with_host(lines, target.host)

    def replace(self, connection: UpstreamConnection) -> None:
        """Make up for a pooled connection that a client cost: the next one is not to wait for another."""
        target = connection.target
        if (
            connection.used
            and target in self._usable
            # Not target.connecting: an attempt that has yet to begin is not in it, and many leave at once.
            and len(target.idle) + len(self._connecting) < self._max_idle
            and self._has_room
            and not self.closed
        ):
            self._start(connect_spare(self, target))

    def note_failure(self, target: TargetPool, kind: ErrorKind, detail: str) -> None:
        """Count and tell that a target failed a request: by a reset, a timeout or a broken answer."""
        self._failures.tell(target.name, kind, detail)
        self._rotation.fail(target)

    def tell_failure(self, target: TargetPool, kind: ErrorKind, detail: str) -> None:
        """Tell of a request that failed through no fault that counts against its target."""
        self._failures.tell(target.name, kind, detail)

    # The connection's side.

    def release(self, connection: UpstreamConnection, now: float) -> None:
        """Take back a connection whose exchange ended at ``now``, ``perf_counter`` seconds."""
        if connection.transport.is_closing():
            return
        target = connection.target
        if self.closed or (self._pending and target not in self._usable):
            self._close(connection)
            self._serve_pending()
            return
        if self._pending:
            relay = self._pending.popleft()
            connection.attach(relay)
            self._hand_over(relay, connection)
            return
        if not self._max_idle:
            self._close(connection)
            return
        connection.idle_since = now
        target.idle.append(connection)

    def admit(self, connection: UpstreamConnection) -> None:
        """Count a connection that is made, until it is lost."""
        self._open.add(connection)
        connection.target.open += 1

    def forget(self, connection: UpstreamConnection) -> None:
        """Note that a connection is gone: its place is free for a waiting request."""
        self._discard(connection)
        if connection in connection.target.idle:
            connection.target.idle.remove(connection)
        self._serve_pending()

    # The data plane's side.

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    @property
    def settled(self) -> bool:
        """Whether nothing is open, and nothing under way."""
        return not (self._open or self._connecting or self._pending)

    @property
    def in_flight(self) -> int:
        """Requests that an upstream connection carries now; one that upgraded it ended with its 101."""
        tunnels = sum(1 for connection in self._open if connection.switched)
        return len(self._open) - tunnels - sum(len(target.idle) for target in self._targets)

    @property
    def has_healthy_target(self) -> bool:
        """Whether a request would be sent anywhere."""
        return bool(self._usable)

    def targets(self) -> Iterator[tuple[str, bool]]:
        """Give the name of each target, and whether it gets requests."""
        usable = self._usable.copy()
        yield from ((target.name, target in usable) for target in self._targets)

    def set_healthy(self, target: str, healthy: bool) -> None:
        """Use the target of that name, or leave it out, as its health checks say."""
        self._rotation.set_healthy(target, healthy)
        while self._pending and not self._usable:
            relay = self._pending.popleft()
            self._note_queue_wait(relay)
            self._fail_without_target(relay)

    def sweep(self, now: float) -> None:
        """Close the connections that were idle too long, or are spare."""
        oldest, spare_before = now - self.settings.pool.idle_timeout, now - SPARE_SECONDS
        for target in self._targets:
            idle = target.idle
            surplus = len(idle) - self._max_idle
            ended = [
                connection
                for place, connection in enumerate(idle)
                if connection.idle_since < (spare_before if place < surplus else oldest)
            ]
            for connection in ended:
                idle.remove(connection)
                self._close(connection)
        self._serve_pending()

    @property
    def connected(self) -> Sequence[TargetPool]:
        """The targets to which there are connections."""
        return [target for target in self._targets if target.open]

    def retire(self, target: TargetPool, hosts: Container[str]) -> None:
        """Close the connections to a target that do not lead to one of its hosts, after their exchange."""
        for connection in self._open.copy():
            if connection.target is not target or connection.host in hosts:
                continue
            connection.retire()
            if connection in target.idle:
                target.idle.remove(connection)
                self._close(connection)
        self._serve_pending()

    def close(self) -> None:
        """Close idle connections now and the others after their exchange."""
        self.closed = True
        for target in self._targets:
            idle, target.idle = target.idle, []
            for connection in idle:
                self._close(connection)

    def abort(self) -> None:
        """Drop every connection and attempt."""
        self.close()
        for task in self._connecting:
            task.cancel()

    def _fail_without_target(self, relay: "Relay") -> None:
        relay.fail(ErrorKind.NO_HEALTHY_TARGET, f"no target of upstream {self.name} passes its health checks")

    def _wait(self, relay: "Relay", target: TargetPool) -> None:
        """Have the relay wait for a connection, to be made or to become free, or fail it."""
        relay.waiting = True
        limits = self.settings.pool
        if self._has_room or self._close_one_idle():
            self._start(connect_for(self, relay, target))
        elif len(self._pending) < limits.max_pending:
            relay.queued_at = clock()
            self._pending.append(relay)
        else:
            waiting = f"{limits.max_pending} wait for upstream {self.name} already"
            relay.fail(ErrorKind.OVERLOAD, f"too many requests: {waiting}")

    @property
    def _has_room(self) -> bool:
        return len(self._open) + len(self._connecting) < self.settings.pool.max_connections

    def _close(self, connection: UpstreamConnection) -> None:
        """Close a connection that carries nothing; its place is free at once, however long TLS takes."""
        self._discard(connection)
        connection.close()

    def _discard(self, connection: UpstreamConnection) -> None:
        if connection in self._open:
            self._open.remove(connection)
            connection.target.open -= 1

    def _take_idle(self, target: TargetPool, relay: "Relay", now: float) -> UpstreamConnection | None:
        idle = target.idle
        while idle:
            age = now - idle[-1].idle_since
            if age > self._pool_idle_timeout or (age > FRESH_SECONDS and not relay.repeatable):
                return None
            connection = idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def _close_one_idle(self) -> bool:
        """Make room for a connection to another target."""
        for target in self._targets:
            if target.idle:
                self._close(target.idle.pop(0))
                return True
        return False

    def _serve_pending(self) -> None:
        while self._pending and self._has_room:
            relay = self._pending.popleft()
            self._note_queue_wait(relay)
            self._start(connect_for(self, relay, self._choose(self._usable)))

    def _hand_over(self, relay: "Relay", connection: UpstreamConnection) -> None:
        self._note_queue_wait(relay)
        relay.attach(connection)
        relay.write_upstream(clock())

    def _note_queue_wait(self, relay: "Relay") -> None:
        waited = clock() - relay.queued_at
        relay.queued_at = 0.0
        relay.exchange.queue_wait += waited
        self.on_wait(self.name, "queue", waited)

    def _start(self, attempt: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(attempt)
        self._connecting.add(task)
        task.add_done_callback(self._end_connecting)

    def _end_connecting(self, task: asyncio.Task[None]) -> None:
        """Give the place of an attempt to a waiting request, whether a connection came of it or not."""
        self._connecting.discard(task)
        self._serve_pending()

    def is_open(self, connection: UpstreamConnection) -> bool:
        """Whether a connection that was made is not lost yet."""
        return connection in self._open

    def make_connection(self, target: TargetPool) -> UpstreamConnection:
        """Return the protocol of a connection that is being made."""
        return UpstreamConnection(self, target, self._head_bytes)

    def in_order(self, first: TargetPool) -> Iterable[TargetPool]:
        """Give the first target, and those that are tried after it."""
        return self._rotation.in_order(first)

    def settle(self, relay: "Relay", connection: UpstreamConnection, waited: float) -> None:
        """Take a connection that was made for a relay in so many seconds."""
        self.on_wait(self.name, "connect", waited)
        if not relay.waiting:
            self.release(connection, clock())
            return
        relay.exchange.connect_wait += waited
        connection.attach(relay)
        relay.attach(connection)
        relay.write_upstream(clock())
