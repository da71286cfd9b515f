"""The promises of the image, read from the Dockerfile itself."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)


def _stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage as (keyword, rest), with continued lines joined."""
    text = _COMMENT.sub("", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    stages: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        keyword, _, rest = line.partition(" ")
        if keyword == "FROM":
            stages.append([])
        stages[-1].append((keyword, rest.strip()))
    return stages


STAGES = _stages()
FINAL = dict(STAGES[-1])


def test_is_built_in_two_stages_of_the_same_slim_python() -> None:
    images = [stage[0][1].split()[0] for stage in STAGES]
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.1[1-9]-slim", images[0])


def test_the_final_stage_runs_nothing_as_root_and_builds_nothing() -> None:
    user = FINAL["USER"].split(":")
    assert all(part.isdigit() and part != "0" for part in user)
    assert not any("pip" in rest for keyword, rest in STAGES[-1] if keyword == "RUN")


@pytest.mark.parametrize(
    ("keyword", "command"),
    [
        pytest.param("ENTRYPOINT", ["traceward"], id="entrypoint"),
        pytest.param("CMD", ["run", "-c", "/etc/traceward/traceward.yaml"], id="default-arguments"),
    ],
)
def test_commands_are_in_exec_form(keyword: str, command: list[str]) -> None:
    assert json.loads(FINAL[keyword]) == command


def test_health_is_asked_of_the_admin_port_by_python_in_exec_form() -> None:
    options, _, command = FINAL["HEALTHCHECK"].partition("CMD ")
    program = json.loads(command)
    assert "--interval=" in options
    assert program[:2] == ["python", "-c"]
    assert "'/healthz'" in program[2]
    assert "9901" in program[2]
    compile(program[2], "HEALTHCHECK", "exec")


def test_stops_by_the_signal_that_drains() -> None:
    assert FINAL["STOPSIGNAL"] == "SIGTERM"


def test_exposes_the_proxy_and_the_admin_port() -> None:
    assert FINAL["EXPOSE"].split() == ["8080", "9901"]


def test_everything_copied_exists_and_is_let_through_by_dockerignore() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    sources = [
        source.rstrip("/")
        for stage in STAGES
        for keyword, rest in stage
        if keyword == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    assert set(sources) == kept


def test_what_is_installed_is_locked() -> None:
    installs = [rest for stage in STAGES for keyword, rest in stage if keyword == "RUN" and "install" in rest]
    commands = [part for rest in installs for part in rest.split("&&") if "pip install" in part]
    assert commands
    assert all("--require-hashes" in command or "--no-index" in command for command in commands)


def test_what_runs_is_compiled() -> None:
    commands = [rest for keyword, rest in STAGES[0] if keyword == "RUN"]
    wheel = next(command for command in commands if "pip wheel" in command)
    assert "HATCH_BUILD_HOOK_ENABLE_MYPYC=1 pip wheel" in wheel
    assert any("requirements/compile.lock" in command for command in commands)
    assert any("apt-get install" in command and " gcc" in command for command in commands)
