"""The sweep over deadlines lets requests through while it acts on many, and tells how late it comes."""

import asyncio
import time
from itertools import pairwise
from time import perf_counter

import pytest

from proxy.server import sweep
from proxy.server.data_plane import DataPlane
from proxy.server.sweep import STEPS, SWEEP_PARTS, sweep_forever
from tests.server.conftest import GET, Peer, Wire


async def _slow_clients(wire: Wire, count: int) -> list[Peer]:
    """Return clients who began a request."""
    clients = [await wire.connect() for _ in range(count)]
    for client in clients:
        await client.send(b"GET")
    await wire.settled(lambda: sum(not each.idle for each in wire.plane.connections) == count)
    return clients


async def test_a_connection_that_went_on_before_its_turn_is_left(wire: Wire) -> None:
    (spared,) = await _slow_clients(wire, 1)
    late = wire.plane.late(list(wire.plane.connections), perf_counter() + 11)
    await spared.send(GET.removeprefix(b"GET"))
    upstream = await wire.accept()
    await upstream.head()
    wire.plane.expire(late, perf_counter() + 11)
    await upstream.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await spared.head()).startswith(b"HTTP/1.1 204 ")


async def test_a_connection_that_became_a_tunnel_before_its_turn_is_left(wire: Wire) -> None:
    client = await wire.connect()
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    upstream, _ = await wire.forward(client, b"GET / HTTP/1.1\r\nHost: a.test\r\n" + upgrade)
    late = wire.plane.late(list(wire.plane.connections), perf_counter() + 100)
    await upstream.send(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade)
    await client.head()
    wire.plane.expire(late, perf_counter() + 100)
    await upstream.send(b"hello")
    assert await client.exactly(5) == b"hello"


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


@pytest.mark.parametrize("count", [2, 20, SWEEP_PARTS * STEPS * 2])
async def test_a_sweep_ends_late_connections_evenly(
    count: int, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = await _slow_clients(wire, count)
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(sweep, "clock", lambda: perf_counter() + 11)
    ended = [0]
    wire.plane.observe_lag = lambda _: ended.append(
        count - sum(not each.idle for each in wire.plane.connections)
    )
    task = asyncio.create_task(sweep_forever(wire.plane))
    await wire.settled(lambda: all(not client.quiet for client in clients))
    task.cancel()
    assert max(after - before for before, after in pairwise(ended)) <= -(-count // (SWEEP_PARTS * STEPS))


async def test_a_deadline_is_acted_on_as_soon_as_it_is_seen_to_have_passed(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    (client,) = await _slow_clients(wire, 1)
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 3600)
    monkeypatch.setattr(sweep, "clock", lambda: perf_counter() + 11)
    task = asyncio.create_task(sweep_forever(wire.plane))
    assert (await client.head()).startswith(b"HTTP/1.1 408 ")
    task.cancel()


@pytest.mark.parametrize(("count", "seconds"), [(0, 0.25), (2, 0.125), (50, 0.025)])
async def test_who_has_few_connections_wakes_seldom(
    count: int, seconds: float, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ = await _slow_clients(wire, count)
    pauses: list[float] = []

    async def pause(_: DataPlane, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(sweep, "_pause", pause)
    with pytest.raises(asyncio.CancelledError):
        await sweep_forever(wire.plane)
    assert pauses == [seconds] * 3
