"""Scrapes: their format, and the loop beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient

from proxy.admin import scrape
from proxy.admin.scrape import accepts_openmetrics
from proxy.observability.catalog import SAMPLE_RATE
from proxy.observability.exposition import Family

Client = TestClient[web.Request, web.Application]
Start = Callable[..., Awaitable[Client]]

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


class Proxy(Protocol):
    families: Callable[[], Iterator[Family | None]]


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("*/*", False, id="anything"),
        pytest.param("text/plain", False, id="text"),
        pytest.param("application/openmetrics-text", True, id="any-version"),
        pytest.param("Application/OpenMetrics-Text; Version=1.0.0", True, id="case"),
        pytest.param("application/openmetrics-text;version=0.0.1", False, id="another-version"),
        pytest.param("application/openmetrics-text;version=x;;=", False, id="odd-version"),
        pytest.param("application/openmetrics-text;q=0", False, id="refused"),
        pytest.param("application/openmetrics-text;q=x", False, id="odd-weight"),
        pytest.param("application/openmetrics-text;q=0.4,text/plain", False, id="text-preferred"),
        pytest.param(PROMETHEUS_2, True, id="prometheus-2"),
        pytest.param(PROMETHEUS_3, True, id="prometheus-3"),
    ],
)
def test_openmetrics_is_sent_where_it_is_preferred(accept: str, preferred: bool) -> None:
    assert accepts_openmetrics(accept) is preferred


async def test_requests_have_the_loop_between_the_parts_of_a_scrape(
    start: Start, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "BUSY_SECONDS", 0.0)
    turns = 0
    seen: list[int] = []

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def families() -> Iterator[Family]:
        for number in range(20):
            seen.append(turns)
            yield Family(SAMPLE_RATE, [((f"rule-{number}",), number)])

    proxy.families = families
    admin = await start()
    beside = asyncio.ensure_future(turn())
    async with admin.get("/metrics") as response:
        text = await response.text()
    beside.cancel()
    assert sorted(set(seen)) == seen
    assert 'traceward_sample_rate{rule="rule-19"} 19.0\n' in text


async def test_a_scrape_that_fails_midway_does_not_look_whole(start: Start, proxy: Proxy) -> None:
    def families() -> Iterator[Family]:
        yield Family(SAMPLE_RATE, [(("api",), 10.0)])
        raise LookupError("a gauge cannot be read")

    proxy.families = families
    admin = await start()
    async with admin.get("/metrics") as response:
        with pytest.raises(ClientError):
            await response.read()


async def test_a_head_of_the_metrics_has_no_body(start: Start) -> None:
    admin = await start()
    async with admin.head("/metrics") as response:
        assert response.status == 200
        assert await response.read() == b""
    async with admin.get("/healthz") as response:
        assert response.status == 200
