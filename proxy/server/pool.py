"""The connections to one upstream: kept alive, bounded, handed to one exchange at a time."""

import asyncio
import errno
import os
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter as clock
from typing import TYPE_CHECKING

from proxy.config.addresses import Target
from proxy.config.upstream import PRESERVE, TARGET
from proxy.config.upstream import Upstream as UpstreamSettings
from proxy.message.error import ErrorKind
from proxy.message.lines import encode_lines, parse_fields
from proxy.server.connect import open_connection
from proxy.server.upstream import UpstreamConnection

if TYPE_CHECKING:
    from proxy.server.relay import Relay

#: A request that may not be sent twice takes no connection that was idle longer, seconds: the
#: upstream may be closing it while the request is on its way.
FRESH_SECONDS = 2.0


class TargetPool:
    """The idle connections to one target, the latest used last."""

    __slots__ = ("address", "authority", "idle", "name")

    def __init__(self, address: Target) -> None:
        self.address = address
        self.name = str(address)
        self.authority = address.authority.encode("ascii")
        self.idle: list[UpstreamConnection] = []


class Upstream:
    """The connections to the targets of one upstream, in one worker."""

    __slots__ = (
        "_connecting",
        "_head_bytes",
        "_host",
        "_max_idle",
        "_next_target",
        "_open",
        "_pending",
        "_pool_idle_timeout",
        "_surely_fresh",
        "_targets",
        "_tls",
        "changes_host",
        "closed",
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
        on_wait: Callable[[str, str, float], None],
    ) -> None:
        """``head_bytes`` bounds response heads; ``on_wait`` takes name, kind of wait and seconds."""
        self.name = name
        self.settings = settings
        self._head_bytes = head_bytes
        self._tls = tls
        self.changes_host = settings.host != PRESERVE
        self._host = None if settings.host in (PRESERVE, TARGET) else settings.host.encode("ascii")
        self.response_timeout = settings.timeouts.response
        self.idle_timeout = settings.timeouts.idle
        self._pool_idle_timeout = settings.pool.idle_timeout
        self._max_idle = settings.pool.max_idle
        self._surely_fresh = min(FRESH_SECONDS, settings.pool.idle_timeout)
        self.retries = settings.retries
        self.on_wait = on_wait
        self.closed = False
        self._targets = [TargetPool(address) for address in settings.targets]
        self._next_target = 0
        self._open: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pending: deque[Relay] = deque()

    # The relay's side.

    def acquire(self, relay: "Relay", now: float, *, fresh: bool = False) -> None:
        """Attach a connection to the relay, at once or once there is one, or fail it.

        ``now`` is ``perf_counter`` seconds. With ``fresh`` no pooled connection is used: one that died
        under a request says that its neighbours may be dead too.
        """
        targets = self._targets
        target = targets[0] if len(targets) == 1 else self._choose_target()
        idle = target.idle
        if idle and not fresh:
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
        relay.waiting = True
        limits = self.settings.pool
        if len(self._open) + len(self._connecting) < limits.max_connections or self._close_one_idle():
            self._connect(relay, target)
        elif len(self._pending) < limits.max_pending:
            relay.queued_at = clock()
            self._pending.append(relay)
        else:
            relay.fail(
                ErrorKind.OVERLOAD, f"{limits.max_pending} requests wait for upstream {self.name} already"
            )

    def withdraw(self, relay: "Relay") -> None:
        """Forget a relay that waits for a connection."""
        if relay in self._pending:
            self._pending.remove(relay)

    def address(self, lines: bytes, target: TargetPool) -> bytes:
        """Return the request's field lines with the Host that this upstream is to see."""
        settings = self.settings
        host = target.authority if settings.host == TARGET else self._host
        if host is None:
            return lines
        others = [field for field in parse_fields(lines) if field[0].lower() != b"host"]
        return encode_lines([(b"Host", host), *others])

    # The connection's side.

    def release(self, connection: UpstreamConnection, now: float) -> None:
        """Take back a connection whose exchange ended at ``now``, ``perf_counter`` seconds."""
        if connection.transport.is_closing():
            return
        if self.closed:
            connection.close()
            return
        if self._pending:
            relay = self._pending.popleft()
            connection.attach(relay)
            self._hand_over(relay, connection)
            return
        target = connection.target
        if len(target.idle) >= self._max_idle:
            connection.close()
            return
        connection.idle_since = now
        target.idle.append(connection)

    def admit(self, connection: UpstreamConnection) -> None:
        """Count a connection that is made, until it is lost."""
        self._open.add(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Note that a connection is gone: its place is free for a waiting request."""
        self._open.discard(connection)
        if connection in connection.target.idle:
            connection.target.idle.remove(connection)
        self._serve_pending()

    # The data plane's side.

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """Requests that an upstream connection carries now."""
        return len(self._open) - sum(len(target.idle) for target in self._targets)

    def sweep(self, now: float) -> None:
        """Close the connections that were idle too long."""
        oldest = now - self.settings.pool.idle_timeout
        for target in self._targets:
            for connection in [idle for idle in target.idle if idle.idle_since < oldest]:
                target.idle.remove(connection)
                connection.close()

    def close(self) -> None:
        """Close idle connections now and the others after their exchange."""
        self.closed = True
        for target in self._targets:
            idle, target.idle = target.idle, []
            for connection in idle:
                connection.close()

    def abort(self) -> None:
        """Drop every connection and attempt."""
        self.close()
        for task in self._connecting:
            task.cancel()

    def _choose_target(self) -> TargetPool:
        number = self._next_target
        self._next_target = (number + 1) % len(self._targets)
        return self._targets[number]

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
                connection = target.idle.pop(0)
                self._open.discard(connection)
                connection.close()
                return True
        return False

    def _serve_pending(self) -> None:
        room = self.settings.pool.max_connections - len(self._open) - len(self._connecting)
        while self._pending and room > 0:
            room -= 1
            relay = self._pending.popleft()
            self._note_queue_wait(relay)
            self._connect(relay, self._choose_target())

    def _hand_over(self, relay: "Relay", connection: UpstreamConnection) -> None:
        self._note_queue_wait(relay)
        relay.attach(connection)
        relay.write_upstream(clock())

    def _note_queue_wait(self, relay: "Relay") -> None:
        waited = clock() - relay.queued_at
        relay.exchange.queue_wait += waited
        self.on_wait(self.name, "queue", waited)

    def _connect(self, relay: "Relay", target: TargetPool) -> None:
        task = asyncio.get_running_loop().create_task(self._connect_for(relay, target))
        self._connecting.add(task)
        task.add_done_callback(self._end_connecting)

    def _end_connecting(self, task: asyncio.Task[None]) -> None:
        """Give the place of an attempt to a waiting request, whether a connection came of it or not."""
        self._connecting.discard(task)
        self._serve_pending()

    async def _connect_for(self, relay: "Relay", first: TargetPool) -> None:
        """Connect to the first target, or the next that accepts, and give the connection away."""
        started = clock()
        failure = (ErrorKind.UPSTREAM_CONNECT, "no target")
        for target in self._in_order(first):
            try:
                async with asyncio.timeout(self.settings.timeouts.connect):
                    connection = await open_connection(
                        target.address,
                        lambda target=target: UpstreamConnection(self, target, self._head_bytes),  # type: ignore[misc]
                        tls=self._tls,
                        server_name=self.settings.tls.server_name,
                    )
            except TimeoutError:
                detail = f"connecting to {target.name} took longer than {self.settings.timeouts.connect:g} s"
                failure = (ErrorKind.UPSTREAM_TIMEOUT, detail)
            except OSError as error:
                failure = (ErrorKind.UPSTREAM_CONNECT, f"cannot connect to {target.name}: {describe(error)}")
            else:
                self._settle(relay, connection, clock() - started)
                return
            if not relay.waiting:
                break
        if relay.waiting:
            relay.exchange.connect_wait += clock() - started
            relay.fail(*failure)

    def _settle(self, relay: "Relay", connection: UpstreamConnection, waited: float) -> None:
        self.on_wait(self.name, "connect", waited)
        if not relay.waiting:
            self.release(connection, clock())
            return
        relay.exchange.connect_wait += waited
        if connection not in self._open:
            relay.waiting = False
            relay.lose_upstream(
                ErrorKind.UPSTREAM_RESET, "the upstream closed the connection at once", answered=False
            )
            return
        connection.attach(relay)
        relay.attach(connection)
        relay.write_upstream(clock())

    def _in_order(self, first: TargetPool) -> Sequence[TargetPool]:
        place = self._targets.index(first)
        return self._targets[place:] + self._targets[:place]


def describe(error: OSError) -> str:
    """Return the words of an OSError without its number and address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    # Libraries put words of their own, and the address, into strerror; TLS has numbers of its own.
    if error.errno is not None and error.errno in errno.errorcode and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
