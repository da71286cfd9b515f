"""The place of one worker: its process, started again when it ends unasked, and what outlives it."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import proxy
from proxy.app.group.channel import Channel, Message
from proxy.app.group.messages import Kind
from proxy.app.group.shared_file import make_shared_file
from proxy.app.group.signals import withheld
from proxy.observability.shared_block import SharedBlock

_LOG = logging.getLogger(__name__)

#: How long a worker has lived at least where its end is no reason to wait, seconds.
_STEADY_SECONDS = 5.0
#: The first and the longest wait before one that ends early is started again, seconds.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
#: How long the process may take to end once it has closed its channel, seconds.
_END_SECONDS = 5.0


class Slot:
    """The worker of one number. ``brief`` tells a new process what to do."""

    def __init__(self, number: int, brief: Callable[["Slot"], None], on_change: Callable[[], None]) -> None:
        """``on_change`` is called whenever something was heard of the worker."""
        self.number = number
        self.counts = make_shared_file("traceward-counts")
        self.block = SharedBlock(self.counts)
        self.prepared = 0  # the generation of the config that it is ready for
        self.serving = 0  # and of the one that it serves by
        self.error: str | None = None  # why it could not be made ready
        self.gauges: Message = {"gauges": []}
        self.answered = True  # whether it told its gauges since it was asked
        self.status: int | None = None  # of its last process
        self.failures = 0  # in a row, of processes that never served
        self.incarnation = 0  # how many processes there were
        self._brief = brief
        self._on_change = on_change
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._ended = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether there is a process to talk to."""
        return self._channel is not None

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Tell the worker something, if there is one."""
        if self._channel is not None:
            self._channel.send(message, descriptors)

    def ask_gauges(self) -> None:
        """Ask what is open; ``answered`` tells that ``gauges`` has the answer."""
        if self.alive and self.answered:
            self.answered = False
            self.send({"kind": Kind.GAUGES})

    async def keep(self, stopping: asyncio.Event, on_end: Callable[["Slot"], None]) -> None:
        """Run the worker, again and again, until it ends after ``stopping`` is set."""
        pause = 0.0
        while not stopping.is_set():
            began = time.monotonic()
            try:
                self.status = await self._run()
            except OSError as error:
                _LOG.error("worker %d cannot be started: %s", self.number, error)
                self.status = 1
            self._clear()
            on_end(self)
            self._on_change()
            if stopping.is_set():
                return
            steady = time.monotonic() - began >= _STEADY_SECONDS
            pause = 0.0 if steady else min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
            _LOG.error("worker %d ended with %s; it is started again", self.number, _words(self.status))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()

    async def _run(self) -> int:
        """Start the process; return its status once it ended."""
        self._ended.clear()
        self.incarnation += 1
        self.error = None
        self._process, ours = self._spawn()
        self._channel = Channel(ours, self._receive, self._ended.set)
        try:
            self._brief(self)
            await self._ended.wait()
        except BaseException:
            # Nobody would talk to it any more.
            self._process.kill()
            raise
        finally:
            self._channel.close()
            self._channel = None
            status = await _reap(self._process)
            self._process = None
        return status

    def _clear(self) -> None:
        """Forget what was heard of a process that is gone."""
        self.failures = 0 if self.serving else self.failures + 1
        self.prepared = self.serving = 0
        self.gauges = {"gauges": []}
        self.answered = True

    def _spawn(self) -> "tuple[subprocess.Popen[bytes], socket.socket]":
        """Start the process, and return it with the socket to talk to it.

        It takes a few milliseconds, and nobody but the admin server waits for them.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                with withheld():
                    process = subprocess.Popen(
                        [
                            sys.executable,
                            "-m",
                            "proxy.app.group.worker",
                            str(theirs.fileno()),
                            str(self.number),
                        ],
                        stdin=subprocess.DEVNULL,
                        pass_fds=[theirs.fileno()],
                        env=_environment(),
                        process_group=0,  # Ctrl-C is for the supervisor alone
                    )
            except OSError:
                ours.close()
                raise
        return process, ours

    def _receive(self, message: Message, descriptors: list[int]) -> None:
        match Kind(message["kind"]):
            case Kind.PREPARED:
                self.prepared = message["generation"]
                self.error = message["error"]
            case Kind.SERVING:
                self.serving = message["generation"]
            case Kind.GAUGES:
                self.gauges = message
                self.answered = True
            case other:
                _LOG.error("worker %d says %s, which only a supervisor does", self.number, other)
        self._on_change()


async def _reap(process: "subprocess.Popen[bytes]") -> int:
    """Return the status of a process that has no channel any more."""
    try:
        return await asyncio.to_thread(process.wait, _END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return await asyncio.to_thread(process.wait)


def _environment() -> Mapping[str, str]:
    """Return the environment in which a worker finds this very package, and no other, in any folder."""
    environ = {**os.environ, "PYTHONSAFEPATH": "1"}
    root = str(Path(proxy.__file__).parents[1])
    # The first is the script's or the working folder, which the worker does not have.
    if root not in sys.path[1:]:
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return environ


def _words(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
