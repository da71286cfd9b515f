"""A POST never meets a connection that the origin has just given up."""

import asyncio
from collections import Counter

from bench.client import Connection, Lost, post
from bench.report import Report
from bench.rig import Rig

POST_BYTES = 500


async def pauses(
    rig: Rig,
    report: Report,
    *,
    clients: int = 200,
    cases: tuple[tuple[float, tuple[float, ...]], ...] = (
        (1.0, (1.3, 1.3, 1.3)),
        (2.4, (1.8, 1.95, 2.05, 2.2, 2.4, 2.5)),
    ),
) -> None:
    """After pauses around what the origin keeps a connection, every POST is answered."""
    report.note("POSTs at a time", clients)
    for keep_alive, lengths in cases:
        await rig.start_origin("--keep-alive", str(keep_alive))
        await rig.start_proxy(upstream="pool: {idle_timeout: 10s}")
        ends = await ask_after(rig.port, clients, lengths)
        await rig.stop_proxy()
        await rig.kill_origin()
        report.note(
            f"origin's keep-alive {keep_alive:g} s, pauses {' '.join(map(str, lengths))} s",
            " + ".join(f"{count} {end}" for end, count in sorted(ends.items())),
        )
        report.require(set(ends) == {"answered"}, f"POSTs failed with a keep-alive of {keep_alive:g} s")


async def ask_after(port: int, count: int, lengths: tuple[float, ...]) -> Counter[str]:
    """POST on all connections at once, before and after each pause; return how that ended."""
    clients = await asyncio.gather(*[Connection.open(port) for _ in range(count)])
    ends: Counter[str] = Counter()
    for turn, length in enumerate((0, *lengths)):
        await asyncio.sleep(length)
        ends.update(
            await asyncio.gather(*[ask(client, f"{turn}-{number}") for number, client in enumerate(clients)])
        )
    for client in clients:
        client.close()
    return ends


async def ask(client: Connection, name: str) -> str:
    """POST; return how that ended."""
    try:
        answer = await client.ask(post(f"/echo/{name}", POST_BYTES))
    except Lost:
        return "lost"
    return "answered" if answer.echoes(name, POST_BYTES) else f"{answer.status} {answer.error}"
