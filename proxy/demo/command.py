"""``traceward demo``: the sample API behind the proxy, with lines to paste."""

import asyncio
import os
from collections.abc import Callable

from proxy.app.application import Application
from proxy.config.addresses import Scheme, Target, TcpAddress
from proxy.config.listen import Listen
from proxy.config.load import LoadedConfig, load_config
from proxy.config.schema import DEFAULT
from proxy.config.upstream import Upstream
from proxy.demo import config_file
from proxy.demo.curl_lines import describe
from proxy.demo.sample_api import start_sample_api

_HOST = "127.0.0.1"


def run_demo(port: int, admin_port: int, say: Callable[[str], None]) -> int:
    """Run the demo until a signal says to stop; return the exit status.

    Raises:
        AddressTaken: one of the ports is taken.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_demo(port, admin_port, say))


async def _demo(port: int, admin_port: int, say: Callable[[str], None]) -> int:
    api, api_port = await start_sample_api(_HOST)
    try:
        application = Application(_load(port, admin_port, api_port), say)
        application.on_start = lambda urls, admin_url: say("\n" + describe(urls[0], admin_url or ""))
        return await application.run()
    finally:
        await api.cleanup()


def _load(port: int, admin_port: int, api_port: int) -> LoadedConfig:
    """Return the demo's config with the ports in use in place of its own."""
    loaded = load_config(config_file(), os.environ)
    config = loaded.config
    target = Target(Scheme.HTTP, TcpAddress(_HOST, api_port))
    changed = config.model_copy(
        update={
            "listen": (Listen(address=TcpAddress(_HOST, port)),),
            "upstreams": {DEFAULT: Upstream(targets=(target,))},
            "admin": config.admin.model_copy(update={"listen": TcpAddress(_HOST, admin_port)}),
        }
    )
    return LoadedConfig(changed, loaded.file, loaded.folder, loaded.document, loaded.files)
