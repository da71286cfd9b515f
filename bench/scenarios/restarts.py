"""An origin that is killed and started again under load takes down only what is in flight on it."""

import asyncio
from collections import Counter
from time import perf_counter as clock
from typing import NamedTuple

from bench.bodies import Tally
from bench.client import Answer, Connection, Lost, get, post
from bench.report import Report, milliseconds, percentile
from bench.rig import Rig

#: How long a client thinks behind an error, seconds: while the origin is down they come at once.
THINKING = 0.01
LARGE, LARGE_PACE, POST_BYTES = 500_000, 2_000_000, 20_000
IN_FLIGHT_ERRORS = frozenset({"upstream_connect", "upstream_reset"})


class Outcome(NamedTuple):
    """How one request ended, between two times."""

    began: float
    ended: float
    end: str


class Down(NamedTuple):
    """When the origin was told to die, was dead, began to start, and was there again."""

    killed: float
    gone: float
    starting: float
    back: float

    def met(self, outcome: Outcome) -> bool:
        """Whether the origin was not there at some time of the request."""
        return outcome.began < self.back and outcome.ended > self.killed

    def covered(self, outcome: Outcome) -> bool:
        """Whether the origin was dead at all times of the request."""
        return outcome.began > self.gone and outcome.ended < self.starting


async def restarts(
    rig: Rig, report: Report, *, kills: int = 5, clients: int = 64, up: float = 0.8, down: float = 0.6
) -> None:
    """Only requests in flight fail, each seen to fail; at once while it is down, none once it is back."""
    await rig.start_origin()
    await rig.start_proxy()
    outcomes: list[Outcome] = []
    stop = asyncio.Event()
    asking = [asyncio.create_task(ask_forever(rig.port, each, stop, outcomes)) for each in range(clients)]
    downs = [await kill_and_start(rig, up, down) for _ in range(kills)]
    await asyncio.sleep(up)
    stop.set()
    await asyncio.gather(*asking)

    aside: Counter[str] = Counter()
    in_flight: Counter[str] = Counter()
    while_down: Counter[str] = Counter()
    waits = []
    for outcome in outcomes:
        if not any(each.met(outcome) for each in downs):
            aside[outcome.end] += 1
        elif any(each.covered(outcome) for each in downs):
            while_down[outcome.end] += 1
            waits.append(outcome.ended - outcome.began)
        else:
            in_flight[outcome.end] += 1
    report.note("kills", kills)
    report.note("while it is up", describe(aside))
    report.note("over a kill or a start", describe(in_flight))
    report.note("while it is down", describe(while_down))
    report.note("p99 of these", milliseconds(percentile(waits, 99)))
    report.require(set(aside) == {"answered"}, "a request failed that no kill met")
    clean = set(in_flight) <= {"answered", "502", "cut off"}
    report.require(clean, "a request in flight did not fail cleanly")
    report.require(set(while_down) == {"502"}, "a request to a dead origin did not get a 502")


async def kill_and_start(rig: Rig, up: float, down: float) -> Down:
    """Leave the origin up for a while and then down for a while; return the times."""
    await asyncio.sleep(up)
    killed = clock()
    await rig.kill_origin()
    gone = clock()
    await asyncio.sleep(down)
    starting = clock()
    await rig.start_origin()
    return Down(killed, gone, starting, clock())


async def ask_forever(port: int, client: int, stop: asyncio.Event, outcomes: list[Outcome]) -> None:
    """Ask for small and large things until told to stop."""
    connection = await Connection.open(port)
    number = 0
    while not stop.is_set():
        number += 1
        name = f"{client}-{number}"
        if connection.ended.is_set():
            connection = await Connection.open(port)
        began = clock()
        end = await ask(connection, name, (client + number) % 4)
        outcomes.append(Outcome(began, clock(), end))
        if end != "answered":
            await asyncio.sleep(THINKING)
    connection.close()


async def ask(connection: Connection, name: str, kind: int) -> str:
    """Ask for one of four things; return how that ended."""
    tally = Tally()
    try:
        match kind:
            case 0:
                answer = await connection.ask(post(f"/echo/{name}", POST_BYTES))
                return "answered" if answer.echoes(name, POST_BYTES) else failure(answer)
            case 1:
                chunked = "&chunked=1" if name.endswith(("1", "3", "5")) else ""
                request = get(f"/bytes/{LARGE}/{name}?pace={LARGE_PACE}{chunked}")
                answer = await connection.ask(request, tally=tally)
                if answer.status == 200:
                    return "answered" if tally.holds(LARGE) else "half an answer that looked whole"
                return "502" if answer.status == 502 else f"a wrong {answer.status}"
            case 2:
                answer = await connection.ask(get(f"/echo/{name}?delay=0.05"))
            case _:
                answer = await connection.ask(get(f"/echo/{name}"))
    except Lost:
        return "cut off"
    return "answered" if answer.echoes(name) else failure(answer)


def failure(answer: Answer) -> str:
    """Name an answer that is not the one to the request."""
    if answer.status == 502 and answer.error in IN_FLIGHT_ERRORS:
        return "502"
    return f"a wrong {answer.status}"


def describe(ends: Counter[str]) -> str:
    """Return how often each end was met."""
    return " + ".join(f"{count} {end}" for end, count in sorted(ends.items())) or "none"
