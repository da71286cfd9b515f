"""The health checks of the config in use, by the one process that runs them for all."""

import asyncio
from collections.abc import Collection, Mapping

from proxy.config.schema import Config
from proxy.server.health import HealthMonitor, OnChange


class HealthChecks:
    """A monitor, and the next one when the config changes: it goes on with what the last one found."""

    _task: asyncio.Task[None] | None

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._monitor = HealthMonitor({}, on_change)
        self._task = None

    def prepare(self, config: Config) -> HealthMonitor:
        """Return a monitor for another config; nothing changes yet.

        Raises:
            OSError: a file that TLS is made of does not load any more.
        """
        return HealthMonitor(config.upstreams, self._on_change, self.unhealthy)

    def commit(self, monitor: HealthMonitor) -> None:
        """Check by this monitor from now on."""
        self.stop()
        self._monitor = monitor
        self._task = asyncio.get_running_loop().create_task(monitor.run())

    def stop(self) -> None:
        """Check no more."""
        if self._task is not None:
            self._task.cancel()

    @property
    def unhealthy(self) -> Collection[tuple[str, str]]:
        """The upstream and target of all that are unhealthy now."""
        return self._monitor.unhealthy

    def healthy_upstreams(self, config: Config) -> Mapping[str, bool]:
        """Tell of each upstream whether it has a healthy target."""
        unhealthy = set(self.unhealthy)
        return {
            name: any((name, str(target)) not in unhealthy for target in settings.targets)
            for name, settings in config.upstreams.items()
        }
