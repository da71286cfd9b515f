"""The place of one worker, with real processes."""

import asyncio
import os
import subprocess

from proxy.app.group.slot import Slot


def children() -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


async def test_a_process_that_cannot_be_told_what_to_do_is_ended() -> None:
    stopping = asyncio.Event()
    before = children()
    seen = []

    def brief(slot: Slot) -> None:
        seen.append((slot.alive, len(children()) - len(before)))
        if slot.incarnation == 2:
            stopping.set()
        raise OSError(24, "Too many open files")

    slot = Slot(0, brief, lambda: None)
    await slot.keep(stopping, lambda _: None)
    # The first was gone before the second was started.
    assert seen == [(True, 1), (True, 1)]
    assert children() == before
    assert (slot.alive, slot.status, slot.failures) == (False, 1, 2)


async def test_a_process_is_ended_where_nobody_keeps_it_any_more() -> None:
    started = asyncio.Event()
    before = children()
    slot = Slot(0, lambda _: started.set(), lambda: None)
    keeping = asyncio.create_task(slot.keep(asyncio.Event(), lambda _: None))
    await started.wait()
    keeping.cancel()
    await asyncio.wait([keeping])
    assert keeping.cancelled()
    assert children() == before
