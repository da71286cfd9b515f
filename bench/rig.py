"""What a scenario runs on: an origin server, the proxy in front of it, and what /proc tells of them.

Linux only. The processes end with whoever started them, however that ends.
"""

import asyncio
import contextlib
import ctypes
import os
import random
import re
import resource
import signal
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[1]
START_SECONDS = 20
STOP_SECONDS = 40
#: The limit of open files that systems start a process with.
OPEN_FILES = 1024
#: What the proxy logs once it goes by a config that it read again.
RELOADED = "the config was read again and is in use"
CONFIG = """
listen: 127.0.0.1:0
upstreams: {{default: {{targets: [http://127.0.0.1:{origin}]{upstream}}}}}
admin: {{listen: null}}
tracing:
  sample_rate: 10
  rules:
    - {{name: checkout, match: /checkout/, sample_rate: 100}}
    - {{name: all, match: /}}
{more}
"""

_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Rig:
    """An origin and a proxy, each in a process of its own; both are gone when the block ends."""

    def __init__(self) -> None:
        self.port = 0
        self.origin_port = free_port()
        self._processes: list[asyncio.subprocess.Process] = []
        self._files = contextlib.ExitStack()

    async def __aenter__(self) -> "Rig":
        allow_open_files()
        self._open_files()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        self._files.close()

    async def start_origin(self, *options: str) -> None:
        """Start the origin, on the same port each time."""
        self.origin, _ = await self._start("-m", "bench.origin", str(self.origin_port), *options)

    async def start_proxy(self, *, upstream: str = "", more: str = "") -> None:
        """Start a proxy with settings of its upstream, and further sections of the config."""
        self._upstream = upstream and f", {upstream}"
        config = self._write_config(more)
        self.proxy, self.port = await self._start("-m", "proxy", "run", "-c", config, open_files=OPEN_FILES)

    async def reload_proxy(self, *, more: str) -> None:
        """Change the config's further sections; return when the proxy uses it."""
        before = self.log.count(RELOADED)
        self._write_config(more)
        self.proxy.send_signal(signal.SIGHUP)
        async with asyncio.timeout(START_SECONDS):
            while self.log.count(RELOADED) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @property
    def workers(self) -> list[int]:
        """The process ids of the proxy's workers, the oldest first; none where it is one process."""
        pid = self.proxy.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def kill_origin(self) -> None:
        """End the origin with no chance to say goodbye; return when it is gone."""
        self.origin.kill()
        await self.origin.wait()

    async def stop_proxy(self) -> int:
        """Have the proxy drain; return its exit status."""
        self.proxy.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            return await self.proxy.wait()

    @property
    def log(self) -> str:
        """What the processes wrote to stderr."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _open_files(self) -> None:
        self._folder = Path(self._files.enter_context(tempfile.TemporaryDirectory()))
        self._log = self._files.enter_context((self._folder / "log").open("w+b"))

    def _write_config(self, more: str) -> str:
        path = self._folder / "traceward.yaml"
        # In one step: the proxy watches the file, and would read half of it.
        new = path.with_suffix(".new")
        new.write_text(CONFIG.format(origin=self.origin_port, upstream=self._upstream, more=more))
        new.replace(path)
        return str(path)

    async def _start(
        self, *arguments: str, open_files: int | None = None
    ) -> tuple[asyncio.subprocess.Process, int]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            preexec_fn=partial(_prepare, open_files),
        )
        self._processes.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode()
        found = re.search(r":(\d+)$", line.strip())
        if found is None:
            raise RuntimeError(f"{' '.join(arguments)} did not start: {self.log.strip() or line}")
        return process, int(found[1])


def free_port() -> int:
    """Return a port that nobody has, and that the kernel gives nobody.

    From the range it gives out, a connection to a dead origin might get the origin's own port, and
    so be connected to itself.
    """
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def allow_open_files(soft: int | None = None) -> None:
    """Set the soft limit of open files, which processes to be started inherit; None: as high as allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft is None else min(soft, hard), hard))


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has."""
    return _status(pid, "VmRSS")


def begin_peak(pid: int) -> None:
    """Forget the peak so far."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """Return the most bytes that were resident since ``begin_peak``."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _prepare(open_files: int | None) -> None:
    """In a new process, before its program: have it end with its parent, and limit its open files."""
    _LIBC.prctl(_PDEATHSIG, signal.SIGKILL)
    if open_files is not None:
        allow_open_files(open_files)
