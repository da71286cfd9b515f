"""Which change of which file is noticed."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.app import watch
from proxy.app.aside import import_aside
from proxy.app.watch import file_states, watch_files


def _swap(folder: Path) -> None:
    (folder / "..2").mkdir()
    (folder / "..2" / "config").write_text("new")
    (folder / "..data_tmp").symlink_to("..2")
    (folder / "..data_tmp").replace(folder / "..data")


def _replace(folder: Path) -> None:
    (folder / "new").write_text("new")
    (folder / "new").replace(folder / "plain")


CHANGES = [
    pytest.param("plain", lambda folder: (folder / "plain").write_text("new"), id="written"),
    pytest.param("plain", _replace, id="replaced"),
    pytest.param("plain", lambda folder: (folder / "plain").unlink(), id="removed"),
    pytest.param("missing", lambda folder: (folder / "missing").write_text(""), id="made"),
    pytest.param("mapped", _swap, id="linked-folder-swapped"),
    pytest.param(
        "linked", lambda folder: (folder / "far" / "file").write_text("new"), id="linked-file-written"
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_text("old")
    (tmp_path / "..1").mkdir()
    (tmp_path / "..1" / "config").write_text("old")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "mapped").symlink_to("..data/config")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("old")
    (tmp_path / "linked").symlink_to(tmp_path / "far" / "file")
    return tmp_path


@pytest.mark.parametrize(("name", "change"), CHANGES)
async def test_a_change_is_noticed(folder: Path, name: str, change: Callable[[Path], object]) -> None:
    before = file_states([folder / name])
    watching = asyncio.create_task(watch_files(before, asyncio.Event()))
    await asyncio.sleep(0)
    change(folder)
    await watching
    assert file_states([folder / name]) != before


async def test_other_files_are_not_waited_for(folder: Path) -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(watch_files(file_states([folder / "plain"]), stop))
    await asyncio.sleep(0)
    (folder / "other").write_text("new")
    (folder / "far" / "file").write_text("new")
    done, _ = await asyncio.wait([watching], timeout=0.3)
    assert not done
    stop.set()
    await watching


async def test_what_changed_before_is_noticed_at_once(folder: Path) -> None:
    before = file_states([folder / "plain"])
    (folder / "plain").write_text("changed already")
    await watch_files(before, asyncio.Event())


async def test_without_watches_files_are_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*folders: object, **options: object) -> None:
        raise OSError("no more watches")

    monkeypatch.setattr("watchfiles.main.RustNotify", refuse)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    before = file_states([folder / "plain"])
    watching = asyncio.create_task(watch_files(before, asyncio.Event()))
    await asyncio.sleep(0)
    assert "no more watches" in caplog.text
    (folder / "plain").write_text("new content")
    await watching


async def test_without_the_watcher_files_are_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(module: str) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(watch, "import_aside", refuse)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    before = file_states([folder / "plain"])
    watching = asyncio.create_task(watch_files(before, asyncio.Event()))
    await asyncio.sleep(0)
    assert "too many open files" in caplog.text
    (folder / "plain").write_text("new content")
    await watching


async def test_a_folder_that_is_closed_for_a_moment_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "far" / "deep" / "link"
    path.parent.mkdir()
    path.symlink_to(folder / "plain")
    before = file_states([path])
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    await import_aside("watchfiles")
    with monkeypatch.context() as closed:
        for name in ("stat", "lstat", "readlink"):
            _close(closed, name, folder / "far")
        await watch_files(before, asyncio.Event())
        watching = asyncio.create_task(watch_files(file_states([path]), asyncio.Event()))
        await asyncio.sleep(0)
        assert "Permission denied" in caplog.text
    await watching


def _close(patched: pytest.MonkeyPatch, name: str, folder: Path) -> None:
    """Have a function of ``os`` refuse what is in a folder."""
    call: Callable[..., object] = getattr(os, name)

    def refuse(path: object, *arguments: object, **options: object) -> object:
        if str(path).startswith(f"{folder}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return call(path, *arguments, **options)

    patched.setattr(os, name, refuse)
