"""Lines to stdout from a thread of its own: nobody waits for whoever reads them.

The descriptor stays blocking, for others have it too, so a write may take for ever. The thread then
does, the queue fills, and lines are lost and counted. Each write is of whole lines and no longer
than a pipe takes in one piece, so those of other processes never come in between.
"""

import asyncio
import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TextIO

from proxy.observability.entry import Entry
from proxy.observability.metrics import LineOutcome
from proxy.repeats import Repeats

_LOG = logging.getLogger(__name__)

STDOUT = 1
#: How many entries wait at most.
MOST_WAITING = 8192
#: How long an entry waits for others before the thread is woken, seconds.
_GATHER_SECONDS = 0.02
#: How much is written at once, bytes: what a pipe of Linux takes in one piece.
MOST_AT_ONCE = 4096
_UNREAD = "stdout is read too slowly, or not at all"
#: How long the end waits for what is queued, seconds.
FLUSH_SECONDS = 3.0


class LineWriter:
    """A bounded queue of entries, and the thread that writes their lines."""

    def __init__(
        self,
        encode: Callable[[Entry], bytes],
        count: Callable[[LineOutcome, int], None],
        *,
        descriptor: int = STDOUT,
        most: int = MOST_WAITING,
    ) -> None:
        """``encode`` makes a line and is called in the thread; ``count`` is called in the loop."""
        self._encode = encode
        self._count = count
        self._descriptor = descriptor
        self._most = most
        self._queue: deque[Entry] = deque()
        # What is waiting, in hand and counted changes under the lock, which nobody holds for long.
        self._lock = threading.Lock()
        self._in_hand = 0  # lines that left the queue and are not counted yet
        self._gathering = False
        self._ready = threading.Event()
        self._closing = False
        self._abandoned = False
        self._ended = asyncio.Event()
        self._repeats = Repeats()

    def start(self) -> None:
        """Begin to write; counts are handed to the running loop."""
        self._loop = asyncio.get_running_loop()
        for outcome in LineOutcome:
            self._count(outcome, 0)
        # A daemon: a write that nobody reads must not hold up the end of the process.
        threading.Thread(target=self._run, name="access-log", daemon=True).start()

    def admit(self) -> bool:
        """Return whether there is room for one more; else its line counts as lost.

        Like ``offer`` it is called on the path of requests.
        """
        if len(self._queue) < self._most:
            return True
        self._lose(1, _UNREAD)
        return False

    def offer(self, entry: Entry) -> None:
        """Queue an entry that was admitted."""
        self._queue.append(entry)
        if not self._gathering:
            self._gathering = True
            self._loop.call_later(_GATHER_SECONDS, self._wake)

    async def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write what is queued, for so long at most; what is left then is lost."""
        self._most = 0
        self._closing = True
        self._ready.set()
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            with self._lock:
                self._abandoned = True
                lost = self._in_hand + len(self._queue)
                self._queue.clear()
            self._lose(lost, _UNREAD)

    def _wake(self) -> None:
        self._gathering = False
        self._ready.set()

    def _lose(self, count: int, why: str) -> None:
        self._count(LineOutcome.LOST, count)
        more = self._repeats.note("lost")
        # Where the log goes the same way, saying so would wait as long.
        if more is not None and not _same_file(self._descriptor, sys.stderr):
            _LOG.warning("lines of the access log are lost: %s%s", why, more)

    # In the thread.

    def _run(self) -> None:
        while not self._abandoned:
            self._ready.wait()
            self._ready.clear()
            closing = self._closing
            for block, count in self._blocks():
                self._write(block, count)
            if closing:
                break
        self._tell_loop(self._ended.set)

    def _blocks(self) -> Iterator[tuple[bytes, int]]:
        """Give what is queued, so much as is written at once, and how many lines that is."""
        block, count = b"", 0
        while (entry := self._take()) is not None:
            try:
                line = self._encode(entry)
            except Exception:  # the last resort: one line that cannot be told must not end the log
                _LOG.exception("a line of the access log cannot be encoded")
                self._settle(1, self._count, LineOutcome.LOST, 1)
                continue
            if block and len(block) + len(line) > MOST_AT_ONCE:
                yield block, count
                block, count = b"", 0
            block += line
            count += 1
        if block:
            yield block, count

    def _write(self, block: bytes, count: int) -> None:
        left = memoryview(block)
        try:
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:  # whoever shares it made it so
                    select.select([], [self._descriptor], [])
        except OSError as error:
            self._settle(count, self._lose, count, error.strerror or str(error))
        else:
            self._settle(count, self._count, LineOutcome.WRITTEN, count)

    def _take(self) -> Entry | None:
        with self._lock:
            if not self._queue:
                return None
            self._in_hand += 1
            return self._queue.popleft()

    def _settle(self, count: int, call: Callable[..., object], *arguments: object) -> None:
        """Have the loop count so many lines, unless it gave up on them."""
        with self._lock:
            if self._abandoned:
                return
            self._in_hand -= count
        self._tell_loop(call, *arguments)

    def _tell_loop(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop ended before
            pass


def _same_file(descriptor: int, stream: TextIO) -> bool:
    try:
        return os.path.sameopenfile(descriptor, stream.fileno())
    except (OSError, ValueError):
        return False
