"""Many connections at once: nothing is lost, and what they cost while they are idle."""

import asyncio
from time import perf_counter as clock

from bench.client import Connection, Lost, get, post
from bench.report import Report, milliseconds, percentile
from bench.rig import Rig, cpu_seconds, resident

#: Every so many requests one has a body, of so many bytes.
POST_EVERY, POST_BYTES = 10, 1_000
#: How many connect at a time.
CONNECTING = 50
MOST_IDLE_KIB = 24


async def load(rig: Rig, report: Report, *, connections: int = 1_000, requests: int = 100_000) -> None:
    """Every request of many connections is answered, with the answer to that very request."""
    await rig.start_origin()
    await rig.start_proxy()
    clients = await connect(rig.port, connections)
    numbers = iter(range(requests))
    first: list[float] = []  # of each connection, when an upstream's has to be made too
    seconds: list[float] = []
    lost = wrong = 0

    async def ask_on(connection: Connection) -> None:
        nonlocal lost, wrong
        for number in numbers:
            size = 0 if number % POST_EVERY else POST_BYTES
            path = f"/echo/{number}"
            times = seconds if connection.answers else first
            began = clock()
            try:
                answer = await connection.ask(post(path, size) if size else get(path))
            except Lost:
                lost += 1
                return
            times.append(clock() - began)
            wrong += not answer.echoes(str(number), size)

    cpu, began = cpu_seconds(rig.proxy.pid), clock()
    await asyncio.gather(*map(ask_on, clients))
    took = clock() - began
    report.note("connections", connections)
    report.note("requests", requests)
    report.note("lost", lost)
    report.note("wrong", wrong)
    answered = len(first) + len(seconds)
    report.note("requests/s", round(answered / took))
    report.note("p50", milliseconds(percentile(seconds, 50)))
    report.note("p99", milliseconds(percentile(seconds, 99)))
    report.note("p99 of first requests", milliseconds(percentile(first, 99)))
    report.note("proxy's CPU", f"{(cpu_seconds(rig.proxy.pid) - cpu) / requests * 1e6:.0f} us/request")
    report.require(answered == requests, f"{requests - answered} requests were not answered")
    report.require(wrong == 0, f"{wrong} answers were not those to their requests")
    unasked = sum(client.unasked for client in clients)
    report.require(unasked == 0, f"{unasked} bytes came that nobody asked for")


async def idle(rig: Rig, report: Report, *, connections: int = 2_000) -> None:
    """Idle connections cost little memory, and are served when they ask again."""
    await rig.start_origin()
    await rig.start_proxy()
    pid = rig.proxy.pid
    for client in await connect(rig.port, CONNECTING):
        await client.ask(get("/echo/warm"))
        client.close()
    before = resident(pid)
    clients = await connect(rig.port, connections)
    wrong = await ask_all(clients)
    each = (resident(pid) - before) / connections / 1024
    wrong += await ask_all(clients)
    report.note("connections", connections)
    report.note("each", f"{each:.1f} KiB")
    report.note("wrong", wrong)
    report.require(each < MOST_IDLE_KIB, f"an idle connection costs {each:.1f} KiB")
    report.require(wrong == 0, f"{wrong} requests were not answered")


async def connect(port: int, count: int) -> list[Connection]:
    """Return so many connections."""
    found: list[Connection] = []
    while len(found) < count:
        several = min(CONNECTING, count - len(found))
        found += await asyncio.gather(*[Connection.open(port) for _ in range(several)])
    return found


async def ask_all(clients: list[Connection]) -> int:
    """Ask on every connection, a few at a time; return how many did not get their answer."""
    wrong = 0
    numbers = iter(range(len(clients)))

    async def ask_some() -> None:
        nonlocal wrong
        for number in numbers:
            try:
                answer = await clients[number].ask(get(f"/echo/{number}"))
            except Lost:
                wrong += 1
            else:
                wrong += not answer.echoes(str(number))

    await asyncio.gather(*[ask_some() for _ in range(CONNECTING)])
    return wrong
