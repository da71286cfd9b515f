"""Importing beside a loop that serves, what a start does without."""

import asyncio
import gc
import sys
from importlib import import_module
from threading import Lock

#: How long the interpreter runs the importing thread while requests wait for it, seconds; by default 5 ms.
_SWITCH_SECONDS = 0.0005

_one_at_a_time = Lock()


async def import_aside(module: str) -> None:
    """Import a module in a thread; nothing happens where that was done before."""
    if module not in sys.modules:
        await asyncio.to_thread(_import, module)


def _import(module: str) -> None:
    with _one_at_a_time:
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            import_module(module)
        finally:
            sys.setswitchinterval(before)
    # It stays, so the collector need not walk it.
    gc.freeze()
