"""Whole proxies in processes of their own, and an upstream in this one."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.rig import free_port as free_port


class Upstream(ThreadingHTTPServer):
    """Says which headers arrived; /wait answers when ``go`` is set, and ``waiting`` tells that it waits."""

    daemon_threads = True
    #: By default 5: connections of a burst beyond them are made a second later.
    request_queue_size = 1024

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Answer)
        self.connections = 0
        self.go = threading.Event()
        self.waiting = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A proxy that ends leaves its upstream: no error here."""

    def stop(self) -> None:
        self.go.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        if self.path == "/wait":
            self.server.waiting.set()
            self.server.go.wait(20)
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


class Proxy:
    """A proxy in a process; ``lines`` are those of its stdout so far, ``file`` is its config."""

    def __init__(self, process: subprocess.Popen[str], file: Path, errors: Path) -> None:
        self.process = process
        self.file = file
        self._errors = errors
        self.lines: list[str] = []

    def wait_until_started(self) -> "Proxy":
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.startswith("admin on "):
                return self
        raise AssertionError(f"ended with status {self.process.wait()}: {self.errors}")

    @property
    def urls(self) -> list[str]:
        return [line.removeprefix("listening on ") for line in self.lines if line.startswith("listening")]

    @property
    def admin_url(self) -> str:
        return self.lines[-1].removeprefix("admin on ")

    @property
    def port(self) -> int:
        return port_of(self.urls[0])

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        return get(self.urls[0] + path, headers)

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        with urllib.request.urlopen(self.admin_url + "/metrics", timeout=10) as response:
            text = response.read().decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def count(self, name: str, **labels: str) -> float:
        """Return the value of a series, 0 where there is none."""
        return self.metrics().get((name, frozenset(labels.items())), 0)

    def rewrite(self, config: str) -> None:
        """Put another config in the place of the one that it reads, in one step."""
        new = self.file.with_suffix(".new")
        new.write_text(config)
        new.replace(self.file)

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return sorted(int(line) for line in found.stdout.split())

    def ask_to_reload(self) -> tuple[int, Any]:
        """Return status and JSON of what the admin server says to a reload."""
        return get(self.admin_url + "/api/reload", method="POST")

    def hang_up(self, times: int = 1) -> None:
        """Reload by signal, and wait until it is done."""
        for _ in range(times):
            before = self.reloads
            self.process.send_signal(signal.SIGHUP)
            self.wait(lambda before=before: self.reloads > before)  # type: ignore[misc]

    @property
    def reloads(self) -> float:
        """How many reloads were made, whatever became of them."""
        counted = self.metrics()
        return sum(count for (name, _), count in counted.items() if name == "traceward_config_reloads_total")

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for what comes of a signal or a file that changed; the test's own timeout ends it."""
        while not condition():
            assert self.process.poll() is None, self.errors
            time.sleep(0.01)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


Start = Callable[..., Proxy]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a proxy with a config's text and wait until it listens."""
    started: list[Proxy] = []

    def start(config: str | None, *, file: Path | None = None, stdout: int = subprocess.PIPE) -> Proxy:
        file = file or tmp_path / "traceward.yaml"
        if config is not None:
            file.write_text(config)
        errors = tmp_path / f"errors-{len(started)}"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "proxy", "run", "-c", str(file)],
                stdout=stdout,
                stderr=stderr,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        proxy = Proxy(process, file, errors)
        started.append(proxy)
        return proxy.wait_until_started() if stdout == subprocess.PIPE else proxy

    yield start
    for proxy in started:
        if proxy.process.poll() is None:
            proxy.process.kill()
        proxy.process.wait()
        if proxy.process.stdout is not None:
            proxy.process.stdout.close()


@pytest.fixture
def make_certificate() -> Callable[[Path, str], None]:
    """Make cert.pem and key.pem in a folder, for a name."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl here")
    make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

    def make_certificate(folder: Path, name: str) -> None:
        new = [folder / f"{kind}.pem.new" for kind in ("cert", "key")]
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
        files = ["-out", str(new[0]), "-keyout", str(new[1])]
        subprocess.run([openssl, *make.split(), *subject, *files], check=True, capture_output=True)
        for file in new:
            file.replace(file.with_suffix(""))

    return make_certificate


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def get(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(config: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "bad.yaml"
    file.write_text(config)
    return subprocess.run(
        [sys.executable, "-m", "proxy", "run", "-c", str(file)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def config_of(upstream: Upstream | str, listen: str = "127.0.0.1:0", more: str = "") -> str:
    url = upstream if isinstance(upstream, str) else upstream.url
    rules = "{rules: [{name: api, match: /api/, sample_rate: 100}]}"
    return (
        f"listen: {listen}\nupstream: {url}\nadmin: {{listen: '127.0.0.1:0'}}\n"
        + ("" if "tracing:" in more else f"tracing: {rules}\n")
        + more
    )


def unix_connection(path: str) -> HTTPConnection:
    connection = HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(path)
    return connection


def labels(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())
