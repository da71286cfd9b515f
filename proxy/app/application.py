"""A proxy in one process."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence

from proxy.admin.facts import Facts
from proxy.admin.ready import find_unready
from proxy.app.admin_site import AdminSite, Explainer
from proxy.app.config_facts import config_gauges
from proxy.app.early_hangup import EarlyHangup
from proxy.app.health import HealthChecks
from proxy.app.reload import STOPPING, Reloader, ReloadRefused
from proxy.app.serving import Gauges, Prepared, Serving, settle_garbage
from proxy.config.load import LoadedConfig
from proxy.config.schema import Config
from proxy.observability.metrics import Metrics, MetricsCollector
from proxy.tracecontext.ids import IdSource


class Application:
    """One running proxy; ``say`` takes lines for stdout, ``on_start`` the URLs once clients are served.

    ``read`` reads the config again; without it, nothing is reloaded.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        say: Callable[[str], None],
        read: Callable[[], LoadedConfig] | None = None,
    ) -> None:
        self._say = say
        self._config = loaded.config
        self._metrics = Metrics()
        secret = os.urandom(32)
        self._serving = Serving(self._metrics, secret, IdSource(os.urandom))
        self._explainer = Explainer(loaded.config, secret)
        self._health = HealthChecks(self._serving.set_healthy)
        self._reloader = Reloader(loaded, read, self._apply, self._metrics)
        self._stop = asyncio.Event()
        self.on_start: Callable[[Sequence[str], str | None], None] | None = None

    async def run(self) -> int:
        """Serve until a signal says to stop; return the exit status.

        Raises:
            AddressTaken: a listener's or the admin server's address cannot be listened on.
        """
        with contextlib.ExitStack() as bound:
            prepared = self._serving.prepare(self._config)
            with contextlib.ExitStack() as undo:
                undo.callback(prepared.listeners.discard)
                admin = AdminSite(self._config.admin.listen, bound)
                undo.pop_all()
            bound.callback(self._serving.close)
            watch_signals(self.stop, self._reloader.ask)
            admin.start(
                Facts(
                    MetricsCollector(self._metrics, self._gauges).scrape,
                    self._not_ready,
                    self._explainer.explain,
                    self._reloader.reload,
                    lambda: self._config.admin.token,
                )
            )
            await self._serving.commit(prepared)
            self._health.commit(self._health.prepare(self._config))
            bound.callback(self._health.stop)
            self._tell(admin.url)
            settle_garbage()
            self._reloader.start()
            await self._stop.wait()
            try:
                await self._reloader.stop()
            finally:
                clean = await self._serving.drain()
            await admin.stop()
            return 0 if clean else 1

    def stop(self) -> None:
        """Drain and end ``run``."""
        self._stop.set()

    async def _apply(self, loaded: LoadedConfig) -> None:
        prepared = await self._prepare(loaded.config)
        with contextlib.ExitStack() as undo:
            undo.callback(prepared.listeners.discard)
            monitor = self._health.prepare(loaded.config)
            if self._stop.is_set():
                raise ReloadRefused(STOPPING)
            undo.pop_all()
        before = self._urls()
        self._health.commit(monitor)
        self._config = loaded.config
        self._explainer.renew(loaded.config)
        await self._serving.commit(prepared, self._health.unhealthy)
        say_listeners(self._say, [url for url in self._urls() if url not in before], None)

    async def _prepare(self, config: Config) -> Prepared:
        """Make ready for a config in a thread; what that opens is closed where nobody waits any more."""
        preparing = asyncio.get_running_loop().run_in_executor(None, self._serving.prepare, config)
        try:
            return await asyncio.shield(preparing)
        except asyncio.CancelledError:
            preparing.add_done_callback(_discard)
            raise

    def _urls(self) -> Sequence[str]:
        return [listener.url for listener in self._serving.listeners]

    def _tell(self, admin_url: str | None) -> None:
        urls = self._urls()
        say_listeners(self._say, urls, admin_url)
        if self.on_start is not None:
            self.on_start(urls, admin_url)

    # What the admin server asks.

    def _not_ready(self) -> str | None:
        if self._serving.draining:
            return "draining"
        return find_unready(self._config.admin.ready, self._health.healthy_upstreams(self._config))

    def _gauges(self) -> Gauges:
        yield from config_gauges(self._config, self._reloader.loaded_at)
        yield from self._serving.gauges()


def watch_signals(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """Stop at SIGTERM and SIGINT, reload at SIGHUP; one that came already counts."""
    early = EarlyHangup.installed()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    if early is not None and early.came:
        reload()


def say_listeners(say: Callable[[str], None], urls: Sequence[str], admin_url: str | None) -> None:
    """Tell where clients and the operator are served."""
    for url in urls:
        say(f"listening on {url}")
    if admin_url is not None:
        say(f"admin on {admin_url}")


def _discard(preparing: "asyncio.Future[Prepared]") -> None:
    if not preparing.cancelled() and preparing.exception() is None:
        preparing.result().listeners.discard()
