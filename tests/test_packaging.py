"""What is built and installed: the wheel's files, and the locks' promises."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pathspec
import pytest

import proxy

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIRED = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["otlp"]
COMPILE = [entry for entry in PROJECT["dependency-groups"]["compile"] if isinstance(entry, str)]
HOOK = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
LOCKS = {path.stem: path.read_text() for path in sorted((ROOT / "requirements").glob("*.lock"))}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def _pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCKS[lock], re.MULTILINE))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=50)
    return zipfile.ZipFile(next(folder.glob("*-py3-none-any.whl")))


def test_the_wheel_holds_the_package_typed_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"proxy", f"traceward-{proxy.__version__}.dist-info"}
    assert "proxy/py.typed" in wheel.namelist()


def test_the_wheel_holds_the_demo_config(wheel: zipfile.ZipFile) -> None:
    assert wheel.read("proxy/demo/demo.yaml") == (ROOT / "config" / "demo.yaml").read_bytes()


@pytest.mark.parametrize("pattern", [*HOOK["include"], *HOOK["exclude"]])
def test_what_is_compiled_is_there(pattern: str) -> None:
    spec = pathspec.GitIgnoreSpec.from_lines([pattern])
    assert any(spec.match_file(path.relative_to(ROOT)) for path in (ROOT / "proxy").rglob("*.py"))


def test_the_wheel_gives_the_command(wheel: zipfile.ZipFile) -> None:
    entry_points = wheel.read(f"traceward-{proxy.__version__}.dist-info/entry_points.txt").decode()
    assert "traceward = proxy.cli:main" in entry_points


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_every_version_by_hash(lock: str) -> None:
    requirements = [line for line in LOCKS[lock].splitlines() if line and line[0] not in " #"]
    assert requirements
    assert all("==" in line and line.endswith("\\") for line in requirements)


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_address(lock: str) -> None:
    assert re.search(r"//|^--|^-f|@ ", LOCKS[lock], re.MULTILINE) is None


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        pytest.param("run", REQUIRED, id="run"),
        pytest.param("build", PROJECT["build-system"]["requires"], id="build"),
        pytest.param("compile", PROJECT["build-system"]["requires"] + COMPILE, id="compile"),
        pytest.param(
            "dev",
            REQUIRED
            + PROJECT["build-system"]["requires"]
            + COMPILE
            + [entry for entry in PROJECT["dependency-groups"]["dev"] if isinstance(entry, str)],
            id="dev",
        ),
    ],
)
def test_locks_hold_all_that_is_asked_for(lock: str, requirements: list[str]) -> None:
    assert _names(requirements) <= _pins(lock).keys()


def test_what_compiles_in_an_environment_of_pip_is_what_is_locked() -> None:
    assert HOOK["dependencies"] == COMPILE


@pytest.mark.parametrize("lock", ["run", "build", "compile"])
def test_tests_run_on_the_versions_that_are_shipped(lock: str) -> None:
    assert _pins(lock).items() <= _pins("dev").items()
