"""Limits of a group: what one worker takes, no other has."""

import os
from collections.abc import Iterator

import pytest

from proxy.policy.sampling import take_from_all
from proxy.server.group_limits import GroupCrowd, GroupMemory, GroupTraceLimit


@pytest.fixture
def memory() -> Iterator[GroupMemory]:
    descriptor = os.memfd_create("test")
    yield GroupMemory(descriptor)
    os.close(descriptor)


def test_the_connections_of_all_workers_are_summed(memory: GroupMemory) -> None:
    first, second = (GroupCrowd(memory, worker, 2) for worker in range(2))
    assert [first.count(1), second.count(1), first.count(2), second.count(0)] == [1, 2, 3, 2]
    memory.connections[0] = 0
    assert second.count(1) == 1


def test_workers_take_from_one_bucket(memory: GroupMemory) -> None:
    first, second = (GroupTraceLimit(memory, 5, 3) for _ in range(2))
    assert [limit.take(10.0) for limit in (first, second, first, second)] == [True, True, True, False]
    # Their clocks are read at different moments.
    assert [first.take(10.4), second.take(10.3)] == [True, False]


def test_a_cleared_bucket_is_full(memory: GroupMemory) -> None:
    limit = GroupTraceLimit(memory, 0, 1)
    assert [limit.take(1.0), limit.take(1.0)] == [True, False]
    memory.clear_bucket(0)
    assert limit.take(1.0)


def test_what_another_limit_refuses_is_given_back(memory: GroupMemory) -> None:
    wide, narrow = GroupTraceLimit(memory, 0, 2), GroupTraceLimit(memory, 1, 1)
    assert [take_from_all((wide, narrow), 1.0) for _ in range(2)] == [True, False]
    assert [wide.take(1.0), wide.take(1.0)] == [True, False]


def test_processes_never_take_more_than_there_is(memory: GroupMemory) -> None:
    reader, writer = os.pipe()
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            limit = GroupTraceLimit(memory, 0, 5000)
            taken = sum(limit.take(1.0) for _ in range(5000))
            os.write(writer, taken.to_bytes(4, "little"))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert sum(int.from_bytes(os.read(reader, 4), "little") for _ in children) == 5000
    os.close(reader)
    os.close(writer)
