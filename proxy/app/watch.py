"""Waiting until one of some files changed.

Folders are watched, not files: an editor writes a new file in the place of the old one, and
Kubernetes swaps the symbolic link ``..data`` through which a ConfigMap's files are seen.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from proxy.app.aside import import_aside

_LOG = logging.getLogger(__name__)

#: How often files are looked at where no event comes, as with a file that is mounted alone, seconds.
POLL_SECONDS = 5.0
#: How often the thread that collects events wakes: no more often than a reload is in a hurry.
_STEP_MILLISECONDS = 100
#: For how long nothing more may happen before a change counts as complete, seconds.
_SETTLE_SECONDS = 0.1
#: How many symbolic links may lead to a file.
_MOST_LINKS = 40

#: What tells one content of a file from another; None: there is no such file.
State: TypeAlias = tuple[str, int, int, int, int] | None


def file_states(files: Iterable[Path]) -> Mapping[Path, State]:
    """Return what the files are now."""
    return {path: _state(path) for path in files}


async def watch_files(before: Mapping[Path, State], stop: asyncio.Event) -> None:
    """Return once a file is not as before, and no more change follows at once, or ``stop`` is set."""
    try:
        await import_aside("watchfiles")
        folders = sorted(folder for folder in _folders(before) if folder.is_dir())
    except (OSError, ImportError) as error:
        # As where no file can be opened, for clients have them all, or where a folder is closed to us.
        await _look_now_and_then(before, stop, error)
        return
    from watchfiles import awatch

    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    events = awatch(
        *folders,
        watch_filter=None,
        debounce=1000,
        step=_STEP_MILLISECONDS,
        stop_event=stop,
        rust_timeout=round(POLL_SECONDS * 1000),
        yield_on_timeout=True,
        recursive=False,
        ignore_permission_denied=True,
    )
    while file_states(before) == before:
        try:
            if await anext(events, None) is None:
                return
        except (OSError, RuntimeError) as error:
            # No more watches are to be had, or a folder is gone.
            await _look_now_and_then(before, stop, error)
            return
    await _settle(before)


async def _look_now_and_then(before: Mapping[Path, State], stop: asyncio.Event, why: Exception) -> None:
    _LOG.warning("changed files are noticed within %g s: %s", POLL_SECONDS, why)
    while file_states(before) == before and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_SECONDS)


async def _settle(files: Iterable[Path]) -> None:
    """Wait until a file that is being written is whole."""
    seen = file_states(files)
    while True:
        await asyncio.sleep(_SETTLE_SECONDS)
        now = file_states(files)
        if now == seen:
            return
        seen = now


def _state(path: Path) -> State:
    try:
        real = os.path.realpath(path)
        found = os.stat(real)
    except OSError:
        return None
    return real, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _folders(files: Iterable[Path]) -> set[Path]:
    """Return every folder in which a step on the way to a file may change."""
    return {folder for path in files for folder in _steps(path)}


def _steps(path: Path) -> Iterator[Path]:
    """Give the folder of a file, then those of what symbolic links on its way stand for."""
    yield path.parent
    for part in (path, *path.parents):
        link = part
        for _ in range(_MOST_LINKS):
            try:
                target = os.readlink(link)
            except OSError:
                break  # no link, or gone meanwhile, or in a folder that is closed to us
            yield link.parent
            link = Path(os.path.normpath(link.parent / target))
    yield Path(os.path.realpath(path)).parent
