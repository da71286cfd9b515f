"""The machine: which core does what, processes pinned to one, and what /proc tells of them. Linux only."""

import ctypes
import os
import platform
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import rig

#: The proxy that is measured has one core for itself; load, upstream and whoever measures share another.
_ALLOWED = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
PROXY_CORE = frozenset(_ALLOWED[:1])
LOAD_CORE = frozenset(_ALLOWED[1:2] or _ALLOWED)
BOTH_CORES = PROXY_CORE | LOAD_CORE
STOP_SECONDS = 10

_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def start(
    command: Sequence[str], cores: frozenset[int], log: Path, folder: Path = rig.ROOT
) -> subprocess.Popen[bytes]:
    """Start a program in a folder, on these cores; it ends with this process, however that ends."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=file,
            cwd=folder,
            # Modules are compiled once, as they are where they are installed, and not at every start.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
            preexec_fn=partial(pin, cores),
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Have a program end, and wait until it has."""
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def pin(cores: frozenset[int]) -> None:
    """In a new process, before its program: keep it to these cores, and have it end with its parent."""
    _LIBC.prctl(_PDEATHSIG, signal.SIGTERM)
    os.sched_setaffinity(0, cores)


def family(pid: int) -> Iterator[int]:
    """Give a process and all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and all its descendants."""
    return sum(rig.cpu_seconds(each) for each in family(pid))


def resident(pid: int) -> int:
    """Return the resident bytes of a process and all its descendants, shared pages counted in each."""
    return sum(rig.resident(each) for each in family(pid))


def describe() -> dict[str, object]:
    """Return what figures depend on."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": found[1] if found else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_average": os.getloadavg()[0],
    }
