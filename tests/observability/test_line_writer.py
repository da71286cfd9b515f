"""Lines reach whoever reads them, and nobody waits for who does not."""

import asyncio
import errno
import fcntl
import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from proxy.observability import line_writer
from proxy.observability.entry import Entry
from proxy.observability.line_writer import MOST_AT_ONCE, LineWriter
from proxy.observability.metrics import LineOutcome
from proxy.record import ExchangeRecord

LINE = b"x" * 99 + b"\n"


class Pipe:
    """Two ends; what nobody read stays in it."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, 4096)

    async def read(self, size: int) -> bytes:
        """Return so many bytes."""
        data = b""
        while len(data) < size:
            data += await asyncio.to_thread(os.read, self.read_end, size - len(data))
        return data

    def close(self) -> None:
        for end in (self.read_end, self.write_end):
            try:
                os.close(end)
            except OSError as error:
                assert error.errno == errno.EBADF


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


class Running:
    """A writer with what it counted."""

    def __init__(self, entry: Entry, descriptor: int, most: int, encode: Callable[[Entry], bytes]) -> None:
        self.counts: Counter[str] = Counter()
        self._entry = entry
        self.writer = LineWriter(encode, self._count, descriptor=descriptor, most=most)
        self.writer.start()

    def _count(self, outcome: LineOutcome, count: int) -> None:
        self.counts[outcome] += count

    def offer(self, count: int) -> None:
        for _ in range(count):
            if self.writer.admit():
                self.writer.offer(self._entry)

    async def counted(self, count: int) -> None:
        """Wait until so many are counted."""
        async with asyncio.timeout(10):
            while sum(self.counts.values()) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)


Write = Callable[..., Running]


@pytest.fixture
def write(make_record: Callable[..., ExchangeRecord]) -> Write:
    """Start writers of lines of 100 bytes."""
    entry = Entry(make_record())

    def start(
        descriptor: int, *, most: int = 8192, encode: Callable[[Entry], bytes] = lambda entry: LINE
    ) -> Running:
        return Running(entry, descriptor, most, encode)

    return start


async def test_every_line_is_written_once(write: Write, pipe: Pipe) -> None:
    running = write(pipe.write_end)
    running.offer(1000)
    assert await pipe.read(100_000) == LINE * 1000
    await running.counted(1000)
    assert running.counts == {"written": 1000, "lost": 0}
    await running.writer.close()


async def test_lines_are_written_whole_and_no_more_than_a_pipe_takes_at_once(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        running = write(ours.fileno())
        running.offer(100)
        await running.writer.close()
        sizes: list[int] = []
        while sum(sizes) < 10_000:
            sizes.append(len(theirs.recv(65536)))
    assert max(sizes) <= MOST_AT_ONCE
    assert all(size % len(LINE) == 0 for size in sizes)
    assert len(sizes) == 3


async def test_what_nobody_reads_is_lost_and_the_loop_goes_on(
    write: Write, pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    running = write(pipe.write_end, most=50)
    offered = 0
    while not running.counts["lost"]:
        running.offer(1)
        offered += 1
        await asyncio.sleep(0)
    running.offer(10)
    assert running.counts["lost"] == 11
    assert caplog.messages == ["lines of the access log are lost: stdout is read too slowly, or not at all"]
    assert await pipe.read(100 * (offered - 1)) == LINE * (offered - 1)
    await running.writer.close()
    assert running.counts == {"written": offered - 1, "lost": 11}


async def test_the_end_loses_what_nobody_reads_and_does_not_wait_for_it(write: Write, pipe: Pipe) -> None:
    running = write(pipe.write_end)
    running.offer(100)
    await running.counted(40)
    await running.writer.close(0.05)
    assert running.counts == {"written": 40, "lost": 60}
    # The thread writes on when somebody reads, and nothing is counted twice.
    await pipe.read(8100)
    await asyncio.to_thread(_join_writers)
    await asyncio.sleep(0)
    assert running.counts == {"written": 40, "lost": 60}


def _join_writers() -> None:
    for thread in threading.enumerate():
        if thread.name == "access-log":
            thread.join(10)
            assert not thread.is_alive()


async def test_what_comes_after_the_end_is_lost(write: Write, pipe: Pipe) -> None:
    running = write(pipe.write_end)
    await running.writer.close()
    running.offer(1)
    assert running.counts == {"written": 0, "lost": 1}


async def test_a_reader_that_left_loses_lines(
    write: Write, pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    running = write(pipe.write_end)
    os.close(pipe.read_end)
    running.offer(3)
    await running.writer.close()
    assert running.counts == {"written": 0, "lost": 3}
    assert caplog.messages == ["lines of the access log are lost: Broken pipe"]


async def test_a_descriptor_that_others_made_not_to_block_is_waited_for(write: Write, pipe: Pipe) -> None:
    os.set_blocking(pipe.write_end, False)
    running = write(pipe.write_end)
    running.offer(100)
    assert await pipe.read(10_000) == LINE * 100
    await running.writer.close()
    assert running.counts == {"written": 100, "lost": 0}


async def test_a_line_that_cannot_be_encoded_does_not_end_the_log(
    write: Write, pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    texts = iter(["no\udc80", "yes\n"])

    running = write(pipe.write_end, encode=lambda entry: next(texts).encode())
    running.offer(2)
    await running.writer.close()
    assert await pipe.read(4) == b"yes\n"
    assert running.counts == {"written": 1, "lost": 1}
    assert caplog.messages == ["a line of the access log cannot be encoded"]


async def test_where_the_log_goes_the_same_way_nothing_is_said_of_it(
    write: Write, pipe: Pipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with os.fdopen(os.dup(pipe.write_end), "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        running = write(pipe.write_end, most=0)
        running.offer(1)
        assert running.counts["lost"] == 1
        assert not caplog.messages
        await running.writer.close()


async def test_lines_are_gathered(write: Write, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_writer, "_GATHER_SECONDS", 1000.0)
    running = write(pipe.write_end)
    running.offer(3)
    await asyncio.sleep(0)
    assert running.counts["written"] == 0
    await running.writer.close()
    assert running.counts["written"] == 3
