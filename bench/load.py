"""Load on a proxy, from the core that is not the proxy's: wrk, wrk2, and what there is where they are not."""

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.machine import LOAD_CORE, pin
from bench.requests import HEADERS, Kind, script, target
from bench.rig import ROOT
from bench.running import Running

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Answered:
    """How many requests were answered in how many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Latency:
    """How many were answered a second, and how long they took, seconds."""

    rate: float
    p50: float
    p99: float


def saturating_tool() -> str:
    """Return what sends as fast as it is answered."""
    return "wrk" if shutil.which("wrk") else "bench.generator"


def pacing_tool() -> str:
    """Return what sends at a rate, whether answered or not: wrk has none."""
    return "wrk2" if shutil.which("wrk2") else "bench.generator"


def saturate(proxy: Running, kind: Kind, *, seconds: int, connections: int, folder: Path) -> Answered:
    """Send as fast as is answered."""
    if saturating_tool() == "wrk":
        said = _run(_wrk("wrk", proxy, kind, seconds=seconds, connections=connections, folder=folder))
        return Answered(_find_requests(said), _seconds(_find(r"requests in ([\d.]+\w+)", said)))
    answered = _generate(proxy, kind, seconds=seconds, connections=connections)
    return Answered(int(answered["requests"]), answered["seconds"])


def pace(proxy: Running, kind: Kind, *, rate: float, seconds: int, connections: int, folder: Path) -> Latency:
    """Send at a rate; latency counts from when a request was due."""
    if pacing_tool() == "wrk2":
        command = _wrk("wrk2", proxy, kind, seconds=seconds, connections=connections, folder=folder)
        said = _run([*command[:-1], "--latency", f"-R{rate:.0f}", command[-1]])
        return Latency(
            float(_find(r"Requests/sec:\s+([\d.]+)", said)),
            _seconds(_find(r"50\.000%\s+(\S+)", said)),
            _seconds(_find(r"99\.000%\s+(\S+)", said)),
        )
    answered = _generate(proxy, kind, seconds=seconds, connections=connections, rate=rate)
    return Latency(answered["requests"] / answered["seconds"], answered["p50"], answered["p99"])


def transfer(proxy: Running, direction: str, *, size: int, seconds: int) -> int:
    """Send or receive whole bodies for so long; return how many bytes."""
    command = [sys.executable, "-m", "bench.bulk", direction, str(proxy.port), str(size), str(seconds)]
    return int(_run(command))


def _wrk(tool: str, proxy: Running, kind: Kind, *, seconds: int, connections: int, folder: Path) -> list[str]:
    command = [tool, "-t1", f"-c{connections}", f"-d{seconds}"]
    for header in HEADERS:
        command += ["-H", header]
    text = script(kind, time.monotonic_ns() // 1000)
    if text:
        path = folder / f"{kind}.lua"
        path.write_text(text)
        command += ["-s", str(path)]
    scheme = "https" if proxy.tls else "http"
    return [*command, f"{scheme}://127.0.0.1:{proxy.port}{target(kind)}"]


def _generate(
    proxy: Running, kind: Kind, *, seconds: int, connections: int, rate: float | None = None
) -> dict[str, float]:
    if proxy.tls:
        raise RuntimeError("wrk alone speaks TLS here")
    command = [sys.executable, "-m", "bench.generator", str(proxy.port), "--kind", kind]
    command += ["--seconds", str(seconds), "--connections", str(connections)]
    if rate is not None:
        command += ["--rate", f"{rate:.0f}"]
    answered: dict[str, float] = json.loads(_run(command))
    return answered


def _run(command: list[str]) -> str:
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, preexec_fn=partial(pin, LOAD_CORE)
    )
    if ended.returncode or "Non-2xx" in ended.stdout or "Socket errors" in ended.stdout:
        raise RuntimeError(f"requests failed: {' '.join(command)}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def _find_requests(said: str) -> int:
    return int(_find(r"(\d+) requests in", said))


def _find(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise RuntimeError(f"there is no {pattern} in:\n{said}")
    return found[1]


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]
