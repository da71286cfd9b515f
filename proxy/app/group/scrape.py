"""One scrape of a whole group: what each worker counted, added up, and what all of them have open."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from proxy.app.group.channel import Message
from proxy.app.group.messages import read_gauges
from proxy.app.serving import Gauges
from proxy.observability.catalog import UPSTREAM_HEALTHY, Metric
from proxy.observability.exposition import Family
from proxy.observability.metrics import Metrics, MetricsCollector
from proxy.observability.shared_block import SharedBlock


class GroupCollector:
    """Gives a scrape the sums."""

    def __init__(
        self,
        own: Metrics,
        blocks: Sequence[SharedBlock],
        gauges: Callable[[], Awaitable[Gauges]],
    ) -> None:
        self._own = own
        self._blocks = blocks
        self._gauges = gauges
        self._reading = threading.Lock()

    async def scrape(self) -> Iterator[Family | None]:
        """Return the families of one scrape."""
        gauges = list(await self._gauges())
        # In a thread: the supervisor serves no requests, but it has more to do than to add up.
        total = await asyncio.to_thread(self._add_up)
        return MetricsCollector(total, lambda: gauges).families()

    def _add_up(self) -> Metrics:
        total = Metrics()
        with self._reading:
            total.add(self._own.series())
            for block in self._blocks:
                total.add(block.read())
        return total


def add_up(own: Gauges, of_workers: Iterable[Message]) -> Gauges:
    """Give the supervisor's own gauges, and the sums of those of its workers.

    A target is healthy where every worker uses it: each of them ejects for itself.
    """
    yield from own
    found = dict[Metric, dict[tuple[str, ...], list[float]]]()
    for message in of_workers:
        for metric, values in read_gauges(message):
            series = found.setdefault(metric, defaultdict(list))
            for labels, value in values.items():
                series[labels].append(value)
    for metric, series in found.items():
        combine = min if metric is UPSTREAM_HEALTHY else sum
        yield metric, {labels: combine(values) for labels, values in series.items()}
