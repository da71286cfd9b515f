"""The sweep over deadlines lets requests through while it acts on many, and tells how late it comes."""

import asyncio
import time
from itertools import pairwise
from time import perf_counter

import pytest

from proxy.server import sweep
from proxy.server.data_plane import EXPIRED_AT_ONCE
from proxy.server.sweep import sweep_forever
from tests.server.conftest import GET, Peer, Wire


async def _slow_clients(wire: Wire, count: int) -> list[Peer]:
    """Return clients who began a request."""
    clients = [await wire.connect() for _ in range(count)]
    for client in clients:
        await client.send(b"GET")
    await wire.settled(lambda: sum(not each.idle for each in wire.plane.connections) == count)
    return clients


async def test_a_sweep_acts_on_a_few_deadlines_in_each_step(wire: Wire) -> None:
    clients = await _slow_clients(wire, 2 * EXPIRED_AT_ONCE + 1)
    answered = []
    for _ in wire.plane.expire(list(wire.plane.connections), perf_counter() + 11):
        await wire.turns()
        answered.append(sum(not client.quiet for client in clients))
    await wire.turns()
    assert answered == [EXPIRED_AT_ONCE, 2 * EXPIRED_AT_ONCE]
    assert not any(client.quiet for client in clients)


async def test_a_connection_that_went_on_between_two_steps_is_left(wire: Wire) -> None:
    clients = await _slow_clients(wire, EXPIRED_AT_ONCE + 1)
    steps = wire.plane.expire(list(wire.plane.connections), perf_counter() + 11)
    next(steps)
    await wire.turns()
    (spared,) = [client for client in clients if client.quiet]
    await spared.send(GET.removeprefix(b"GET"))
    upstream = await wire.accept()
    await upstream.head()
    assert next(steps, None) is None
    await upstream.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await spared.head()).startswith(b"HTTP/1.1 204 ")


async def test_a_connection_that_ended_between_two_steps_is_left(wire: Wire) -> None:
    clients = await _slow_clients(wire, EXPIRED_AT_ONCE + 1)
    steps = wire.plane.expire(list(wire.plane.connections), perf_counter() + 11)
    next(steps)
    await wire.turns()
    (gone,) = [client for client in clients if client.quiet]
    before = len(wire.plane.connections)
    gone.reset()
    await wire.settled(lambda: len(wire.plane.connections) < before)
    assert next(steps, None) is None


async def test_every_sweep_tells_how_late_it_is(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 0.005)
    told: asyncio.Queue[float] = asyncio.Queue()
    wire.plane.observe_lag = told.put_nowait
    task = asyncio.create_task(sweep_forever(wire.plane))
    try:
        for _ in range(3):
            assert await told.get() >= 0
        while not told.empty():
            told.get_nowait()
        # Longer than the timer, so that it becomes due meanwhile.
        time.sleep(0.205)  # noqa: ASYNC251
        assert await told.get() >= 0.2
    finally:
        task.cancel()


async def test_a_sweep_comes_in_parts(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = await _slow_clients(wire, 20)
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(sweep, "clock", lambda: perf_counter() + 11)
    ended = [0]
    wire.plane.observe_lag = lambda _: ended.append(
        20 - sum(not each.idle for each in wire.plane.connections)
    )
    task = asyncio.create_task(sweep_forever(wire.plane))
    await wire.settled(lambda: all(not client.quiet for client in clients))
    task.cancel()
    assert max(after - before for before, after in pairwise(ended)) <= 3
