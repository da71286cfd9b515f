"""What the proxy holds under load and faults; the scenarios are those of ``python -m bench.faults``."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.faults import SCENARIOS

ROOT = Path(__file__).parents[2]

#: Those that need neither long waits nor a quiet machine.
SMALL = ["load", "idle", "transfer", "slow-readers", "restarts", "reloads", "worker-kills"]


def run(*arguments: str) -> str:
    """Run scenarios in a process of their own; return the figures, all of which must hold."""
    command = [sys.executable, "-m", "bench.faults", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", SMALL)
def test_it_holds_in_a_small_size(name: str) -> None:
    assert run("--small", name).endswith(": ok")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_it_holds_in_full_size(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run(name)
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
