"""``traceward demo`` as a new user meets it: what it prints, and what comes of pasting it."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

COMMAND = [sys.executable, "-m", "proxy", "demo"]


class Demo(NamedTuple):
    """A demo that runs, and all that it printed."""

    process: subprocess.Popen[str]
    lines: list[str]

    @property
    def curl_lines(self) -> list[str]:
        return [line for line in self.lines if line.startswith("curl ")]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--admin-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if "/metrics" in line:
            break
    yield Demo(process, lines)
    process.kill()
    process.communicate()


def _paste(line: str) -> str:
    """Run a line in a shell; return what it prints."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=True).stdout


def _trace_headers(line: str) -> Any:
    return json.loads(_paste(line))["trace_headers"]


def test_it_tells_where_it_listens_and_then_what_to_paste(demo: Demo) -> None:
    listening, admin, blank, *rest = demo.lines
    assert listening.startswith("listening on http://127.0.0.1:")
    assert admin.startswith("admin on http://127.0.0.1:")
    assert blank == ""
    url, admin_url = (line.partition(" on ")[2] for line in (listening, admin))
    assert len(demo.curl_lines) == 5
    assert all(f"{url}/" in line or f"{admin_url}/" in line for line in demo.curl_lines)
    assert all(line.startswith(("# ", "curl ")) for line in rest if line)


@pytest.mark.peer
def test_the_first_line_is_sampled(demo: Demo) -> None:
    arrived = _trace_headers(demo.curl_lines[0])
    assert arrived["traceparent"].endswith("-01")
    assert arrived["tracestate"].startswith("dd=s:1")


@pytest.mark.peer
def test_the_second_is_filtered_and_anna_is_not(demo: Demo) -> None:
    line = demo.curl_lines[1]
    assert _trace_headers(line) == {}
    assert _trace_headers(line.replace("walter", "anna"))["traceparent"].endswith("-01")


@pytest.mark.peer
def test_the_third_is_repaired(demo: Demo) -> None:
    line = demo.curl_lines[2]
    sent = line.partition("traceparent: ")[2].partition("'")[0]
    arrived = _trace_headers(line)["traceparent"]
    assert "0" * 32 in sent
    assert arrived != sent
    assert "0" * 32 not in arrived


@pytest.mark.peer
def test_the_fourth_is_a_preflight_that_passes(demo: Demo) -> None:
    status, *fields = _paste(demo.curl_lines[3]).splitlines()
    answered = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    assert status == "HTTP/1.1 204 No Content"
    assert answered["x-asked-for"] == "content-type"
    assert "traceparent" in answered["access-control-allow-headers"].split(", ")
    assert answered["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.peer
def test_the_last_shows_the_decisions_counted(demo: Demo) -> None:
    _paste(demo.curl_lines[0])
    counted = _paste(demo.curl_lines[-1])
    assert 'traceward_decisions_total{decision="sampled",reason="rate",rule="checkout"}' in counted


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_a_taken_port_is_told_with_what_to_do(option: str) -> None:
    other = "--admin-port" if option == "--port" else "--port"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [*COMMAND, option, port, other, "0"], capture_output=True, text=True, timeout=30, check=False
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}: the address is in use" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_ends_it_with_nothing_more_to_say(demo: Demo) -> None:
    demo.process.send_signal(signal.SIGINT)
    out, errors = demo.process.communicate(timeout=20)
    assert (demo.process.returncode, out.strip(), errors) == (0, "", "")
