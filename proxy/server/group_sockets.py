"""The listening sockets of a group of workers, held by their supervisor.

Each worker has a TCP socket of its own (SO_REUSEPORT), which stays the same when the worker is
started again, so that clients who are queued on it are served then. Closing it would reset them.
Unix sockets cannot share an address, nor do TCP sockets share clients evenly everywhere: there, all
workers accept from one.
"""

import contextlib
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from proxy.config.addresses import Address, TcpAddress, UnixAddress
from proxy.config.listen import Listen
from proxy.server.listener_set import Key, name_entries
from proxy.server.listeners import bind, bind_beside, unbind

_SPREADS = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class _Bound:
    address: Address
    of_worker: Sequence[Sequence[socket.socket]]  # or one entry, for all

    @property
    def every(self) -> Iterator[socket.socket]:
        return (sock for sockets in self.of_worker for sock in sockets)

    def close(self) -> None:
        unbind(self.address, list(self.every))


@dataclass(frozen=True, slots=True)
class PreparedSockets:
    """The sockets for the next config: those of entries that are new are bound."""

    keys: Sequence[Key]
    opened: Mapping[Key, _Bound]

    def discard(self) -> None:
        """Close what was opened."""
        for bound in self.opened.values():
            bound.close()


class GroupSockets:
    """The sockets of so many workers."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._bound: dict[Key, _Bound] = {}

    def prepare(self, entries: Iterable[Listen]) -> PreparedSockets:
        """Bind what another config listens on; nothing changes yet.

        Raises:
            AddressTaken: an address cannot be listened on. What was opened is closed.
        """
        named = name_entries(entries)
        leaving = [sock for key, bound in self._bound.items() if key not in named for sock in bound.every]
        opened: dict[Key, _Bound] = {}
        with contextlib.ExitStack() as undo:
            undo.callback(PreparedSockets((), opened).discard)
            for key, entry in named.items():
                if key not in self._bound:
                    opened[key] = self._bind(entry.address, leaving)
            undo.pop_all()
        return PreparedSockets(list(named), opened)

    def commit(self, prepared: PreparedSockets) -> None:
        """Hold what was prepared from now on, and the rest no more; workers may still hold that."""
        before, self._bound = self._bound, {}
        for key in prepared.keys:
            self._bound[key] = prepared.opened[key] if key in prepared.opened else before.pop(key)
        for gone in before.values():
            gone.close()

    def of_worker(self, worker: int, prepared: PreparedSockets) -> Mapping[Key, Sequence[socket.socket]]:
        """Return a worker's sockets of every entry."""
        found = {}
        for key in prepared.keys:
            bound = prepared.opened.get(key) or self._bound[key]
            found[key] = bound.of_worker[worker % len(bound.of_worker)]
        return found

    def urls(self, entries: Iterable[Listen]) -> Sequence[str]:
        """Return where clients reach the listeners, with the ports that were given out."""
        return [self._url(key, entry) for key, entry in name_entries(entries).items()]

    def close(self) -> None:
        """Hold nothing any more."""
        for bound in self._bound.values():
            bound.close()
        self._bound.clear()

    def _url(self, key: Key, entry: Listen) -> str:
        match entry.address:
            case UnixAddress():
                return str(entry.address)
            case TcpAddress(host):
                port = next(self._bound[key].every).getsockname()[1]
                scheme = "http" if entry.tls is None else "https"
                return f"{scheme}://{TcpAddress(host, port)}"

    def _bind(self, address: Address, leaving: Sequence[socket.socket]) -> _Bound:
        spread = _SPREADS and isinstance(address, TcpAddress)
        first = bind(address, leaving, shared=spread)
        if not spread:
            return _Bound(address, [first])
        # It was bound alone, to see whether the address is free, so it shares no clients with others.
        with contextlib.ExitStack() as closing:
            for sock in first:
                closing.callback(sock.close)
            return _Bound(address, [[bind_beside(sock) for sock in first] for _ in range(self._workers)])
