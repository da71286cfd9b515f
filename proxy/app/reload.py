"""Reading a config again: asked for by a signal, a changed file or the admin server, one at a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from proxy.admin.facts import Reloaded
from proxy.app.watch import POLL_SECONDS, file_states, watch_files
from proxy.config.load import LoadedConfig
from proxy.config.problem import ConfigError
from proxy.config.schema import Config
from proxy.observability.metrics import Metrics, ReloadOutcome

_LOG = logging.getLogger(__name__)

#: When files begin to be watched, after the start, seconds.
_WATCH_AFTER_SECONDS = 0.5
#: Why a reload is refused once the proxy is told to stop.
STOPPING = "the proxy is stopping"


class ReloadRefused(Exception):
    """A config that cannot be used, though it is well formed; the text says why."""


class Reloader:
    """Reads the config again and hands it to ``apply``, which raises ReloadRefused or OSError."""

    def __init__(
        self,
        running: LoadedConfig,
        read: Callable[[], LoadedConfig] | None,
        apply: Callable[[LoadedConfig], Awaitable[None]],
        metrics: Metrics,
    ) -> None:
        """Without ``read`` there is nothing to be read again, and every reload is refused."""
        self._started_with = running.config
        self._read = read
        self._apply = apply
        self._metrics = metrics
        self._seen = file_states(running.files)
        self._lock = asyncio.Lock()
        self._asked = asyncio.Event()
        self._rewatch = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._running: asyncio.Task[Reloaded] | None = None
        self._stopping = asyncio.Event()
        self.loaded_at = time.time()

    def start(self) -> None:
        """Reload when asked to, and when a file changed, from now on."""
        self._tasks.append(asyncio.create_task(self._reload_when_asked()))
        if self._read is not None:
            self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """Reload no more: one that runs is refused, and so are those that are asked for later."""
        self._stopping.set()
        tasks: list[asyncio.Task[Any]] = [*self._tasks]
        if self._running is not None:
            tasks.append(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ask(self) -> None:
        """Reload soon; asked several times before it begins, it is done once."""
        self._asked.set()

    async def reload(self) -> Reloaded:
        """Read the config and go over to it; a bad one changes nothing, and the log says why."""
        async with self._lock:
            return await self._reload()

    async def _reload(self) -> Reloaded:
        self._asked.clear()
        done = await self._try()
        self._metrics.observe_reload(ReloadOutcome.REFUSED if done.errors else ReloadOutcome.APPLIED)
        self._rewatch.set()
        return done

    async def _try(self) -> Reloaded:
        """Reload, unless the proxy is stopping, or stops meanwhile."""
        if self._stopping.is_set():
            return _refuse([STOPPING])
        self._running = asyncio.create_task(self._read_and_apply())
        try:
            return await self._running
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return _refuse([STOPPING])
        except Exception as error:
            # The last resort: whoever asks next may have more luck.
            _LOG.exception("a reload failed")
            return _refuse([f"the reload failed: {type(error).__name__}: {error}"])
        finally:
            self._running = None

    async def _read_and_apply(self) -> Reloaded:
        if self._read is None:
            return _refuse(["there is no config file to read again"])
        # Before they are read: what changes meanwhile is to be seen.
        self._seen = file_states(self._seen)
        try:
            loaded = await asyncio.to_thread(self._read)
            await self._apply(loaded)
        except ConfigError as error:
            # A file that is missing may be what comes next.
            self._see(self._seen.keys() | error.files)
            return _refuse([str(problem) for problem in error.problems])
        except (ReloadRefused, OSError) as error:
            return _refuse([str(error)])
        self._see(loaded.files)
        self.loaded_at = time.time()
        restart = list(_changes_for_restart(self._started_with, loaded.config))
        _LOG.info("the config was read again and is in use: %s", loaded.file)
        for change in restart:
            _LOG.warning("%s", change)
        return Reloaded(restart=restart)

    async def _reload_when_asked(self) -> None:
        while not self._stopping.is_set():
            await self._asked.wait()
            _ = await self.reload()

    async def _watch(self) -> None:
        # The first requests would wait for what watches. A change that comes before it is seen by it.
        await asyncio.sleep(_WATCH_AFTER_SECONDS)
        while not self._stopping.is_set():
            self._rewatch.clear()
            try:
                await watch_files(self._seen, self._rewatch)
            except Exception:
                # The last resort: what fails now may not fail later.
                _LOG.exception("files are not watched for %g s", POLL_SECONDS)
                await asyncio.sleep(POLL_SECONDS)
            async with self._lock:
                # Unless somebody asked for it at the same time.
                if file_states(self._seen) != self._seen:
                    _ = await self._reload()

    def _see(self, files: Iterable[Path]) -> None:
        """Watch these files; those that were not watched before as they are now."""
        self._seen = {path: self._seen.get(path, now) for path, now in file_states(files).items()}


def _refuse(errors: Sequence[str]) -> Reloaded:
    _LOG.error("the config is refused, and the running one stays:\n%s", "\n".join(errors))
    return Reloaded(errors)


def _changes_for_restart(started: Config, read: Config) -> Sequence[str]:
    changes = []
    for key, before, now in (
        ("workers", started.workers, read.workers),
        ("admin.listen", started.admin.listen, read.admin.listen),
    ):
        if before != now:
            changes.append(f"{key} is {now} in the file and {before} here: restart to change it")
    return changes
