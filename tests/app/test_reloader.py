"""Reloads that go wrong, or meet the end of the proxy: each is told and counted, and the next one is made."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from proxy.app import reload
from proxy.app.reload import Reloader
from proxy.config.load import LoadedConfig, load_config
from proxy.observability.exposition import write
from proxy.observability.metrics import Metrics, MetricsCollector

Apply = Callable[[LoadedConfig], Awaitable[None]]


class Reloading:
    """A reloader of a config file, and what it counts."""

    def __init__(self, file: Path, apply: Apply) -> None:
        self._metrics = Metrics()
        self.reloader = Reloader(load_config(file, {}), lambda: load_config(file, {}), apply, self._metrics)

    @property
    def counted(self) -> tuple[int, int]:
        """How many reloads were applied, and how many refused."""
        text = "".join(write(MetricsCollector(self._metrics, lambda: ()).families(), openmetrics=False))
        applied, refused = (
            text.partition(f'traceward_config_reloads_total{{outcome="{outcome}"}} ')[2].partition("\n")[0]
            for outcome in ("applied", "refused")
        )
        return int(float(applied)), int(float(refused))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "traceward.yaml"
    file.write_text("upstream: http://127.0.0.1:9\n")
    return file


async def test_after_a_reload_that_fails_unforeseen_the_next_is_made(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([RuntimeError("no luck")])
    calls: asyncio.Queue[None] = asyncio.Queue()

    async def apply(loaded: LoadedConfig) -> None:
        calls.put_nowait(None)
        for failure in failures:
            raise failure

    reloading = Reloading(file, apply)
    reloading.reloader.start()
    for _ in range(2):
        reloading.reloader.ask()
        await calls.get()
    done = await reloading.reloader.reload()
    await reloading.reloader.stop()
    assert done.errors == ()
    assert reloading.counted == (2, 1)
    assert "RuntimeError: no luck" in caplog.text


async def test_a_reload_that_fails_unforeseen_is_refused(file: Path) -> None:
    async def apply(loaded: LoadedConfig) -> None:
        raise RuntimeError("no luck")

    reloading = Reloading(file, apply)
    done = await reloading.reloader.reload()
    assert done.errors == ["the reload failed: RuntimeError: no luck"]
    assert reloading.counted == (0, 1)


async def test_watching_that_fails_unforeseen_begins_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    changed = asyncio.Event()
    failures = iter([RuntimeError("no luck")])

    async def watch_files(*arguments: object) -> None:
        for failure in failures:
            raise failure
        os.utime(file, ns=(0, 0))

    async def apply(loaded: LoadedConfig) -> None:
        changed.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(reload, "watch_files", watch_files)
    monkeypatch.setattr(reload, "POLL_SECONDS", 0)
    monkeypatch.setattr(reload, "_WATCH_AFTER_SECONDS", 0)
    reloading = Reloading(file, apply)
    reloading.reloader.start()
    await changed.wait()
    await reloading.reloader.stop()
    assert "RuntimeError: no luck" in caplog.text


async def test_what_failed_before_does_not_fail_the_stop(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise RuntimeError("no luck")

    async def apply(loaded: LoadedConfig) -> None: ...

    reloading = Reloading(file, apply)
    monkeypatch.setattr(reloading.reloader, "_reload", fail)
    reloading.reloader.start()
    reloading.reloader.ask()
    await failed.wait()
    await reloading.reloader.stop()


async def test_after_the_stop_a_reload_is_refused_and_changes_nothing(file: Path) -> None:
    applied = []

    async def apply(loaded: LoadedConfig) -> None:
        applied.append(loaded)

    reloading = Reloading(file, apply)
    reloading.reloader.start()
    await reloading.reloader.stop()
    done = await reloading.reloader.reload()
    assert done.errors == ["the proxy is stopping"]
    assert (applied, reloading.counted) == ([], (0, 1))


async def test_the_stop_refuses_a_reload_that_runs_and_those_that_wait_for_it(file: Path) -> None:
    runs = asyncio.Event()

    async def apply(loaded: LoadedConfig) -> None:
        runs.set()
        await asyncio.Event().wait()

    reloading = Reloading(file, apply)
    reloading.reloader.start()
    asked = [asyncio.create_task(reloading.reloader.reload()) for _ in range(2)]
    await runs.wait()
    await reloading.reloader.stop()
    assert [done.errors for done in await asyncio.gather(*asked)] == [["the proxy is stopping"]] * 2
    assert reloading.counted == (0, 2)


async def test_the_stop_refuses_a_reload_that_a_signal_asked_for(file: Path) -> None:
    runs = asyncio.Event()

    async def apply(loaded: LoadedConfig) -> None:
        runs.set()
        await asyncio.Event().wait()

    reloading = Reloading(file, apply)
    reloading.reloader.start()
    reloading.reloader.ask()
    await runs.wait()
    await reloading.reloader.stop()
    assert reloading.counted == (0, 1)


async def test_a_reload_whose_caller_is_cancelled_ends_with_it(file: Path) -> None:
    runs, ended = asyncio.Event(), asyncio.Event()

    async def apply(loaded: LoadedConfig) -> None:
        runs.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    asked = asyncio.create_task(Reloading(file, apply).reloader.reload())
    await runs.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert ended.is_set()
