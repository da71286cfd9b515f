"""The proxy's own spans: queued by the data plane, sent to a collector behind it.

A request pays for one copy and one append. Every span that was offered ends as exactly one of
``exported``, ``dropped`` (the queue was full) and ``failed`` (the collector refused it, or was not
there for too long); none is counted before that.
"""

import asyncio
import gzip
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from proxy.observability.collector import Answer, Refused, Taken, Unavailable
from proxy.observability.entry import Entry
from proxy.observability.metrics import SpanOutcome
from proxy.observability.otlp import Batch
from proxy.repeats import Repeats

_LOG = logging.getLogger(__name__)

#: How many spans make a request, and how long fewer wait for more, seconds.
MOST_IN_BATCH = 256
PERIOD = 1.0
#: How many spans are encoded before the loop turns: some 0.4 ms.
_SLICE = 32
#: The longest that a collector may have us wait, seconds.
_MOST_RETRY_AFTER = 300.0
#: How long the end waits for the spans in the queue, seconds.
FLUSH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a collector that is not available is asked again, seconds."""

    first: float = 1.0  # the first wait between two requests
    longest: float = 5.0
    give_up: float = 15.0  # how old the spans are that are not kept for it any longer

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after so many failures; proxies must not come in step."""
        return random.uniform(0.5, 1.0) * min(self.first * 2.0 ** min(failures - 1, 16), self.longest)


class Sender(Protocol):
    """Whoever takes the requests."""

    async def send(self, body: bytes) -> Answer:
        """Send a request, compressed already; return what became of it."""

    async def close(self) -> None:
        """Close the connection."""


class SpanExporter:
    """A bounded queue of entries, and the task that empties it."""

    def __init__(
        self,
        sender: Sender,
        make_batch: Callable[[], Batch],
        count: Callable[[SpanOutcome, int], None],
        *,
        queue: int,
        patience: Patience | None = None,
    ) -> None:
        """``count`` is told what became of how many spans; ``queue`` bounds those that wait."""
        self._sender = sender
        self._make_batch = make_batch
        self._count = count
        self._patience = patience or Patience()
        self._most = queue
        self._full = min(MOST_IN_BATCH, max(1, queue // 2))
        self._queue: deque[Entry] = deque()
        self._due = asyncio.Event()
        self._closing = asyncio.Event()
        self._in_hand = 0  # spans that left the queue and are not counted yet
        self._newest: Entry | None = None  # of these
        self._failures = 0  # since the collector last answered
        self._not_before = 0.0  # when the collector wants to hear again, loop time
        self._give_up_at = 0.0
        self._repeats = Repeats()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to export, in the running loop."""
        for outcome in SpanOutcome:
            self._count(outcome, 0)
        self._task = asyncio.create_task(self._run())

    def admit(self) -> bool:
        """Return whether there is room for one more; else its span counts as dropped.

        Like ``offer`` it is called on the path of requests.
        """
        if len(self._queue) < self._most:
            return True
        self._count(SpanOutcome.DROPPED, 1)
        self._tell("dropped", "spans.queue is full and spans are dropped: the collector is too slow, or gone")
        return False

    def offer(self, entry: Entry) -> None:
        """Queue the span of a sampled exchange that was admitted."""
        queue = self._queue
        queue.append(entry)
        if len(queue) == self._full:
            self._due.set()

    async def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Export what is queued, for so long at most; what is left then has failed."""
        self._give_up_at = asyncio.get_running_loop().time() + seconds
        self._closing.set()
        self._due.set()
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=seconds)
            if not done:
                self._task.cancel()
                await asyncio.wait({self._task})
        self._most = 0
        lost = self._in_hand + len(self._queue)
        self._queue.clear()
        self._in_hand = 0
        self._newest = None
        if lost:
            self._count(SpanOutcome.FAILED, lost)
            _LOG.warning("%d spans are lost: the collector did not take them before the end", lost)
        await self._sender.close()

    async def _run(self) -> None:
        queue = self._queue
        while not self._closing.is_set():
            await _wait(self._due, PERIOD)
            self._due.clear()
            # What comes meanwhile waits for more, so that a fast collector does not get them one by one.
            waiting = len(queue)
            while (waiting > 0 or len(queue) >= self._full) and await self._may_send():
                waiting -= MOST_IN_BATCH
                await self._export()
        while queue and await self._may_send():
            await self._export()

    async def _export(self) -> None:
        """Take a batch from the queue, and send it until something became of it."""
        try:
            await self._send(await self._encode())
        except Exception:  # the last resort: one span that cannot be told must not end all others
            _LOG.exception("%d spans are lost", self._in_hand)
            self._settle(failed=self._in_hand)

    async def _send(self, body: bytes) -> None:
        while self._in_hand and await self._may_send():
            match await self._sender.send(body):
                case Taken(rejected, message):
                    self._failures = 0
                    self._settle(failed=min(max(rejected, 0), self._in_hand), why=f"refused: {message}")
                case Refused(why):
                    self._failures = 0
                    self._settle(failed=self._in_hand, why=why)
                case Unavailable(why, after):
                    self._failures += 1
                    self._give_up_old(why)
                    # Once is nothing: a connection that was kept may have gone stale.
                    if self._failures > 1:
                        self._tell("asked again", f"spans.otlp: {why}; it is asked again")
                    await self._back_off(after)

    async def _encode(self) -> bytes:
        queue = self._queue
        count = min(len(queue), MOST_IN_BATCH)
        batch = self._make_batch()
        self._in_hand = count
        entries = [queue.popleft() for _ in range(count)]
        self._newest = entries[-1]
        for place, entry in enumerate(entries):
            batch.add(entry)
            if place % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        # zlib lets go of the interpreter, so the loop turns meanwhile.
        return await asyncio.to_thread(gzip.compress, batch.encode(), 1, mtime=0)

    def _give_up_old(self, why: str) -> None:
        """Count those in hand as failed once they are too old, and those in the queue that are as old."""
        too_old = time.time() - self._patience.give_up
        if self._newest is None or _end(self._newest) > too_old:
            return
        queue = self._queue
        while queue and _end(queue[0]) <= too_old:
            queue.popleft()
            self._in_hand += 1
        self._settle(failed=self._in_hand, why=why)

    async def _back_off(self, after: float | None) -> None:
        """Hold back all requests for as long as the collector said; else wait for a time of our own."""
        if after is not None:
            loop = asyncio.get_running_loop()
            self._not_before = loop.time() + min(after, _MOST_RETRY_AFTER) * random.uniform(1.0, 1.1)
        elif self._closing.is_set():
            # There is no time to see whether it comes back.
            self._give_up_at = 0.0
        else:
            await _wait(self._closing, self._patience.wait(self._failures))

    async def _may_send(self) -> bool:
        """Wait for the time that the collector named; return whether it comes before the end does."""
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            wait = self._not_before - loop.time()
            if wait <= 0:
                return True
            await _wait(self._closing, wait)
        if max(self._not_before, loop.time()) >= self._give_up_at:
            return False
        await asyncio.sleep(self._not_before - loop.time())
        return True

    def _settle(self, *, failed: int, why: str = "") -> None:
        """Count the spans in hand, of which so many failed."""
        exported = self._in_hand - failed
        self._in_hand = 0
        self._newest = None
        if exported:
            self._count(SpanOutcome.EXPORTED, exported)
        if failed:
            self._count(SpanOutcome.FAILED, failed)
            self._tell("lost", f"spans.otlp: {failed} spans are lost: {why}")

    def _tell(self, kind: str, trouble: str) -> None:
        """Warn of a trouble, unless one of its kind was told a moment ago."""
        more = self._repeats.note(kind)
        if more is not None:
            _LOG.warning("%s%s", trouble, more)


def _end(entry: Entry) -> float:
    return entry.started + entry.duration


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, for so long at most."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
