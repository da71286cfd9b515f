"""Messages between the supervisor and a worker, with file descriptors where they need them.

On a unix stream socket, a message is two 32-bit numbers (the bytes of its JSON, and how many
descriptors come with it), then a byte for every few of those, which carries them, then the JSON.
"""

import array
import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

#: What is said: ``kind`` and whatever belongs to it.
Message: TypeAlias = Mapping[str, Any]

_LOG = logging.getLogger(__name__)

_HEADER = struct.Struct("<II")
#: How many descriptors one byte carries; the kernel takes up to 253 at once.
_AT_ONCE = 128
_READ_SIZE = 65536


class Channel:
    """One end. ``receive`` takes each message with its descriptors, which are its own from then on."""

    def __init__(
        self, sock: socket.socket, receive: Callable[[Message, list[int]], None], on_end: Callable[[], None]
    ) -> None:
        """``on_end`` is called once, when the other side is gone."""
        sock.setblocking(False)
        self._socket = sock
        self._receive = receive
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._came = bytearray()
        self._descriptors: deque[int] = deque()
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._closed = False
        self._loop.add_reader(sock.fileno(), self._read)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message, now or when there is room; what nobody receives any more is dropped.

        Raises:
            OSError: this process has no room for copies of the descriptors. Nothing is sent.
        """
        if self._closed:
            return
        body = json.dumps(message).encode()
        # Its own copies: the sender may close his before there is room. A message goes whole or not at all.
        copies = _copy_all(descriptors)
        self._unsent.append((_HEADER.pack(len(body), len(copies)), []))
        for first in range(0, len(copies), _AT_ONCE):
            self._unsent.append((b".", copies[first : first + _AT_ONCE]))
        self._unsent.append((body, []))
        self._write()

    def close(self) -> None:
        """End the channel; nothing more is received."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for _, descriptors in self._unsent:
            _close_all(descriptors)
        self._unsent.clear()
        _close_all(self._descriptors)

    def _end(self) -> None:
        if not self._closed:
            self.close()
            self._on_end()

    def _write(self) -> None:
        try:
            while self._unsent:
                data, descriptors = self._unsent[0]
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
                sent = self._socket.sendmsg([data], ancillary if descriptors else [])
                _close_all(descriptors)
                if sent < len(data):
                    self._unsent[0] = (data[sent:], [])
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._socket.fileno(), self._write)
        except OSError:
            self._end()
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _read(self) -> None:
        try:
            data, descriptors, flags, _ = socket.recv_fds(self._socket, _READ_SIZE, _AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors, flags = b"", [], 0
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors += descriptors
        self._came += data
        if flags & socket.MSG_CTRUNC:
            # Which message they are missing from is not known.
            _LOG.error("file descriptors were lost on their way: this process has as many files as it may")
            self._end()
        while not self._closed and (message := self._next()) is not None:
            self._receive(*message)
        if not data:
            self._end()

    def _next(self) -> tuple[Message, list[int]] | None:
        if len(self._came) < _HEADER.size:
            return None
        size, count = _HEADER.unpack_from(self._came)
        start = _HEADER.size + -(-count // _AT_ONCE)
        if len(self._came) < start + size:
            return None
        body = bytes(self._came[start : start + size])
        del self._came[: start + size]
        return json.loads(body), [self._descriptors.popleft() for _ in range(count)]


def _copy_all(descriptors: Iterable[int]) -> list[int]:
    copies: list[int] = []
    with contextlib.ExitStack() as undo:
        undo.callback(_close_all, copies)
        for descriptor in descriptors:
            copies.append(os.dup(descriptor))  # noqa: PERF401 - those before one that fails are closed
        undo.pop_all()
    return copies


def _close_all(descriptors: "deque[int] | list[int]") -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    descriptors.clear()
