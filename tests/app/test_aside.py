"""Modules that are imported beside a loop."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.app.aside import import_aside

#: Tells who imported it, and how long the interpreter runs a thread meanwhile.
MODULE = """
import sys
from threading import current_thread, main_thread

aside = current_thread() is not main_thread()
interval = sys.getswitchinterval()
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.syspath_prepend(tmp_path)
    yield
    gc.unfreeze()
    for name in ("imported_aside", "broken_aside"):
        sys.modules.pop(name, None)


async def test_a_module_is_imported_in_a_thread_that_gives_way(tmp_path: Path) -> None:
    (tmp_path / "imported_aside.py").write_text(MODULE)
    before = sys.getswitchinterval()
    await import_aside("imported_aside")
    found = sys.modules["imported_aside"]
    assert found.aside
    assert found.interval < before
    assert sys.getswitchinterval() == before


async def test_one_that_fails_leaves_the_interpreter_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "broken_aside.py").write_text("raise ImportError('broken')")
    before = sys.getswitchinterval()
    with pytest.raises(ImportError, match="broken"):
        await import_aside("broken_aside")
    assert sys.getswitchinterval() == before


async def test_one_that_is_there_is_left_alone() -> None:
    frozen = gc.get_freeze_count()
    await import_aside("sys")
    assert gc.get_freeze_count() == frozen
