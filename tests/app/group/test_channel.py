"""Messages between processes: whole, in order, with the descriptors that belong to them."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import pytest

from proxy.app.group.channel import Channel, Message


class End:
    """One end of a channel, and what came of it."""

    def __init__(self, sock: socket.socket) -> None:
        self.came: asyncio.Queue[tuple[Message, list[int]]] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.channel = Channel(
            sock, lambda message, found: self.came.put_nowait((message, found)), self.ended.set
        )


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    pair = [End(sock) for sock in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)]
    yield pair[0], pair[1]
    for end in pair:
        end.channel.close()


async def test_messages_come_in_order_whatever_their_size(ends: tuple[End, End]) -> None:
    sender, receiver = ends
    texts = ["", "x" * 3_000_000, "é", "y" * 70_000]
    for text in texts:
        sender.channel.send({"text": text})
    assert [(await receiver.came.get())[0]["text"] for _ in texts] == texts


async def test_descriptors_come_with_their_message(ends: tuple[End, End]) -> None:
    sender, receiver = ends
    for count in (1, 0, 300, 128):
        files = [os.memfd_create("test") for _ in range(count)]
        for number, file in enumerate(files):
            os.write(file, b"%d of %d" % (number, count))
        sender.channel.send({"count": count, "text": "x" * 100_000}, files)
        for file in files:
            os.close(file)
    for count in (1, 0, 300, 128):
        message, found = await receiver.came.get()
        assert (message["count"], len(found)) == (count, count)
        for number, file in enumerate(found):
            assert os.pread(file, 100, 0) == b"%d of %d" % (number, count)
            assert not os.get_inheritable(file)
            os.close(file)


async def test_the_end_of_one_side_is_told_to_the_other(ends: tuple[End, End]) -> None:
    sender, receiver = ends
    sender.channel.send({"last": True})
    sender.channel.close()
    sender.channel.send({"lost": True})
    await receiver.ended.wait()
    assert receiver.came.qsize() == 1
    assert not sender.ended.is_set()
    receiver.channel.send({"lost": True})


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Let this process open so many more files, and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + count, hard))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for file in taken:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


async def test_a_message_whose_descriptors_cannot_be_copied_is_not_sent(ends: tuple[End, End]) -> None:
    sender, receiver = ends
    before = open_files()
    with room_for(1), pytest.raises(OSError, match="Too many open files"):
        sender.channel.send({"lost": True}, [0, 0])
    assert open_files() == before
    sender.channel.send({"next": True})
    assert await receiver.came.get() == ({"next": True}, [])


async def test_descriptors_that_find_no_room_end_the_channel(
    ends: tuple[End, End], caplog: pytest.LogCaptureFixture
) -> None:
    sender, receiver = ends
    before = open_files()
    sender.channel.send({"count": 3}, [0, 0, 0])
    with room_for(1):
        await receiver.ended.wait()
    assert receiver.came.empty()
    await sender.ended.wait()
    assert len(open_files()) == len(before) - len(ends)
    assert caplog.messages == [
        "file descriptors were lost on their way: this process has as many files as it may"
    ]
