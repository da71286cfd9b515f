"""Functions that match URLs: where they are found, and what is said when one does not load."""

import re
import sys
from pathlib import Path

import pytest

from proxy.config.matchers import MatcherLoader

URL = "https://example.com/api/"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_config_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "config", "matchers.py", "def is_api(url): return 'api' in url")
    write(tmp_path / "work", "matchers.py", "def is_api(url): return None")
    monkeypatch.chdir(tmp_path / "work")
    loader = MatcherLoader(tmp_path / "config")
    assert loader.load("matchers:is_api").call(URL) is True
    assert loader.files == {path}


def test_the_working_directory_comes_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "work", "json.py", "def is_api(url): return 2")
    monkeypatch.chdir(tmp_path / "work")
    assert MatcherLoader(tmp_path).load("json:is_api").call(URL) == 2


def test_what_is_installed_comes_last(tmp_path: Path) -> None:
    assert MatcherLoader(tmp_path).load("operator:truth").call(URL) is True


def test_a_package_and_an_attribute_of_an_attribute(tmp_path: Path) -> None:
    write(tmp_path, "rules/__init__.py", "")
    write(tmp_path, "rules/api.py", "class Api:\n    @staticmethod\n    def match(url): return url == ''")
    assert MatcherLoader(tmp_path).load("rules.api:Api.match").call("") is True


def test_a_reload_reads_the_module_again(tmp_path: Path) -> None:
    write(tmp_path, "matchers.py", "def f(url): return 1")
    first = MatcherLoader(tmp_path).load("matchers:f")
    write(tmp_path, "matchers.py", "def f(url): return 2")
    assert MatcherLoader(tmp_path).load("matchers:f").call(URL) == 2
    assert first.call(URL) == 1


def test_one_reading_runs_a_module_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        "matchers.py",
        "calls = []\ndef f(url): return calls.append(url) or len(calls)\ndef g(url): return len(calls)",
    )
    loader = MatcherLoader(tmp_path)
    loader.load("matchers:f").call(URL)
    assert loader.load("matchers:g").call(URL) == 1


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    write(tmp_path, "neighbour.py", "VALUE = 3")
    write(tmp_path, "matchers.py", "from neighbour import VALUE\ndef f(url): return VALUE")
    before = list(sys.path)
    assert MatcherLoader(tmp_path).load("matchers:f").call(URL) == 3
    assert sys.path == before
    assert "matchers" not in sys.modules
    assert not (tmp_path / "__pycache__" / "matchers.cpython-311.pyc").exists()


def test_a_dataclass_in_the_module_works(tmp_path: Path) -> None:
    write(
        tmp_path,
        "matchers.py",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass A:\n    x: int = 1\n    def __call__(self, url): return self.x\nmatch = A()",
    )
    assert MatcherLoader(tmp_path).load("matchers:match").call(URL) == 1


REFUSED = [
    pytest.param("matchers", "", "write module:callable", id="no-colon"),
    pytest.param("a-b:c", "", "write module:callable", id="not-an-identifier"),
    pytest.param("../matchers:f", "", "write module:callable", id="path"),
    pytest.param(
        "traceward_no_such:f",
        "",
        "there is no module traceward_no_such in FOLDER, nor is it installed: write traceward_no_such.py",
        id="no-module",
    ),
    pytest.param(
        "matchers:f", "x = 1", "matchers has no f: write the name of a function in it", id="no-attribute"
    ),
    pytest.param("matchers:is_ap", "def is_api(u): ...", "no is_ap: write is_api", id="near"),
    pytest.param("matchers:x", "x = 1", "matchers:x is not callable", id="not-callable"),
    pytest.param("matchers:f", "async def f(u): ...", "matchers:f is async", id="async"),
    pytest.param(
        "matchers:f", "def f(): ...", "cannot be called with the URL alone: too many", id="no-argument"
    ),
    pytest.param(
        "matchers:f", "def f(a, b): ...", "alone: missing a required argument: 'b'", id="two-arguments"
    ),
    pytest.param("matchers:f", "def f(:", "does not load: SyntaxError: ", id="syntax"),
    pytest.param(
        "matchers:f", "\n\n1 / 0", "ZeroDivisionError: division by zero (FOLDER/matchers.py:3)", id="raises"
    ),
    pytest.param(
        "matchers:f", "import no_such", "ModuleNotFoundError: No module named 'no_such'", id="imports-nothing"
    ),
    pytest.param("matchers:f", "raise SystemExit(3)", "SystemExit: 3", id="exits"),
    pytest.param("matchers:f", b"\xff", "SyntaxError: ", id="not-utf-8"),
    pytest.param("matchers:f", b"\0", "does not load: ", id="nul"),
]


@pytest.mark.parametrize(("name", "source", "words"), REFUSED)
def test_refuse(
    name: str, source: str | bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = source if isinstance(source, bytes) else source.encode()
    (tmp_path / "matchers.py").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(words.replace("FOLDER", str(tmp_path)))):
        MatcherLoader(tmp_path).load(name)


def test_a_module_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    write(tmp_path, "matchers.py", "1 / 0")
    before = set(sys.modules)
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        MatcherLoader(tmp_path).load("matchers:f")
    assert set(sys.modules) == before


def test_a_module_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    loader = MatcherLoader(tmp_path)
    with pytest.raises(ValueError, match="there is no module"):
        loader.load("pages.matchers:f")
    assert tmp_path / "pages" / "matchers.py" in loader.files
