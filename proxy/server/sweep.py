"""The sweep over every deadline of a worker: a coroutine, and so by itself (see ``connecting``)."""

import asyncio
from typing import Final

from proxy.server.clock import clock
from proxy.server.data_plane import DataPlane

#: How often each deadline is looked at, seconds: no timeout is finer.
SWEEP_SECONDS: Final = 0.25
#: In how many parts a sweep comes, evenly: what ended in step with each other comes back in step.
SWEEP_PARTS: Final = 10


async def sweep_forever(plane: DataPlane) -> None:
    """Look at every deadline, again and again, until cancelled."""
    while True:
        connections = list(plane.connections)
        size = len(connections) // SWEEP_PARTS + 1
        for start in range(0, size * SWEEP_PARTS, size):
            due = clock() + SWEEP_SECONDS / SWEEP_PARTS
            await asyncio.sleep(SWEEP_SECONDS / SWEEP_PARTS)
            now = clock()
            if plane.observe_lag is not None:
                # A timer is as fine as a millisecond, and may come that much early.
                plane.observe_lag(max(0.0, now - due))
            for _ in plane.expire(connections[start : start + size], now):
                await asyncio.sleep(0)
        plane.sweep_upstreams(clock())
