"""The composition root: one config, made into listeners, upstreams, metrics and an admin server."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry

from proxy.admin.app import Facts, make_app
from proxy.admin.ready import find_unready
from proxy.config.addresses import Address, TcpAddress
from proxy.config.compile import compile_policy
from proxy.config.load import LoadedConfig, load_config
from proxy.config.process import AccessLog
from proxy.config.schema import Config
from proxy.exchange import Policy
from proxy.explain import Explanation, Question, explain
from proxy.observability import catalog
from proxy.observability.catalog import Metric
from proxy.observability.matcher_errors import MatcherErrors
from proxy.observability.metrics import Metrics, MetricsCollector
from proxy.server.data_plane import DataPlane
from proxy.server.health import HealthMonitor
from proxy.server.limits import Limits
from proxy.server.listeners import AddressTaken, Listener, bind, unbind
from proxy.server.pool import Upstream
from proxy.server.tls import listener_context, upstream_context
from proxy.tracecontext.ids import IdSource

_LOG = logging.getLogger(__name__)

#: How often a drain looks whether it is done, seconds.
_DRAIN_STEP = 0.02
#: How long the end waits for answers of the admin server, seconds.
_ADMIN_SECONDS = 1.0
#: How long a drain accepts who is queued, seconds: there may always be another one.
_ACCEPT_SECONDS = 1.0
#: From a client accepted to its bytes read: the connection is made, reading begins, bytes come.
_TURNS_TO_READ = 8


class Application:
    """One running proxy; ``say`` takes lines for stdout, ``on_start`` the URLs once clients are served."""

    def __init__(self, loaded: LoadedConfig, say: Callable[[str], None]) -> None:
        self._say = say
        config = self._config = loaded.config
        self._metrics = Metrics()
        self._secret = os.urandom(32)
        self._policy = self._compile(config)
        self._explained: Policy | None = None
        self._explaining = asyncio.Lock()
        self._ids = IdSource(os.urandom)
        self._plane = DataPlane(
            self._policy,
            Limits.of(config.limits),
            self._make_upstreams(config),
            self._ids,
            self._metrics.observe,
        )
        self._monitor = HealthMonitor(config.upstreams, self._set_healthy)
        self._registry = CollectorRegistry()
        self._registry.register(MetricsCollector(self._metrics, self._gauges))
        self._listeners: list[Listener] = []
        self._stop = asyncio.Event()
        self.on_start: Callable[[Sequence[str], str | None], None] | None = None

    async def run(self) -> int:
        """Serve until a signal says to stop; return the exit status.

        Raises:
            AddressTaken: a listener's or the admin server's address cannot be listened on.
        """
        for key in _unused(self._config):
            _LOG.warning("%s is set, and this version does nothing for it", key)
        with contextlib.ExitStack() as bound:
            admin_sockets = self._bind(bound)
            self._watch_signals()
            sweep = asyncio.create_task(self._plane.sweep_forever())
            checks = asyncio.create_task(self._monitor.run())
            admin = await self._start_admin(admin_sockets)
            await self._start_listeners(admin_sockets)
            _settle_garbage()
            await self._stop.wait()
            clean = await self._drain()
            sweep.cancel()
            checks.cancel()
            await asyncio.wait([checks])
            if admin is not None:
                await admin.cleanup()
            return 0 if clean else 1

    def stop(self) -> None:
        """Drain and end ``run``."""
        self._stop.set()

    # Parts.

    def _compile(self, config: Config) -> Policy:
        return compile_policy(config, MatcherErrors(self._metrics), secret=self._secret)

    def _make_upstreams(self, config: Config) -> Mapping[str, Upstream]:
        return {
            name: Upstream(
                name,
                settings,
                head_bytes=config.limits.header_bytes,
                tls=upstream_context(settings),
                on_wait=self._metrics.observe_wait,
            )
            for name, settings in config.upstreams.items()
        }

    def _set_healthy(self, upstream: str, target: str, healthy: bool) -> None:
        self._plane.upstreams[upstream].set_healthy(target, healthy)

    def _bind(self, bound: contextlib.ExitStack) -> list[socket.socket]:
        """Take every address; return the admin server's sockets. What ``bound`` holds is closed with it."""
        address = self._config.admin.listen
        sockets: list[socket.socket] = []
        if address is not None:
            try:
                sockets = bind(address)
            except AddressTaken as error:
                raise AddressTaken(f"admin.listen: {error}") from None
            bound.callback(unbind, address, sockets)
        for entry in self._config.listen:
            tls = None if entry.tls is None else listener_context(entry.tls)
            listener = Listener(entry, bind(entry.address), tls)
            bound.callback(listener.close)
            self._listeners.append(listener)
        return sockets

    async def _start_listeners(self, admin_sockets: list[socket.socket]) -> None:
        for listener in self._listeners:
            await listener.serve(self._plane)
            self._say(f"listening on {listener.url}")
        admin_url = _admin_url(self._config.admin.listen, admin_sockets)
        if admin_url is not None:
            self._say(f"admin on {admin_url}")
        if self.on_start is not None:
            self.on_start([listener.url for listener in self._listeners], admin_url)

    async def _start_admin(self, sockets: list[socket.socket]) -> web.AppRunner | None:
        config = self._config.admin
        if config.listen is None:
            return None
        facts = Facts(self._registry, self._not_ready, self._explain)
        app = make_app(facts, config.listen, config.token)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_ADMIN_SECONDS)
        await runner.setup()
        for sock in sockets:
            await web.SockSite(runner, sock).start()
        return runner

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        # It would end the process, and many send it to have a config read again.
        loop.add_signal_handler(signal.SIGHUP, _LOG.warning, "SIGHUP: restart to use a changed config")

    async def _drain(self) -> bool:
        """Finish what is in flight; return whether all of it ended in time."""
        plane = self._plane
        plane.draining = True
        await self._accept_queued()
        for listener in self._listeners:
            listener.close()
        plane.drain()
        deadline = time.monotonic() + self._config.drain_timeout
        # Connections end by themselves; an event would have to be set on the path of every request.
        while (plane.connections or plane.handshakes) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_STEP)
        clean = plane.in_flight == 0
        plane.abort()
        return clean

    async def _accept_queued(self) -> None:
        """Accept whoever waits, and read what they sent: closing would reset them."""
        until = time.monotonic() + _ACCEPT_SECONDS
        # The loop accepts one client a turn from each socket.
        while any(listener.queued for listener in self._listeners) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(_TURNS_TO_READ):
            await asyncio.sleep(0)

    # What the admin server asks.

    def _not_ready(self) -> str | None:
        if self._plane.draining:
            return "draining"
        upstreams = self._plane.upstreams.items()
        return find_unready(
            self._config.admin.ready, {name: each.has_healthy_target for name, each in upstreams}
        )

    async def _explain(self, question: Question) -> Explanation:
        # A policy of its own: the caps on traces are not to be spent, nor a function's errors counted, by
        # questions. Compiled aside, for thousands of rules would keep requests waiting.
        async with self._explaining:
            if self._explained is None:
                self._explained = await asyncio.to_thread(
                    compile_policy, self._config, _ignore, secret=self._secret
                )
        return explain(self._explained, question, self._ids, time.monotonic())

    def _gauges(self) -> Iterator[tuple[Metric, Mapping[tuple[str, ...], float]]]:
        plane = self._plane
        yield catalog.SAMPLE_RATE, {(rule,): rate for rule, rate in _rates(plane.policy)}
        upstream = sum(each.connections for each in plane.upstreams.values())
        yield (
            catalog.CONNECTIONS,
            {
                ("downstream",): len(plane.connections) + len(plane.handshakes),
                ("upstream",): upstream,
            },
        )
        sent = sum(each.in_flight for each in plane.upstreams.values())
        yield catalog.IN_FLIGHT, {("downstream",): plane.in_flight, ("upstream",): sent}
        yield (
            catalog.UPSTREAM_HEALTHY,
            {
                (name, target): float(usable)
                for name, each in plane.upstreams.items()
                for target, usable in each.targets()
            },
        )


def serve(path: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Run the proxy with the config at ``path``; return the exit status.

    Raises:
        ConfigError: the config has errors.
        AddressTaken: an address cannot be listened on.
    """
    return run(load_config(path, environ), say)


def run(loaded: LoadedConfig, say: Callable[[str], None]) -> int:
    """Run the proxy with a config until a signal says to stop; return the exit status."""
    # Imported here: explain, check and schema do without it.
    import uvloop

    async def main() -> int:
        return await Application(loaded, say).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def _unused(config: Config) -> Iterator[str]:
    """Give the keys that say something which this version does not do."""
    if config.spans.otlp is not None:
        yield "spans.otlp"
    if config.access_log is not AccessLog.OFF:
        yield "access_log"
    if config.workers != 1:
        yield "workers"


def _ignore(rule: str, error: Exception) -> None:
    """Leave an error of a rule's function to the requests that meet it."""


def _rates(policy: Policy) -> Iterator[tuple[str, float]]:
    for rule in policy.rules.rules:
        if rule.tracing is not None:
            yield rule.name, float(rule.tracing.sampler.rate)


def _admin_url(address: Address | None, sockets: list[socket.socket]) -> str | None:
    if address is None:
        return None
    if isinstance(address, TcpAddress):
        return f"http://{TcpAddress(address.host, sockets[0].getsockname()[1])}"
    return str(address)


def _settle_garbage() -> None:
    """Keep the collector from walking what was loaded at start, which stays anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
