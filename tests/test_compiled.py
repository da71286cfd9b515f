"""Which build is tested: the sources, or the compiled wheel with ``--compiled``."""

import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pathspec
import pytest

from proxy import COMPILED

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HOOK = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]


def _modules() -> list[str]:
    included, excluded = (pathspec.GitIgnoreSpec.from_lines(HOOK[which]) for which in ("include", "exclude"))
    files = [path.relative_to(ROOT) for path in sorted((ROOT / "proxy").rglob("*.py"))]
    return [
        ".".join(file.with_suffix("").parts)
        for file in files
        if included.match_file(file) and not excluded.match_file(file)
    ]


@pytest.mark.parametrize("name", _modules())
def test_each_module_is_of_the_build_that_is_tested(name: str) -> None:
    file = import_module(name).__file__
    assert file is not None
    assert file.endswith(EXTENSION_SUFFIXES[0]) is COMPILED


def test_so_is_what_programs_import(tmp_path: Path) -> None:
    said = subprocess.check_output([sys.executable, "-m", "proxy", "--version"], cwd=tmp_path, text=True)
    assert ("(compiled)" in said) is COMPILED
