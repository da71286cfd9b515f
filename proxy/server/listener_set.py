"""The listeners of a process, opened and closed one by one as the config changes."""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy.config.listen import Listen
from proxy.server.data_plane import DataPlane
from proxy.server.listeners import Listener, copy_sockets, unbind
from proxy.server.tls import listener_context, read_files

#: What names an entry of ``listen`` from one config to the next: its address, and how many entries
#: before it have the same one, as those may that end in port 0.
Key: TypeAlias = tuple[str, int]


def name_entries(entries: Iterable[Listen]) -> dict[Key, Listen]:
    """Return the entries by key, in order."""
    seen: Counter[str] = Counter()
    named = {}
    for entry in entries:
        address = str(entry.address)
        named[address, seen[address]] = entry
        seen[address] += 1
    return named


@dataclass(frozen=True, slots=True)
class _Entry:
    settings: Listen
    tls: ssl.SSLContext | None
    files: bytes  # the digest of what ``tls`` was made of


@dataclass(frozen=True, slots=True)
class PreparedListeners:
    """What the next config listens on: contexts made, sockets of new entries bound.

    All that may fail is done by now: also the ``copies`` are made that servers which begin will close.
    """

    entries: Mapping[Key, _Entry]
    opened: Mapping[Key, Sequence[socket.socket]]
    copies: Mapping[Key, Sequence[socket.socket]]
    lent: bool = False

    def discard(self) -> None:
        """Close what was opened."""
        for copies in self.copies.values():
            for copy in copies:
                copy.close()
        for key, sockets in self.opened.items():
            unbind(self.entries[key].settings.address, sockets, lent=self.lent)


class ListenerSet:
    """Every listener that is served."""

    def __init__(self) -> None:
        self._listeners: dict[Key, Listener] = {}
        self._entries: Mapping[Key, _Entry] = {}

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._listeners.values())

    def prepare(
        self,
        entries: Iterable[Listen],
        open_sockets: Callable[[Key, Listen], Sequence[socket.socket]],
        *,
        lent: bool = False,
    ) -> PreparedListeners:
        """Make ready what another config listens on; nothing changes yet.

        ``lent`` sockets are somebody else's too, who keeps the paths of those on the file system.

        Raises:
            OSError: an address is taken, a certificate does not load, or no file is left for a socket.
                What was opened is closed.
        """
        prepared: dict[Key, _Entry] = {}
        opened: dict[Key, Sequence[socket.socket]] = {}
        copies: dict[Key, Sequence[socket.socket]] = {}
        result = PreparedListeners(prepared, opened, copies, lent)
        with contextlib.ExitStack() as undo:
            undo.callback(result.discard)
            for key, settings in name_entries(entries).items():
                entry = prepared[key] = self._prepare_entry(key, settings)
                listener = self._listeners.get(key)
                if listener is None:
                    opened[key] = open_sockets(key, settings)
                    copies[key] = copy_sockets(opened[key])
                elif listener.needs_copies(entry.tls):
                    copies[key] = copy_sockets(listener.sockets)
            undo.pop_all()
        return result

    async def commit(self, prepared: PreparedListeners, plane: DataPlane) -> None:
        """Listen as prepared: open what is new, then close what is gone; the others never pause."""
        before = self._listeners
        stay = {
            key: before.get(key)
            or Listener(entry.settings, prepared.opened[key], entry.tls, lent=prepared.lent)
            for key, entry in prepared.entries.items()
        }
        gone = {key: listener for key, listener in before.items() if key not in stay}
        # Every listener is known at any time, so that a drain closes it, whatever ends this midway.
        self._listeners = stay | gone
        for key, entry in prepared.entries.items():
            copies = prepared.copies.get(key, ())
            if key in before:
                await stay[key].renew(entry.settings, entry.tls, plane, copies)
            else:
                await stay[key].serve(plane, copies)
        self._entries = prepared.entries
        await _drain(gone.values(), plane)
        self._listeners = stay

    def leaving(self, entries: Iterable[Listen]) -> list[socket.socket]:
        """Return the sockets of listeners that these entries do not have any more."""
        stay = name_entries(entries)
        gone = [listener for key, listener in self._listeners.items() if key not in stay]
        return [sock for listener in gone for sock in listener.sockets]

    async def drain(self, plane: DataPlane) -> None:
        """Accept whoever is queued, then no more."""
        await _drain(self._listeners.values(), plane)

    def close(self) -> None:
        """Accept no more."""
        for listener in self._listeners.values():
            listener.close()

    def _prepare_entry(self, key: Key, settings: Listen) -> _Entry:
        files = read_files(settings.tls)
        before = self._entries.get(key)
        if before is not None and before.files == files and before.settings.tls == settings.tls:
            # The same context, so that the listener sees nothing to change.
            return _Entry(settings, before.tls, files)
        tls = None if settings.tls is None else listener_context(settings.tls)
        return _Entry(settings, tls, files)


async def _drain(listeners: Iterable[Listener], plane: DataPlane) -> None:
    await asyncio.gather(*(listener.drain(plane) for listener in listeners))
