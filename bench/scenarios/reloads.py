"""A proxy that goes over to new configs under load, and then stops, fails nobody."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from bench.report import Report
from bench.rig import RELOADED, Rig
from bench.scenarios.drain import ask_until_gone

#: How long the load goes on before, between and behind the signals, seconds.
LOAD_SECONDS = 0.3


async def reloads(
    rig: Rig, report: Report, *, groups: Sequence[int] = (1, 2), hang_ups: int = 10, clients: int = 64
) -> None:
    """SIGHUP with a changed file, time and again, and SIGTERM at the end lose no request.

    ``groups`` are numbers of workers. What is sent on an idle connection as it closes is counted by
    itself, as in ``drain``.
    """
    await rig.start_origin()
    for workers in groups:
        ends: Counter[str] = Counter()
        before = rig.log.count(RELOADED)
        await rig.start_proxy(more=settings(workers, 0))
        asking = [asyncio.create_task(ask_until_gone(rig.port, each, ends)) for each in range(clients)]
        for revision in range(1, hang_ups + 1):
            await asyncio.sleep(LOAD_SECONDS)
            await rig.reload_proxy(more=settings(workers, revision))
        await asyncio.sleep(LOAD_SECONDS)
        status = await rig.stop_proxy()
        await asyncio.gather(*asking)
        failed = {end: count for end, count in ends.items() if end not in ("answered", "last", "idle")}
        report.note("workers", workers)
        report.note("SIGHUPs", hang_ups)
        report.note("reloads", rig.log.count(RELOADED) - before)
        report.note("answered", ends["answered"] + ends["last"])
        report.note("sent on an idle connection as it closed", ends["idle"])
        report.note("failed", sum(failed.values()))
        report.require(not failed, ", ".join(f"{count} {end}" for end, count in failed.items()))
        report.require(status == 0, f"exit status {status}")


def settings(workers: int, revision: int) -> str:
    """Return sections of which each revision has other ones."""
    return f"workers: {workers}\ndrain_timeout: 10s\nlimits: {{keepalive_timeout: {75 + revision}s}}"
