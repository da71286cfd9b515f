"""Names that move while connections are open: a coroutine, and so by itself (see ``connecting``).

Under steady traffic a pooled connection never ends by itself, wherever its name leads by now.
"""

import asyncio
from contextlib import suppress
from typing import Final

from proxy.server.data_plane import DataPlane
from proxy.server.pool import Upstream
from proxy.server.target import TargetPool

#: How often names are looked up that have connections, seconds.
LOOK_SECONDS: Final = 10.0


async def follow_moves(plane: DataPlane) -> None:
    """Close connections to addresses that their names have no more, again and again, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        async with asyncio.TaskGroup() as looks:
            for upstream in plane.upstreams.values():
                for target in upstream.connected:
                    _ = looks.create_task(_look(upstream, target))


async def _look(upstream: Upstream, target: TargetPool) -> None:
    # What does not resolve now may do so again: its connections are the best there is.
    with suppress(OSError):
        async with asyncio.timeout(LOOK_SECONDS):
            hosts = await upstream.connector.hosts(target.address)
            if hosts is not None:
                upstream.retire(target, hosts)
