"""Proxies of the comparison before an upstream that tells what reached it."""

import json
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.peer import Peer, Setup
from bench.running import Bench, Running, make_certificate


class Telling(BaseHTTPRequestHandler):
    """Answers with the fields of the request, and the size of its body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        size = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        told = {"target": self.path, "fields": self.headers.items(), "size": size}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench whose upstream tells what reached it."""
    folder = tmp_path_factory.mktemp("bench")
    with ThreadingHTTPServer(("127.0.0.1", 0), Telling) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_port
        yield Bench(folder, seconds=1, upstream=port, sink=port, pem=make_certificate(folder))
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def running(bench: Bench) -> Iterator[Callable[[Peer, Setup], Running]]:
    """Start a proxy, once for each setup; skip the test where there is none."""
    with ExitStack() as stack:
        started: dict[tuple[str, Setup], Running] = {}

        def start(peer: Peer, setup: Setup) -> Running:
            if platform.system() != "Linux":
                pytest.skip("processes are pinned and read with what Linux has")
            if (why := peer.missing()) is not None:
                pytest.skip(why)
            if setup.tls and bench.pem is None:
                pytest.skip("there is no openssl here")
            key = (peer.name, setup)
            if key not in started:
                cores = frozenset(os.sched_getaffinity(0))
                started[key] = stack.enter_context(bench.proxy(peer, setup, cores=cores))
            return started[key]

        yield start
