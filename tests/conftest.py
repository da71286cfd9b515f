"""What every test shares: proxies to start, and no deadline for Hypothesis: a busy machine is not a bug."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import proxy
from proxy import COMPILED

if TYPE_CHECKING:
    from email.message import Message

settings.register_profile("traceward", deadline=None)
settings.load_profile("traceward")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the compiled build be tested: ``make test-compiled``."""
    parser.addoption(
        "--compiled", action="store_true", help="test the compiled build, which must be what is imported"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Test no other build than is asked for: extension modules go before sources that stand beside them."""
    if config.getoption("--compiled") != COMPILED:
        found = "compiled" if COMPILED else "interpreted"
        raise pytest.UsageError(
            f"what is imported is {found}: {proxy.__file__}; --compiled tests what is compiled"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what cannot hold of compiled modules."""
    if not COMPILED:
        return
    for item in items:
        for marker in item.iter_markers("interpreted"):
            item.add_marker(pytest.mark.skip(reason=f"interpreted alone: {marker.args[0]}"))


class RunningProxy:
    """A proxy in a process of its own; ``urls`` are its listeners', in order."""

    def __init__(self, process: subprocess.Popen[str], urls: list[str], admin_url: str) -> None:
        self.process = process
        self.urls = urls
        self.admin_url = admin_url

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return int(self.urls[0].rpartition(":")[2])

    def admin(self, path: str) -> str:
        """Return the body of a GET to the admin server."""
        with urllib.request.urlopen(self.admin_url + path, timeout=10) as response:
            body: bytes = response.read()
            return body.decode()

    def stop(self) -> int:
        """Drain it; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class OtlpCollector(ThreadingHTTPServer):
    """Takes spans over OTLP/HTTP, and answers as ``answers`` say, then with 200.

    While ``go`` is not set, requests get no answer. ``spans`` are those that it took.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _TakeSpans)
        self.answers: deque[tuple[int, dict[str, str], bytes]] = deque()
        self.go = threading.Event()
        self.go.set()
        self.requests: list[tuple[Message, ExportTraceServiceRequest]] = []
        self.spans: list[Span] = []
        self.changed = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """What goes to ``spans.otlp``."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def wait_for(self, *, spans: int = 0, requests: int = 0) -> list[Span]:
        """Wait until so many came; return all spans."""
        with self.changed:
            came = self.changed.wait_for(
                lambda: len(self.spans) >= spans and len(self.requests) >= requests, timeout=20
            )
            assert came, f"{len(self.spans)} spans in {len(self.requests)} requests"
            return list(self.spans)

    def handle_error(self, request: object, client_address: object) -> None:
        """A proxy that gives up leaves its request: no error here."""

    def stop(self) -> None:
        """End it, and let go of who waits."""
        self.go.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _TakeSpans(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OtlpCollector

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        request = ExportTraceServiceRequest.FromString(body)
        server = self.server
        status, headers, answer = server.answers.popleft() if server.answers else (200, {}, b"")
        with server.changed:
            server.requests.append((self.headers, request))
            if status == 200 and server.go.is_set():
                for resource_spans in request.resource_spans:
                    for scope_spans in resource_spans.scope_spans:
                        server.spans += scope_spans.spans
            server.changed.notify_all()
        server.go.wait(20)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def start_otlp_collector() -> Iterator[Callable[[], OtlpCollector]]:
    """Start collectors of spans; they stop at the end."""
    started: list[OtlpCollector] = []

    def start() -> OtlpCollector:
        started.append(OtlpCollector())
        return started[-1]

    yield start
    for collector in started:
        collector.stop()


@pytest.fixture
def otlp_collector(start_otlp_collector: Callable[[], OtlpCollector]) -> OtlpCollector:
    """A collector of spans."""
    return start_otlp_collector()


@pytest.fixture(scope="session")
def start_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningProxy]]:
    """Start proxies with a config's text, which has every port be 0; they stop at the end."""
    started: list[RunningProxy] = []

    def start(config: str, environ: Mapping[str, str] | None = None) -> RunningProxy:
        file = tmp_path_factory.mktemp("config") / "traceward.yaml"
        file.write_text(config)
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", "run", "-c", str(file)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        assert process.stdout is not None
        urls: list[str] = []
        for line in process.stdout:
            kind, _, url = line.strip().partition(" on ")
            if kind == "admin":
                running = RunningProxy(process, urls, url)
                started.append(running)
                return running
            urls.append(url)
        raise AssertionError(f"the proxy ended with status {process.wait()} before it listened")

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait(timeout=10)
        assert running.process.stdout is not None
        running.process.stdout.close()


_CA_CONFIG = """\
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_HERE = "subjectAltName=DNS:localhost,IP:127.0.0.1"
_ELSEWHERE = "subjectAltName=DNS:other.test"
_EXPIRED = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
_VALID = ("-days", "30")


class Certificates:
    """Certificates of all kinds, made once: ``ca`` issued all but ``unknown``, which ``other_ca`` did.

    ``here`` is for localhost and 127.0.0.1, ``elsewhere`` for other.test; ``expired`` and ``unknown`` are
    for localhost and 127.0.0.1 again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ca.cnf").write_text(_CA_CONFIG)
        (folder / "index.txt").touch()
        for authority in ("ca", "other_ca"):
            self._openssl(
                *("req", "-x509", "-config", "ca.cnf", *_KEY, "-days", "30", "-subj", f"/CN={authority}"),
                *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
                *("-addext", "subjectKeyIdentifier=hash"),
                *("-keyout", f"{authority}.key", "-out", f"{authority}.pem"),
            )
        self._issue("here", "ca", _HERE, _VALID)
        self._issue("elsewhere", "ca", _ELSEWHERE, _VALID)
        self._issue("expired", "ca", _HERE, _EXPIRED)
        self._issue("unknown", "other_ca", _HERE, _VALID)

    def cert(self, name: str) -> Path:
        """Return the file of a certificate."""
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Return the file of its private key."""
        return self.folder / f"{name}.key"

    def _issue(self, name: str, authority: str, names: str, validity: tuple[str, ...]) -> None:
        self._openssl(
            *("req", "-new", "-config", "ca.cnf", *_KEY, "-subj", f"/CN={name}", "-addext", names),
            *("-addext", "basicConstraints=CA:FALSE"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        (self.folder / "ext.cnf").write_text("authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        self._openssl(
            *("ca", "-config", "ca.cnf", "-batch", "-notext", "-extfile", "ext.cnf"),
            *("-cert", f"{authority}.pem", "-keyfile", f"{authority}.key", *validity),
            *("-in", f"{name}.csr", "-out", f"{name}.pem"),
        )

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates, where there is openssl to make them."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    return Certificates(tmp_path_factory.mktemp("certificates"))
