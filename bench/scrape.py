"""What a scrape does to the loop that serves: ``python -m bench.scrape``.

The metrics of 1,000 rules, each with every series that requests give it, behind an admin server. A
ticker on the loop is due every millisecond: printed is the longest that it ever waited from one turn
to the next, for as long without a scrape as with one, and the longest that this process computed in
between: on a machine that others use too, the rest is theirs. Medians of several scrapes.
"""

import asyncio
import gc
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter, thread_time
from typing import NamedTuple

import uvloop
from aiohttp import web

from proxy.admin.app import make_app
from proxy.admin.facts import Facts, Reloaded
from proxy.config.addresses import TcpAddress
from proxy.explain import Explanation, Question
from proxy.observability import catalog
from proxy.observability.metrics import Metrics, MetricsCollector
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.record import ExchangeRecord

RULES = 1_000
SCRAPES = 9
TICK = 0.001
#: What requests of a rule end as: traced by rate or by their parent, or not.
ENDS = [
    TraceDecision(Decision.SAMPLED, Reason.RATE, Context.STARTED),
    TraceDecision(Decision.NOT_SAMPLED, Reason.RATE, Context.NONE),
    TraceDecision(Decision.SAMPLED, Reason.PARENT, Context.FORWARDED),
]
STATUSES = (200, 304, 404, 502)
#: Scrapes once for every line that it reads, and says how many bytes came.
SCRAPER = """
import sys, urllib.request
print(flush=True)
for url in sys.stdin:
    request = urllib.request.Request(url.strip(), headers={"Accept": "application/openmetrics-text"})
    print(len(urllib.request.urlopen(request).read()), flush=True)
"""


class Pause(NamedTuple):
    """The longest time between two turns of a loop, and the longest computed in between, seconds."""

    waited: float
    computed: float


def count() -> Metrics:
    """Return metrics with every series of every rule."""
    metrics = Metrics()
    for number in range(RULES):
        for trace in ENDS:
            for status in STATUSES:
                metrics.observe(make_record(f"rule-{number}", trace, status))
    return metrics


def make_record(rule: str, trace: TraceDecision, status: int) -> ExchangeRecord:
    """Return the record of an ordinary request."""
    record = ExchangeRecord(0.0, "192.0.2.1")
    record.rule, record.trace, record.status = rule, trace, status
    record.matched = True
    record.upstream, record.target = "default", "http://127.0.0.1:9000"
    record.duration, record.upstream_seconds = 0.03, 0.029
    record.overhead, record.decision_seconds = 0.000045, 0.000011
    record.header_bytes = 90
    return record


@asynccontextmanager
async def serve(metrics: Metrics) -> AsyncIterator[str]:
    """Serve the metrics; give their URL."""
    rates: Mapping[tuple[str, ...], float] = {(f"rule-{number}",): 10.0 for number in range(RULES)}
    collector = MetricsCollector(metrics, lambda: [(catalog.SAMPLE_RATE, rates)])
    facts = Facts(collector.scrape, lambda: None, explain_nothing, reload_nothing, lambda: None)
    runner = web.AppRunner(make_app(facts, TcpAddress("127.0.0.1", 0)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}/metrics".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


async def explain_nothing(question: Question) -> Explanation:
    """Nobody asks here."""
    raise ValueError(question.url)


async def reload_nothing() -> Reloaded:
    """Nobody asks for it."""
    return Reloaded()


async def longest_pause(work: Awaitable[object]) -> Pause:
    """Return the longest pause of the loop while something is done."""
    task = asyncio.ensure_future(work)
    waited = computed = 0.0
    before, spent_before = perf_counter(), thread_time()
    while not task.done():
        await asyncio.sleep(TICK)
        now, spent = perf_counter(), thread_time()
        waited, computed = max(waited, now - before), max(computed, spent - spent_before)
        before, spent_before = now, spent
    await task
    return Pause(waited, computed)


async def scrape(scraper: Process, url: str) -> int:
    """Have the metrics read once; return how many bytes they were."""
    assert scraper.stdin is not None
    assert scraper.stdout is not None
    scraper.stdin.write(f"{url}\n".encode())
    return int(await scraper.stdout.readline())


async def main() -> None:
    """Print the figures."""
    metrics = count()
    scraper = await asyncio.create_subprocess_exec(sys.executable, "-c", SCRAPER, stdin=PIPE, stdout=PIPE)
    assert scraper.stdout is not None
    await scraper.stdout.readline()
    gc.collect()
    gc.freeze()
    quiet, busy, took = [], [], []
    size = 0
    async with serve(metrics) as url:
        for _ in range(SCRAPES):
            started = perf_counter()
            scraping = asyncio.ensure_future(scrape(scraper, url))
            busy.append(await longest_pause(scraping))
            size = scraping.result()
            took.append(perf_counter() - started)
            quiet.append(await longest_pause(asyncio.sleep(took[-1])))
    assert scraper.stdin is not None
    scraper.stdin.close()
    await scraper.wait()
    print(f"{RULES} rules, {size / 1e6:.1f} MB, {SCRAPES} scrapes of {median(took) * 1000:.0f} ms")
    print(f"{'longest pause of the loop, ms':<30} {'median':>8} {'most':>8} {'computed':>9} {'most':>8}")
    for name, pauses in (("without a scrape", quiet), ("while scraped", busy)):
        figures = [figure for kind in zip(*pauses, strict=True) for figure in (median(kind), max(kind))]
        print("{:<30} {:>8.2f} {:>8.2f} {:>9.2f} {:>8.2f}".format(name, *(1000 * f for f in figures)))


if __name__ == "__main__":
    uvloop.run(main())
