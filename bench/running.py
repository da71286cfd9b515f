"""The upstreams and the proxies of a run: started, awaited, stopped."""

import contextlib
import http.client
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import LOAD_CORE, PROXY_CORE, start, stop
from bench.peer import CONFIGS, Peer, Place, Setup
from bench.rig import free_port
from bench.sink import BODY

START_SECONDS = 20
_POLL_SECONDS = 0.002
#: What the upstream has as files, named by their size.
SIZES = (64 * 2**10, 256 * 2**20)


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy that answers."""

    pid: int
    port: int
    tls: bool
    #: Seconds from its start to its first answer.
    started_in: float


@dataclass(frozen=True, slots=True)
class Bench:
    """What all rows share. ``upstream`` is nginx where that is installed; ``sink`` reads bodies."""

    folder: Path
    seconds: int
    upstream: int
    sink: int
    pem: Path | None

    @contextmanager
    def proxy(
        self, peer: Peer, setup: Setup, *, sink: bool = False, cores: frozenset[int] = PROXY_CORE
    ) -> Iterator[Running]:
        """Run a proxy until the end of the block."""
        port = free_port()
        folder = self.folder / f"{port}"
        folder.mkdir(exist_ok=True)
        place = Place(folder, port, self.sink if sink else self.upstream, self.sink, self.pem)
        command = peer.prepare(setup, place)
        log = folder / "log"
        began = time.perf_counter()
        process = start(command, cores, log, peer.folder)
        try:
            _await_answer(process, port, tls=setup.tls, log=log)
            yield Running(process.pid, port, setup.tls, time.perf_counter() - began)
        finally:
            stop(process)

    def spans_received(self) -> int:
        """Return how many requests with spans the collector got."""
        return int(fetch(self.sink, "/spans"))


@contextmanager
def serve(folder: Path, seconds: int) -> Iterator[Bench]:
    """Run the upstreams in a folder."""
    folder.chmod(0o755)  # nginx's workers are nobody
    with contextlib.ExitStack() as stack:
        sink = _serve_sink(stack, folder)
        upstream = sink if shutil.which("nginx") is None else _serve_nginx(stack, folder)
        yield Bench(folder, seconds, upstream, sink, make_certificate(folder))


def fetch(port: int, target: str = "/", *, tls: bool = False) -> bytes:
    """Return the body of an answer that must be a 200."""
    if tls:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1",
            port,
            timeout=10,
            context=ssl._create_unverified_context(),
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", target)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"port {port} answers {target} with {answer.status}")
        return answer.read()


def _serve_sink(stack: contextlib.ExitStack, folder: Path) -> int:
    port = free_port()
    log = folder / "sink.log"
    process = start([sys.executable, "-m", "bench.sink", str(port)], LOAD_CORE, log)
    stack.callback(stop, process)
    _await_answer(process, port, tls=False, log=log)
    return port


def _serve_nginx(stack: contextlib.ExitStack, folder: Path) -> int:
    own = folder / "upstream"
    (own / "bytes").mkdir(parents=True)
    for size in SIZES:
        with (own / "bytes" / f"{size}").open("wb") as file:
            file.truncate(size)
    port = free_port()
    text = (CONFIGS / "upstream.conf").read_text()
    for word, value in {"FOLDER": own, "PORT": port, "BODY": BODY.decode()}.items():
        text = text.replace(f"@{word}@", str(value))
    config = own / "upstream.conf"
    config.write_text(text)
    process = start(["nginx", "-e", str(own / "error"), "-c", str(config)], LOAD_CORE, own / "log")
    stack.callback(stop, process)
    _await_answer(process, port, tls=False, log=own / "log")
    return port


def make_certificate(folder: Path) -> Path | None:
    """Make a file of key and certificate, where there is openssl."""
    if shutil.which("openssl") is None:
        return None
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost"
    )
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    both.write_text(key.read_text() + cert.read_text())
    return both


def _await_answer(process: subprocess.Popen[bytes], port: int, *, tls: bool, log: Path) -> None:
    """Wait for the first answer, asking every two milliseconds."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            fetch(port, tls=tls)
        except OSError as error:
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text(errors="replace").strip()
                raise RuntimeError(f"{process.args!r} did not start: {said or error}") from error
            time.sleep(_POLL_SECONDS)
        else:
            return
