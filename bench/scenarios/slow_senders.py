"""Clients that hardly send are cut off, and nobody else notices."""

import asyncio
import json
import os
import sys
from collections import Counter
from statistics import median
from time import perf_counter as clock

from bench.client import Connection, Lost, get, head_of_post
from bench.report import Report, milliseconds, percentile
from bench.rig import Rig

#: The limits of the proxy, seconds.
HEAD_SECONDS, BODY_SECONDS = 1, 1
LIMITS = f"limits: {{header_timeout: {HEAD_SECONDS}s, body_timeout: {BODY_SECONDS}s}}"
#: How often a byte of a head is sent, and of a body, seconds: a body is held to the wait for its next part.
HEAD_STEP, BODY_STEP = 0.1, 1.8
CLIENTS = 16
#: How long a client of the normal traffic thinks, seconds.
THINKING = 0.02
#: What the senders' process has to start, and each of them to begin, seconds.
START_SECONDS = 2


async def slow_senders(
    rig: Rig, report: Report, *, senders: int = 200, seconds: float = 6, rounds: int = 3
) -> None:
    """Slow senders of heads and bodies get a 408, again and again, while normal traffic goes on.

    It is timed alone, beside slow senders that another proxy has, which is what the machine makes of
    them, and beside its own; in turn.
    """
    await rig.start_origin()
    await rig.start_proxy(more=LIMITS)
    another = rig.port
    await rig.start_proxy(more=LIMITS)
    _ = await normal_traffic(rig.port, 1)
    took: dict[str, list[list[float]]] = {}
    ends: Counter[str] = Counter()
    lost = 0
    for _ in range(rounds):
        for when, at in (("alone", None), ("beside another's", another), ("beside them", rig.port)):
            # In a process of their own: their work would be measured, not what the proxy makes of it.
            others = at and await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __name__, str(at), str(senders), str(START_SECONDS + seconds)),
                stdout=asyncio.subprocess.PIPE,
            )
            await asyncio.sleep(START_SECONDS)
            asked, missed = await normal_traffic(rig.port, seconds)
            took.setdefault(when, []).append(asked)
            lost += missed
            if others:
                told, _ = await others.communicate()
                ends.update(json.loads(told) if at == rig.port else {})
    report.note("slow senders", senders)
    for end, count in sorted(ends.items()):
        report.note(end, count)
    report.note("normal requests", sum(len(asked) for all_asked in took.values() for asked in all_asked))
    report.note("lost", lost)
    for when, all_asked in took.items():
        for percent in (50, 99):
            middle = median(percentile(asked, percent) for asked in all_asked)
            report.note(f"p{percent} {when}", milliseconds(middle))
    report.require(lost == 0, f"{lost} normal requests were lost")
    report.require(sum(ends.values()) >= senders, "not every slow sender was cut off")
    wrong = set(ends) - {"408 amid a head", "408 amid a body"}
    report.require(not wrong, f"slow senders met {', '.join(sorted(wrong))}")


async def normal_traffic(port: int, seconds: float) -> tuple[list[float], int]:
    """Ask for so long; return the seconds of each request, and how many did not get their answer."""
    until = clock() + seconds
    took: list[float] = []
    lost = 0

    async def ask(client: int) -> None:
        nonlocal lost
        connection = await Connection.open(port)
        number = 0
        while clock() < until:
            number += 1
            name = f"{client}-{number}"
            began = clock()
            try:
                answer = await connection.ask(get(f"/echo/{name}"))
            except Lost:
                lost += 1
                connection = await Connection.open(port)
                continue
            took.append(clock() - began)
            lost += not answer.echoes(name)
            await asyncio.sleep(THINKING)
        connection.close()

    await asyncio.gather(*map(ask, range(CLIENTS)))
    return took, lost


async def send_all_slowly(port: int, senders: int, seconds: float) -> Counter[str]:
    """Send slowly from so many clients; return how often their requests ended in which way."""
    ends: Counter[str] = Counter()
    until = clock() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(senders):
            # Not in step with each other: their bursts would be measured, not their slowness.
            _ = group.create_task(send_slowly(port, number / senders, until, ends, body=bool(number % 2)))
    return ends


async def send_slowly(port: int, delay: float, until: float, ends: Counter[str], *, body: bool) -> None:
    """After a delay, begin requests and hardly go on with them; count how each ended."""
    part = "body" if body else "head"
    await asyncio.sleep(delay)
    while clock() < until:
        connection = await Connection.open(port)
        answer = connection.expect()
        if body:
            connection.write(head_of_post("/echo/slow", 1_000))
            trickle(connection, bytes(1_000), BODY_STEP)
        else:
            trickle(connection, get("/echo/slow"), HEAD_STEP)
        try:
            got = await answer
        except Lost:
            ends[f"no answer amid a {part}"] += 1
            continue
        right = got.status == 408 and got.error == "request_timeout"
        ends[f"{got.status} amid a {part}" if right else f"a wrong {got.status} amid a {part}"] += 1
        await connection.ended.wait()


def trickle(connection: Connection, data: bytes, step: float) -> None:
    """Send a byte now, and another one after every step while the connection lasts."""
    if data and not connection.ended.is_set():
        connection.write(data[:1])
        asyncio.get_running_loop().call_later(step, trickle, connection, data[1:], step)


if __name__ == "__main__":
    # They stand for other machines: they get what processor time nobody here wants.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    print(json.dumps(asyncio.run(send_all_slowly(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
