"""A proxy that is told to stop under load answers whoever got through to it."""

import asyncio
from collections import Counter

from bench.bodies import Tally
from bench.client import Connection, Lost, get, post
from bench.report import Report
from bench.rig import Rig

#: How long the load goes on before the signal, seconds.
LOAD_SECONDS = 0.4
#: A client connects anew after so many requests.
REQUESTS_EACH = 10
POST_BYTES, LARGE = 20_000, 300_000


async def drain(rig: Rig, report: Report, *, stops: int = 10, clients: int = 64) -> None:
    """SIGTERM under a closed loop of clients that connect again and again loses no request.

    A client may send on an idle connection at the moment it is closed. That is counted by itself:
    a client knows that such a request was not served, and sends it again (RFC 9112, 9.3.1).
    """
    await rig.start_origin()
    ends: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    for _ in range(stops):
        await rig.start_proxy(more="drain_timeout: 10s")
        asking = [asyncio.create_task(ask_until_gone(rig.port, each, ends)) for each in range(clients)]
        await asyncio.sleep(LOAD_SECONDS)
        statuses[await rig.stop_proxy()] += 1
        await asyncio.gather(*asking)
    report.note("stops", stops)
    report.note("answered", ends["answered"])
    report.note("said to be the last", ends["last"])
    report.note("sent on an idle connection as it closed", ends["idle"])
    failed = {end: count for end, count in ends.items() if end not in ("answered", "last", "idle")}
    report.note("failed", sum(failed.values()))
    report.require(not failed, ", ".join(f"{count} {end}" for end, count in failed.items()))
    report.require(set(statuses) == {0}, f"exit statuses {dict(statuses)}")


async def ask_until_gone(port: int, client: int, ends: Counter[str]) -> None:
    """Ask, and connect again, until nobody listens."""
    number = 0
    while True:
        try:
            connection = await Connection.open(port)
        except ConnectionRefusedError:
            return
        except OSError as error:
            ends[f"not connected: {type(error).__name__}"] += 1
            return
        for _ in range(REQUESTS_EACH):
            number += 1
            end = await ask(connection, f"{client}-{number}", (client + number) % 8)
            ends[end] += 1
            if end != "answered":
                break
        connection.close()


async def ask(connection: Connection, name: str, kind: int) -> str:
    """Ask for one of four things; return how that ended."""
    size, tally = 0, None
    match kind:
        case 0:
            size, request = POST_BYTES, post(f"/echo/{name}", POST_BYTES)
        case 1:
            tally, request = Tally(), get(f"/bytes/{LARGE}/{name}")
        case 2:
            request = get(f"/echo/{name}?delay=0.1")
        case _:
            request = get(f"/echo/{name}")
    try:
        answer = await connection.ask(request, tally=tally)
    except Lost as lost:
        if lost.began:
            return "cut off amid the answer"
        return "idle" if lost.reused else "lost on a new connection"
    right = answer.status == 200 and tally.holds(LARGE) if tally else answer.echoes(name, size)
    if not right:
        return f"answered wrongly: {answer.status} {answer.error}"
    return "last" if answer.closes else "answered"
