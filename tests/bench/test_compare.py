"""The command in a short run, and the load that is not wrk's."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.machine import BOTH_CORES
from bench.requests import Kind
from bench.rig import ROOT
from bench.running import Bench, serve

pytestmark = pytest.mark.skipif(len(BOTH_CORES) < 2, reason="needs Linux and two cores")


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The upstreams alone."""
    with serve(tmp_path_factory.mktemp("upstreams"), seconds=1) as bench:
        yield bench


def run(*arguments: object, environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return what a module prints, and what it says on stderr."""
    command = [sys.executable, "-m", *map(str, arguments)]
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=50, env=environ
    )
    return ended.stdout, ended.stderr


def test_a_row_is_measured_printed_and_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    printed, _ = run("bench.compare", "--only", "start", "--rounds", 1, "--json", file, "--markdown")
    assert "Traceward" in printed.splitlines()[0]
    variants = json.loads(file.read_text())["rows"]["start"]["variants"]
    assert {"aiohttp", "Traceward"} <= variants.keys()
    assert all(variant["figures"]["start_s"]["median"] > 0 for variant in variants.values())


def test_where_nothing_is_installed_that_is_said_and_the_rest_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ("--only", "same", "tls", "--rounds", 1, "--seconds", 1, "--json", file)
    _, said = run("bench.compare", *options, environ={"PATH": "", "HOME": str(tmp_path)})
    for what in ("nginx: there is no nginx", "HAProxy: there is no haproxy", "Caddy: there is no caddy"):
        assert f"skipped: {what} here" in said
    assert "skipped: tls: there is no openssl here" in said
    told = json.loads(file.read_text())
    assert told["rows"]["same"]["variants"].keys() - {"Traceward, compiled"} == {"aiohttp", "Traceward"}
    assert told["tools"]["saturating"] == "bench.generator"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("paced", [False, True], ids=["saturating", "paced"])
def test_the_generator_has_requests_of_each_kind_answered(kind: Kind, paced: bool, upstreams: Bench) -> None:
    rate = ("--rate", 200) if paced else ()
    options = ("--kind", kind, "--seconds", 0.2, "--connections", 4)
    found = json.loads(run("bench.generator", upstreams.sink, *options, *rate)[0])
    assert found["requests"] > 0
    assert 0 < found["p50"] <= found["p99"]


@pytest.mark.parametrize("direction", ["download", "upload"])
def test_large_bodies_pass_whole(direction: str, upstreams: Bench) -> None:
    size = 2**21
    total = int(run("bench.bulk", direction, upstreams.sink, size, 0.1)[0])
    assert total >= size
    assert total % size == 0
