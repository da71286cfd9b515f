"""SIGHUP while a proxy starts: it reloads once it serves, and ends by no means."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.app.early_hangup import EarlyHangup
from tests.app.conftest import Proxy, Upstream, config_of

#: The fixture ``launch``.
Launch = Callable[[], Proxy]

WORKERS = [pytest.param("", id="one-process"), pytest.param("workers: 2\n", id="two-workers")]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start a proxy by the config ``traceward.yaml``, without waiting for anything."""
    launched: list[subprocess.Popen[str]] = []

    def launch() -> Proxy:
        errors = tmp_path / "errors"
        file = tmp_path / "traceward.yaml"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "proxy", "run", "-c", str(file)],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        launched.append(process)
        return Proxy(process, file, errors)

    yield launch
    for process in launched:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("workers", WORKERS)
def test_one_that_comes_before_the_config_is_read_is_acted_on(
    launch: Launch, upstream: Upstream, tmp_path: Path, workers: str
) -> None:
    config = config_of(upstream, more=workers)
    pipe = tmp_path / "traceward.yaml"
    os.mkfifo(pipe)
    proxy = launch()
    # Opened once the proxy opens it, too; it reads on until this end is closed.
    with pipe.open("w") as writer:
        proxy.process.send_signal(signal.SIGHUP)
        proxy.rewrite(config)
        writer.write(config)
    proxy.wait_until_started()
    proxy.wait(lambda: proxy.reloads == 1)
    assert "was read again and is in use" in proxy.errors
    assert proxy.get("/api/")[0] == 200
    assert proxy.end() == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
@pytest.mark.parametrize("workers", WORKERS)
def test_whenever_it_comes(launch: Launch, upstream: Upstream, tmp_path: Path, workers: str) -> None:
    (tmp_path / "traceward.yaml").write_text(config_of(upstream, more=workers))
    for milliseconds in range(0, 320, 60):
        proxy = launch()
        while not _catches(proxy.process.pid, signal.SIGHUP):
            assert proxy.process.poll() is None
        time.sleep(milliseconds / 1000)
        proxy.process.send_signal(signal.SIGHUP)
        proxy.wait_until_started()
        proxy.wait(lambda proxy=proxy: proxy.reloads == 1)  # type: ignore[misc]
        assert proxy.end() == 0


def test_the_signal_is_noted_and_taken_over() -> None:
    before = signal.getsignal(signal.SIGHUP)
    assert EarlyHangup.installed() is None
    try:
        early = EarlyHangup.install()
        assert EarlyHangup.installed() is early
        assert not early.came
        signal.raise_signal(signal.SIGHUP)
        assert early.came
    finally:
        signal.signal(signal.SIGHUP, before)


def _catches(process: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (number - 1) & 1)
