"""Listeners from config to config: all that may fail fails before anything changes, and none is lost."""

import errno
import os
import socket
from collections.abc import AsyncIterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.config.listen import Listen
from proxy.config.load import load_text
from proxy.server.data_plane import DataPlane
from proxy.server.listener_set import ListenerSet, PreparedListeners
from proxy.server.listeners import Listener, bind
from tests.server.conftest import Start

if TYPE_CHECKING:
    from tests.conftest import Certificates


class Served:
    """Listeners on unix sockets of a folder, named by letters."""

    def __init__(self, folder: Path, plane: DataPlane) -> None:
        self.folder = folder
        self.plane = plane
        self.listeners = ListenerSet()

    def prepare(self, names: str, tls: str = "") -> PreparedListeners:
        return self.listeners.prepare(self._entries(names, tls), lambda _, entry: bind(entry.address))

    async def commit(self, prepared: PreparedListeners) -> None:
        await self.listeners.commit(prepared, self.plane)

    async def drain(self) -> None:
        await self.listeners.drain(self.plane)

    def accepting(self, names: str) -> str:
        """Return the names of those that take a connection."""
        taken = ""
        for name in names:
            with socket.socket(socket.AF_UNIX) as client:
                taken += name if client.connect_ex(str(self.folder / name)) == 0 else ""
        return taken

    def _entries(self, names: str, tls: str) -> Sequence[Listen]:
        listen = ", ".join(f"{{address: 'unix:{self.folder / name}'{tls}}}" for name in names)
        text = f"listen: [{listen}]\nupstream: http://127.0.0.1:9\n"
        return load_text(text.encode(), self.folder / "traceward.yaml", {}).config.listen


@pytest.fixture
async def served(start: Start, tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path, (await start()).plane)
    yield served
    served.listeners.close()


def _leave_no_file(monkeypatch: pytest.MonkeyPatch, after: int = 0) -> None:
    """Have sockets be copied so many times, and no more."""
    dup, left = socket.socket.dup, iter(range(after))

    def refuse(sock: socket.socket) -> socket.socket:
        if next(left, None) is None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return dup(sock)

    monkeypatch.setattr(socket.socket, "dup", refuse)


async def _fail(listener: Listener, plane: DataPlane, copies: Sequence[socket.socket] = ()) -> None:
    for copy in copies:
        copy.close()
    raise RuntimeError("no luck")


async def test_what_is_prepared_needs_no_more_files(
    served: Served, certificates: "Certificates", monkeypatch: pytest.MonkeyPatch
) -> None:
    await served.commit(served.prepare("ab"))
    tls = f", tls: {{cert: '{certificates.cert('here')}', key: '{certificates.key('here')}'}}"
    prepared = served.prepare("cab", tls)
    _leave_no_file(monkeypatch)
    await served.commit(prepared)
    assert served.accepting("abc") == "abc"
    await served.drain()
    assert served.accepting("abc") == ""


@pytest.mark.parametrize("after", [0, 1])
async def test_without_a_file_for_a_copy_nothing_is_prepared(
    served: Served, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    await served.commit(served.prepare("a"))
    with monkeypatch.context() as patched:
        _leave_no_file(patched, after)
        with pytest.raises(OSError, match="Too many open files"):
            served.prepare("bca")
    assert sorted(path.name for path in served.folder.iterdir()) == ["a"]
    assert served.accepting("abc") == "a"
    await served.commit(served.prepare("bca"))
    assert served.accepting("abc") == "abc"


async def test_what_is_discarded_leaves_nothing_open(served: Served) -> None:
    prepared = served.prepare("ab")
    prepared.discard()
    sockets = chain(*prepared.opened.values(), *prepared.copies.values())
    assert [sock.fileno() for sock in sockets] == [-1, -1, -1, -1]
    assert served.accepting("ab") == ""


async def test_a_commit_that_ends_midway_loses_no_listener(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await served.commit(served.prepare("ab"))
    prepared = served.prepare("cb")
    with monkeypatch.context() as patched:
        patched.setattr(Listener, "serve", _fail)
        with pytest.raises(RuntimeError, match="no luck"):
            await served.commit(prepared)
    assert [listener.url[-1] for listener in served.listeners] == ["c", "b", "a"]
    await served.drain()
    assert served.accepting("abc") == ""


async def test_a_listener_that_did_not_come_to_serve_does_with_the_next_config(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Listener, "serve", _fail)
        with pytest.raises(RuntimeError, match="no luck"):
            await served.commit(served.prepare("a"))
    await served.commit(served.prepare("ab"))
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect(str(served.folder / "a"))
        await served.drain()
        assert len(served.plane.connections) == 1
