"""Serving by a config file, in one process or in several."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import uvloop

from proxy.app.application import Application
from proxy.config.load import LoadedConfig, load_config


def serve(path: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Run the proxy with the config at ``path``; return the exit status.

    Raises:
        ConfigError: the config has errors.
        AddressTaken: an address cannot be listened on.
        WorkersFailed: there are to be several workers, and they do not start.
    """

    def read() -> LoadedConfig:
        return load_config(path, environ)

    loaded = read()
    workers = loaded.config.worker_count

    async def main() -> int:
        if workers == 1:
            return await Application(loaded, say, read).run()
        # Imported here: one process does without it.
        from proxy.app.group.supervisor import Supervisor

        return await Supervisor(loaded, workers, environ, say, read).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
