"""A worker that is killed under load takes down only what is in flight on it, and comes back."""

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter as clock
from typing import NamedTuple

from bench.client import Connection, Lost, get
from bench.report import Report, milliseconds, percentile
from bench.rig import Rig


@dataclass(slots=True)
class Kill:
    """When a worker was gone, not yet before it is; and the clients whose connections that ended."""

    gone: float = float("inf")
    lost: set[int] = field(default_factory=set)


class Outcome(NamedTuple):
    """How a client's request ended, between two times; connecting for it is a part of it."""

    client: int
    began: float
    ended: float


async def worker_kills(
    rig: Rig, report: Report, *, kills: int = 4, clients: int = 64, apart: float = 2.5
) -> None:
    """Each of two workers is killed in turn: the other serves on, and nobody waits for long.

    The clients of the killed one connect again at once. The kernel gives some of them to its place,
    where they wait until it is back: the longest of these waits says how long it was away.
    """
    await rig.start_origin()
    await rig.start_proxy(more="workers: 2")
    ends: Counter[str] = Counter()
    outcomes: list[Outcome] = []
    done: list[Kill] = []
    stop = asyncio.Event()
    asking = [
        asyncio.create_task(ask_forever(rig.port, each, stop, ends, outcomes, done))
        for each in range(clients)
    ]
    for _ in range(kills):
        await asyncio.sleep(apart)
        done.append(Kill())
        await kill(rig, rig.workers[0])  # the one that was started first
        done[-1].gone = clock()
    await asyncio.sleep(apart)
    stop.set()
    await asyncio.gather(*asking)

    report.note("kills", kills)
    report.note("answered", ends["answered"])
    report.note("in flight on the killed one, cut off", ends["cut off"])
    tell_waits(report, outcomes, done, apart / 2)
    wrong = {end: count for end, count in ends.items() if end not in ("answered", "cut off")}
    report.require(not wrong, ", ".join(f"{count} {end}" for end, count in wrong.items()))
    report.require(all(each.lost for each in done), "a kill met no request: nothing was shown")
    report.require(all(len(each.lost) < clients for each in done), "a kill took the other worker's clients")
    report.require(len(rig.workers) == 2, f"there are {len(rig.workers)} workers")


def tell_waits(report: Report, outcomes: list[Outcome], done: list[Kill], around: float) -> None:
    """Note how long requests took, and those of so many seconds around the kills."""
    waits: list[float] = []
    beside: list[float] = []
    alone = [found.ended - found.began for found in outcomes if found.ended < done[0].gone - around]
    for each in done:
        behind = [found for found in outcomes if each.gone - around < found.began < each.gone + around]
        waits.append(max(found.ended - found.began for found in behind))
        beside.extend(found.ended - found.began for found in behind if found.client not in each.lost)
    report.note("p99 before", milliseconds(percentile(alone, 99)))
    report.note("p99 of the other's clients", milliseconds(percentile(beside, 99)))
    report.note("longest waits of those who came anew", " ".join(map(milliseconds, waits)))


async def kill(rig: Rig, worker: int) -> None:
    """End a worker with no chance to say goodbye; return when it is gone."""
    os.kill(worker, signal.SIGKILL)
    while worker in rig.workers:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def ask_forever(
    port: int, client: int, stop: asyncio.Event, ends: Counter[str], outcomes: list[Outcome], done: list[Kill]
) -> None:
    """Ask for small things until told to stop, on one connection for as long as it lasts."""
    connection: Connection | None = None
    number = 0
    while not stop.is_set():
        number += 1
        name = f"{client}-{number}"
        began = clock()
        try:
            connection = connection or await Connection.open(port)
            answer = await connection.ask(get(f"/echo/{name}"))
        except Lost:
            connection = None
            met = [each for each in done if began < each.gone]
            if met:
                met[-1].lost.add(client)
            ends["cut off" if met else "lost, which no kill met"] += 1
            continue
        outcomes.append(Outcome(client, began, clock()))
        ends["answered" if answer.echoes(name) else f"a wrong {answer.status}"] += 1
    if connection is not None:
        connection.close()
