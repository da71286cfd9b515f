"""A proxy of several processes: workers serve, the supervisor holds what is of all of them.

It binds the sockets, reads the config, keeps the limits of the group and the counts of its workers
in memory that they share, runs the admin server, and starts a worker again that ended unasked.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.admin.facts import Facts
from proxy.admin.ready import find_unready
from proxy.app.admin_site import AdminSite, Explainer
from proxy.app.application import say_listeners, watch_signals
from proxy.app.config_facts import config_gauges
from proxy.app.group.caps import CapPlaces, TooManyCaps
from proxy.app.group.failure import WorkersFailed
from proxy.app.group.messages import Kind, Order
from proxy.app.group.scrape import GroupCollector, add_up
from proxy.app.group.shared_file import make_shared_file
from proxy.app.group.slot import Slot
from proxy.app.health import HealthChecks
from proxy.app.reload import STOPPING, Reloader, ReloadRefused
from proxy.app.serving import Gauges
from proxy.config.load import LoadedConfig
from proxy.config.schema import Config
from proxy.observability.metrics import Metrics
from proxy.server.group_limits import GroupMemory
from proxy.server.group_sockets import GroupSockets, PreparedSockets
from proxy.server.open_files import allow_group_files

_LOG = logging.getLogger(__name__)

#: How long workers may take to make ready for a config, and to go over to it, seconds.
_READY_SECONDS = 60.0
#: How long a scrape waits for what workers have open; then it takes what they said last, seconds.
_GAUGES_SECONDS = 1.0
#: What a drain of the workers may take beyond drain_timeout, seconds.
_DRAIN_MARGIN = 5.0
#: After so many processes in a row that never served, the group does not start.
_MOST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class _Running:
    config: Config
    order: Order
    sockets: PreparedSockets


class Supervisor:
    """One group of workers; ``say`` takes lines for stdout, ``read`` reads the config again."""

    def __init__(
        self,
        loaded: LoadedConfig,
        workers: int,
        environ: Mapping[str, str],
        say: Callable[[str], None],
        read: Callable[[], LoadedConfig] | None,
    ) -> None:
        allow_group_files(loaded.config, workers)
        self._loaded = loaded
        self._environ = environ
        self._say = say
        self._metrics = Metrics()
        self._secret = os.urandom(32)
        self._memory = GroupMemory(make_shared_file("traceward-group"))
        self._caps = CapPlaces(self._memory)
        self._sockets = GroupSockets(workers)
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._attempts = 0  # at a config: each has a number of its own, also where it is refused
        self._slots = [Slot(number, self._brief, self._changed.set) for number in range(workers)]
        self._tasks: list[asyncio.Task[None]] = []
        self._explainer = Explainer(loaded.config, self._secret)
        self._health = HealthChecks(self._set_healthy)
        self._reloader = Reloader(loaded, read, self._apply, self._metrics)

    _running: _Running

    async def run(self) -> int:
        """Serve until a signal says to stop; return the exit status.

        Raises:
            AddressTaken: a listener's or the admin server's address cannot be listened on.
            WorkersFailed: no worker gets as far as to serve.
        """
        loaded = self._loaded
        with contextlib.ExitStack() as bound:
            try:
                self._commit(self._prepare(loaded))
            except TooManyCaps as error:
                raise WorkersFailed(str(error)) from None
            bound.callback(self._sockets.close)
            self._health.commit(self._health.prepare(loaded.config))
            bound.callback(self._health.stop)
            admin = AdminSite(loaded.config.admin.listen, bound)
            watch_signals(self.stop, self._reloader.ask)
            admin.start(
                Facts(
                    GroupCollector(self._metrics, [slot.block for slot in self._slots], self._gauges).scrape,
                    self._not_ready,
                    self._explainer.explain,
                    self._reloader.reload,
                    lambda: self._running.config.admin.token,
                )
            )
            try:
                await self._start()
                if not self._stop.is_set():
                    say_listeners(self._say, self._sockets.urls(loaded.config.listen), admin.url)
                    self._reloader.start()
                await self._stop.wait()
                await self._reloader.stop()
            finally:
                clean = await self._end()
            await admin.stop()
            return 0 if clean else 1

    def stop(self) -> None:
        """Drain and end ``run``, whatever is waited for."""
        self._stop.set()
        self._changed.set()

    # The workers.

    async def _start(self) -> None:
        self._tasks = [asyncio.create_task(slot.keep(self._stop, self._forget)) for slot in self._slots]
        await self._until(
            lambda: (
                all(slot.serving for slot in self._slots)
                or self._stop.is_set()
                or any(slot.failures >= _MOST_FAILURES or self._why_unfit(slot) for slot in self._slots)
            ),
            None,
        )
        for slot in self._slots:
            if (error := self._why_unfit(slot)) is not None:
                raise WorkersFailed(f"worker {slot.number} cannot serve: {error}")
            if slot.failures >= _MOST_FAILURES:
                raise WorkersFailed(f"worker {slot.number} ends before it serves")

    @staticmethod
    def _why_unfit(slot: Slot) -> str | None:
        # Where it serves, the error is one of a reload, which the admin server may ask for already.
        return None if slot.serving else slot.error

    def _brief(self, slot: Slot) -> None:
        """Tell a process that was just started who it is, and by which config to serve."""
        who = {"worker": slot.number, "workers": len(self._slots), "secret": self._secret.hex()}
        slot.send({"kind": Kind.START, **who}, [slot.counts, self._memory.descriptor])
        self._send_whole(slot)

    def _send_whole(self, slot: Slot) -> None:
        running = self._running
        slot.send(*running.order.message(self._sockets.of_worker(slot.number, running.sockets)))
        self._send_commit(slot)

    def _send_commit(self, slot: Slot) -> None:
        unhealthy = list(self._health.unhealthy)
        slot.send({"kind": Kind.COMMIT, "generation": self._running.order.generation, "unhealthy": unhealthy})

    def _set_healthy(self, upstream: str, target: str, healthy: bool) -> None:
        for slot in self._slots:
            slot.send({"kind": Kind.HEALTH, "upstream": upstream, "target": target, "healthy": healthy})

    def _forget(self, slot: Slot) -> None:
        """Count what a worker had open no more: it is gone."""
        self._memory.connections[slot.number] = 0

    async def _end(self) -> bool:
        """Drain the workers; return whether each of them finished what it had."""
        self.stop()
        # The workers hold them still, and accept whoever is queued before they close them.
        self._sockets.close()
        draining = [slot for slot in self._slots if slot.alive]
        for slot in draining:
            slot.send({"kind": Kind.DRAIN})
        if not self._tasks:
            return True
        patience = self._running.config.drain_timeout + _DRAIN_MARGIN
        _, late = await asyncio.wait(self._tasks, timeout=patience)
        if late:
            for slot in self._slots:
                slot.kill()
            await asyncio.wait(late)
        return all(slot.status == 0 for slot in draining)

    # The config.

    def _prepare(self, loaded: LoadedConfig) -> _Running:
        self._attempts += 1
        caps = self._caps.prepare(loaded.config)
        order = Order(self._attempts, Path(loaded.file).absolute(), self._environ, loaded.text, caps)
        return _Running(loaded.config, order, self._sockets.prepare(loaded.config.listen))

    def _commit(self, running: _Running) -> None:
        self._caps.commit(running.order.caps)
        self._sockets.commit(running.sockets)
        self._running = running

    async def _apply(self, loaded: LoadedConfig) -> None:
        """Have every worker make ready for a config; only when all are, all go over to it."""
        if self._stop.is_set():
            raise ReloadRefused(STOPPING)
        allow_group_files(loaded.config, len(self._slots))
        before = self._sockets.urls(self._running.config.listen)
        try:
            running = self._prepare(loaded)
        except TooManyCaps as error:
            raise ReloadRefused(str(error)) from None
        try:
            await self._make_ready(running)
            monitor = self._health.prepare(loaded.config)
        except BaseException:
            # Also where the proxy is stopped meanwhile.
            for slot in self._slots:
                slot.send({"kind": Kind.DISCARD})
            running.sockets.discard()
            raise
        self._commit(running)
        opened = [url for url in self._sockets.urls(loaded.config.listen) if url not in before]
        self._health.commit(monitor)
        self._explainer.renew(loaded.config)
        generation = running.order.generation
        for slot in self._slots:
            if slot.prepared == generation:
                self._send_commit(slot)
            else:
                self._catch_up(slot)
        if not await self._until(lambda: all(self._serves(slot, generation) for slot in self._slots)):
            _LOG.error("a worker takes more than %g s to go over to the config", _READY_SECONDS)
        if not self._stop.is_set():
            say_listeners(self._say, opened, None)

    async def _make_ready(self, running: _Running) -> None:
        generation = running.order.generation
        asked = [(slot, slot.incarnation) for slot in self._slots if slot.alive]
        for slot, _ in asked:
            sockets = self._sockets.of_worker(slot.number, running.sockets)
            new = {key: each for key, each in sockets.items() if key in running.sockets.opened}
            slot.send(*running.order.message(new))
        # One that ended meanwhile starts by the config that is in use then.
        in_time = await self._until(
            lambda: (
                all(slot.prepared == generation or slot.incarnation != was for slot, was in asked)
                or self._stop.is_set()
            )
        )
        if self._stop.is_set():
            raise ReloadRefused(STOPPING)
        errors = [slot.error for slot, _ in asked if slot.prepared == generation and slot.error is not None]
        if errors:
            raise ReloadRefused(errors[0])
        if not in_time:
            raise ReloadRefused(f"a worker is not ready after {_READY_SECONDS:g} s")

    def _catch_up(self, slot: Slot) -> None:
        """Have a worker that was started meanwhile, by the config before, go over to the one in use."""
        try:
            self._send_whole(slot)
        except OSError as error:
            _LOG.error("worker %d cannot be told the config and is ended: %s", slot.number, error)
            slot.kill()

    @staticmethod
    def _serves(slot: Slot, generation: int) -> bool:
        return slot.serving == generation or not slot.alive

    async def _until(self, condition: Callable[[], bool], seconds: float | None = _READY_SECONDS) -> bool:
        """Wait until something that workers tell makes the condition true; return whether it is."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return condition()
        return True

    # What the admin server asks.

    def _not_ready(self) -> str | None:
        if self._stop.is_set():
            return "draining"
        if not any(slot.serving for slot in self._slots):
            return "no worker serves"
        config = self._running.config
        return find_unready(config.admin.ready, self._health.healthy_upstreams(config))

    async def _gauges(self) -> Gauges:
        for slot in self._slots:
            slot.ask_gauges()
        await self._until(lambda: all(slot.answered for slot in self._slots), _GAUGES_SECONDS)
        own = config_gauges(self._running.config, self._reloader.loaded_at)
        return add_up(own, [slot.gauges for slot in self._slots])
