"""The admin server at its address: loaded with its first client, also where that fails at first."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from proxy.admin.facts import Facts, Reloaded
from proxy.app import admin_site
from proxy.app.admin_site import AdminSite
from proxy.app.aside import import_aside
from proxy.config.addresses import TcpAddress
from proxy.explain import Explanation, Question
from proxy.observability.exposition import Family


async def scrape() -> Iterator[Family | None]:
    return iter(())


async def explain(question: Question) -> Explanation:
    raise ValueError("nothing is explained here")


async def reload() -> Reloaded:
    return Reloaded()


FACTS = Facts(scrape, lambda: None, explain, reload, lambda: None)


@pytest.fixture
async def site() -> AsyncIterator[AdminSite]:
    """A site that stands, and has not been asked."""
    with ExitStack() as bound:
        site = AdminSite(TcpAddress("127.0.0.1", 0), bound)
        site.start(FACTS)
        yield site


async def ask(site: AdminSite) -> bytes:
    assert site.url is not None
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_clients_at_once_are_all_answered(site: AdminSite) -> None:
    answers = await asyncio.gather(*(ask(site) for _ in range(20)))
    assert answers == [b"HTTP/1.1 200 OK\r\n"] * 20
    await site.stop()


async def test_what_does_not_load_at_once_is_tried_again(
    site: AdminSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [OSError("too many open files"), ImportError("cannot open shared object file")]

    async def fail_at_first(module: str) -> None:
        if errors:
            raise errors.pop(0)
        await import_aside(module)

    monkeypatch.setattr(admin_site, "import_aside", fail_at_first)
    monkeypatch.setattr(admin_site, "_RETRY_SECONDS", 0.001)
    assert await ask(site) == b"HTTP/1.1 200 OK\r\n"
    assert "too many open files" in caplog.text
    await site.stop()


async def test_it_stops_where_nobody_came(site: AdminSite) -> None:
    await site.stop()


async def test_it_stops_while_it_is_loaded(site: AdminSite, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def load_forever(module: str) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(admin_site, "import_aside", load_forever)
    asking = asyncio.create_task(ask(site))
    await asked.wait()
    await site.stop()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
