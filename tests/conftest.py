"""What every test shares: proxies to start, and no deadline for Hypothesis: a busy machine is not a bug."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import settings

settings.register_profile("traceward", deadline=None)
settings.load_profile("traceward")


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
