"""The data plane of one process under its config, and under the next one."""

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy.client import Policy
from proxy.config.compile import Cap, compile_policy
from proxy.config.schema import Config
from proxy.observability import catalog
from proxy.observability.catalog import Metric
from proxy.observability.matcher_errors import MatcherErrors
from proxy.observability.metrics import Metrics
from proxy.observability.observers import Observers, origin_of
from proxy.policy.sampling import TraceLimit, TraceLimiter
from proxy.record import ExchangeRecord
from proxy.resolving.resolver import Resolver
from proxy.server.data_plane import Crowd, DataPlane
from proxy.server.downstream import DRAIN_GRACE_SECONDS
from proxy.server.limits import Limits
from proxy.server.listener_set import Key, ListenerSet, PreparedListeners
from proxy.server.listeners import Listener, bind
from proxy.server.moves import follow_moves
from proxy.server.open_files import allow_open_files
from proxy.server.pool import Upstream
from proxy.server.sweep import sweep_forever
from proxy.server.tls import read_files, upstream_context
from proxy.tracecontext.ids import IdSource

_LOG = logging.getLogger(__name__)

#: How often a drain looks whether it is done, seconds.
_DRAIN_STEP = 0.02

#: Gauges with their series, as they are read for a scrape.
Gauges: TypeAlias = Iterable[tuple[Metric, Mapping[tuple[str, ...], float]]]


class TraceLimits:
    """The caps on traces of one process: one that stays as it was from config to config keeps its count."""

    def __init__(self, make_limit: Callable[[Cap], TraceLimiter] | None = None) -> None:
        """``make_limit`` makes what keeps a new cap; by default it is kept in this process."""
        self._make_limit = make_limit or (lambda cap: TraceLimit(cap.per_second))
        self._limits: dict[Cap, TraceLimiter] = {}

    def renew(self) -> tuple[dict[Cap, TraceLimiter], Callable[[Cap], TraceLimiter]]:
        """Return the limits of another config, which fill as it is compiled, and what makes them."""
        before, renewed = self._limits, dict[Cap, TraceLimiter]()

        def make(cap: Cap) -> TraceLimiter:
            limit = before.get(cap) or self._make_limit(cap)
            renewed[cap] = limit
            return limit

        return renewed, make

    def keep(self, limits: dict[Cap, TraceLimiter]) -> None:
        """Go on with the limits of a config that is used from now on."""
        self._limits = limits


@dataclass(frozen=True, slots=True)
class Prepared:
    """The next config, compiled and bound; ``commit`` cannot fail any more."""

    config: Config
    policy: Policy
    limits: Limits
    trace_limits: dict[Cap, TraceLimiter]
    upstreams: Mapping[str, Upstream]
    origins: Mapping[str, object]  # what each upstream was made of
    listeners: PreparedListeners
    observers: Observers


class Serving:
    """Listeners, policy and upstreams of one process."""

    def __init__(
        self,
        metrics: Metrics,
        secret: bytes,
        ids: IdSource,
        *,
        trace_limits: TraceLimits | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self._metrics = metrics
        self._secret = secret
        self._ids = ids
        self._matcher_errors = MatcherErrors(metrics)
        self._trace_limits = trace_limits or TraceLimits()
        self._crowd = crowd
        self._resolver = Resolver()
        self._listeners = ListenerSet()
        self._origins: Mapping[str, object] = {}
        self._plane: DataPlane | None = None
        self._observers: Observers | None = None
        self._leaving: set[asyncio.Task[None]] = set()  # those of configs before, which hand over the rest
        self._keeping: Sequence[asyncio.Task[None]] = ()  # what is done now and then while it serves
        self._drain_timeout = 0.0
        self._changing = asyncio.Lock()
        self.draining = False

    @property
    def listeners(self) -> Sequence[Listener]:
        """The listeners, in the order of the config."""
        return list(self._listeners)

    def prepare(self, config: Config, lent: Mapping[Key, Sequence[socket.socket]] | None = None) -> Prepared:
        """Make ready for a config; what serves now stays untouched.

        ``lent`` are the listening sockets of entries that are new here, where somebody else binds them.

        Raises:
            OSError: an address is taken, or a file of TLS cannot be loaded.
        """
        trace_limits, make_limit = self._trace_limits.renew()
        policy = compile_policy(config, self._matcher_errors, secret=self._secret, make_limit=make_limit)
        upstreams, origins = self._prepare_upstreams(config)
        leaving = self._listeners.leaving(config.listen)
        if lent is None:
            listeners = self._listeners.prepare(config.listen, lambda _, entry: bind(entry.address, leaving))
        else:
            listeners = self._listeners.prepare(config.listen, lambda key, _: lent[key], lent=True)
        limits = Limits.of(config.limits)
        observers = self._observers
        if observers is None or observers.origin != origin_of(config):
            observers = Observers(config, self._metrics)
        return Prepared(config, policy, limits, trace_limits, upstreams, origins, listeners, observers)

    async def commit(self, prepared: Prepared, unhealthy: Iterable[tuple[str, str]] = ()) -> None:
        """Serve by what was prepared from now on, unless a drain began meanwhile.

        ``unhealthy`` are upstream and target of those that health checks found to be so.
        """
        async with self._changing:
            if self.draining:
                prepared.listeners.discard()
            else:
                await self._commit(prepared, unhealthy)

    def set_healthy(self, upstream: str, target: str, healthy: bool) -> None:
        """Use a target, or leave it out, as its health checks say."""
        if self._plane is not None and upstream in self._plane.upstreams:
            self._plane.upstreams[upstream].set_healthy(target, healthy)

    async def _commit(self, prepared: Prepared, unhealthy: Iterable[tuple[str, str]]) -> None:
        allow_open_files(prepared.config)
        self._trace_limits.keep(prepared.trace_limits)
        self._origins = prepared.origins
        self._drain_timeout = prepared.config.drain_timeout
        observe = self._renew_observers(prepared.observers)
        if self._plane is None:
            self._plane = DataPlane(
                prepared.policy,
                prepared.limits,
                prepared.upstreams,
                self._ids,
                observe,
                self._crowd,
                observe_lag=self._metrics.observe_lag,
            )
            self._keeping = [
                asyncio.create_task(sweep_forever(self._plane)),
                asyncio.create_task(follow_moves(self._plane)),
            ]
        else:
            self._plane.renew(prepared.policy, prepared.limits, prepared.upstreams)
            self._plane.observe = observe
        for upstream, target in unhealthy:
            self.set_healthy(upstream, target, False)
        await self._listeners.commit(prepared.listeners, self._plane)

    async def drain(self) -> bool:
        """Finish what is in flight; return whether all of it ended in time."""
        self.draining = True
        plane = self._plane
        if plane is None:
            return True
        plane.draining = True
        async with self._changing:
            await self._listeners.drain(plane)
        plane.drain()
        asyncio.get_running_loop().call_later(DRAIN_GRACE_SECONDS, plane.end_silent_handshakes)
        deadline = time.monotonic() + self._drain_timeout
        # Connections end by themselves; an event would have to be set on the path of every request.
        while (plane.connections or plane.handshakes) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_STEP)
        cut_short = plane.in_flight
        if cut_short:
            _LOG.warning("requests cut short, for drain_timeout is over: %d", cut_short)
        plane.abort()
        closing = () if self._observers is None else (self._observers.close(),)
        await asyncio.gather(*closing, *self._leaving)
        return not cut_short

    def close(self) -> None:
        """End what serving left behind: listeners where nothing was drained, and its tasks."""
        self._listeners.close()
        for task in self._keeping:
            task.cancel()

    def gauges(self) -> Gauges:
        """Give what is open and in flight now."""
        plane = self._plane
        if plane is None:
            return
        upstreams = plane.every_upstream()
        connections = sum(each.connections for each in upstreams)
        clients = len(plane.connections) + len(plane.handshakes)
        yield catalog.CONNECTIONS, {("downstream",): clients, ("upstream",): connections}
        sent = sum(each.in_flight for each in upstreams)
        yield catalog.IN_FLIGHT, {("downstream",): plane.in_flight, ("upstream",): sent}
        usable: dict[tuple[str, ...], float] = {
            (name, target): float(is_usable)
            for name, each in plane.upstreams.items()
            for target, is_usable in each.targets()
        }
        yield catalog.UPSTREAM_HEALTHY, usable

    def _renew_observers(self, observers: Observers) -> Callable[[ExchangeRecord], None]:
        """Tell of exchanges by the next config; return what takes their records."""
        before, self._observers = self._observers, observers
        if before is not observers:
            observers.start()
            if before is not None:
                closing = asyncio.create_task(before.close())
                self._leaving.add(closing)
                closing.add_done_callback(self._leaving.discard)
        return observers.observe

    def _prepare_upstreams(self, config: Config) -> tuple[Mapping[str, Upstream], Mapping[str, object]]:
        """Keep the upstreams, with their connections, for which nothing changes; make the others."""
        before = {} if self._plane is None else self._plane.upstreams
        head_bytes = config.limits.header_bytes
        upstreams, origins = {}, {}
        for name, settings in config.upstreams.items():
            origin = origins[name] = (settings, head_bytes, read_files(settings.tls))
            if self._origins.get(name) == origin:
                upstreams[name] = before[name]
                continue
            upstreams[name] = Upstream(
                name,
                settings,
                head_bytes=head_bytes,
                tls=upstream_context(settings),
                resolver=self._resolver,
                on_wait=self._metrics.observe_wait,
            )
        return upstreams, origins


def settle_garbage() -> None:
    """Keep the collector from walking what was loaded at start, which stays anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
