"""Names that move while connections are open: a coroutine, and so by itself (see ``connecting``).

Under steady traffic a pooled connection never ends by itself, wherever its name leads by now.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final

from proxy.server.data_plane import DataPlane
from proxy.server.pool import Upstream
from proxy.server.target import TargetPool

#: How often names are looked up that have connections, seconds.
LOOK_SECONDS: Final = 10.0


async def follow_moves(plane: DataPlane) -> None:
    """Close connections to addresses that their names have no more, again and again, until cancelled."""
    looks: dict[TargetPool, asyncio.Task[None]] = {}
    try:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for upstream in plane.upstreams.values():
                # One that has no answer yet holds up no other.
                for target in [each for each in upstream.connected if each not in looks]:
                    looks[target] = look = asyncio.create_task(_look(upstream, target))
                    look.add_done_callback(partial(_forget, looks, target))
    finally:
        for look in looks.values():
            look.cancel()


def _forget(looks: "dict[TargetPool, asyncio.Task[None]]", target: TargetPool, _: object) -> None:
    del looks[target]


async def _look(upstream: Upstream, target: TargetPool) -> None:
    # What does not resolve now may do so again: its connections are the best there is.
    with suppress(OSError):
        hosts = await upstream.connector.hosts(target.address)
        if hosts is not None:
            upstream.retire(target, hosts)
