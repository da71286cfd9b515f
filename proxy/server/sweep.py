"""The sweep over every deadline of a worker: a coroutine, and so by itself (see ``connecting``)."""

import asyncio
from typing import Final

from proxy.server.clock import clock
from proxy.server.data_plane import DataPlane

#: How often each deadline is looked at, seconds: no timeout is finer.
SWEEP_SECONDS: Final = 0.25
#: In at most how many parts a sweep comes, evenly: no more than there are connections, so that a
#: process that has nothing to do hardly wakes.
SWEEP_PARTS: Final = 10
#: In at most how many steps the connections of a part that are late are ended, evenly too: requests
#: are served between them, and clients that were ended together would come back together.
STEPS: Final = 25


async def sweep_forever(plane: DataPlane) -> None:
    """Look at every deadline, again and again, until cancelled."""
    while True:
        connections = list(plane.connections)
        parts = min(len(connections), SWEEP_PARTS) or 1
        for part in range(parts):
            late = plane.late(connections[part::parts], clock())
            steps = min(len(late), STEPS) or 1
            for step in range(steps):
                plane.expire(late[step::steps], clock())
                await _pause(plane, SWEEP_SECONDS / parts / steps)
        plane.sweep_upstreams(clock())


async def _pause(plane: DataPlane, seconds: float) -> None:
    due = clock() + seconds
    await asyncio.sleep(seconds)
    if plane.observe_lag is not None:
        # A timer is as fine as a millisecond, and may come that much early.
        plane.observe_lag(max(0.0, clock() - due))
