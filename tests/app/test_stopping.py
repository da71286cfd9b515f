"""A proxy that stops while its config changes, or something fails: it drains, and leaves nothing open."""

import asyncio
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxy.app import application
from proxy.app.application import Application
from proxy.app.reload import ReloadRefused
from proxy.config.load import LoadedConfig, load_text


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    text = f"listen: unix:{tmp_path / 'listen'}\nupstream: http://127.0.0.1:9\nadmin: {{listen: null}}\n"
    return load_text(text.encode(), tmp_path / "traceward.yaml", {})


async def test_a_config_that_is_ready_when_the_proxy_stops_is_refused(
    loaded: LoadedConfig, tmp_path: Path
) -> None:
    proxy = Application(loaded, print)
    proxy.stop()
    with pytest.raises(ReloadRefused, match="the proxy is stopping"):
        await proxy._apply(loaded)
    assert not os.listdir(tmp_path)


async def test_what_a_config_opens_that_nobody_waits_for_is_closed(
    loaded: LoadedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    begun, discarded, go = asyncio.Event(), asyncio.Event(), threading.Event()

    def prepare(*arguments: object) -> object:
        loop.call_soon_threadsafe(begun.set)
        go.wait()
        return SimpleNamespace(listeners=SimpleNamespace(discard=discarded.set))

    proxy = Application(loaded, print)
    monkeypatch.setattr(proxy._serving, "prepare", prepare)
    applying = asyncio.create_task(proxy._apply(loaded))
    await begun.wait()
    applying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await applying
    go.set()
    await discarded.wait()


async def test_a_failure_at_the_stop_does_not_keep_the_drain_from_coming(
    loaded: LoadedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(application, "settle_garbage", lambda: None)
    proxy = Application(loaded, lambda line: proxy.stop())
    monkeypatch.setattr(proxy._reloader, "stop", fail)
    with pytest.raises(RuntimeError, match="no luck"):
        await proxy.run()
    assert proxy._serving.draining
