"""An admin server whose proxy is made up."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TypeAlias

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy.admin.app import make_app
from proxy.admin.facts import Facts, Reloaded
from proxy.config.addresses import Address, TcpAddress
from proxy.config.compile import compile_policy
from proxy.config.load import load_config
from proxy.demo import config_file
from proxy.explain import Explanation, Question, explain
from proxy.observability import catalog
from proxy.observability.exposition import Family
from proxy.observability.metrics import Metrics, MetricsCollector
from proxy.tracecontext.ids import IdSource

Client: TypeAlias = TestClient[web.Request, web.Application]
StartAdmin: TypeAlias = Callable[..., Awaitable[Client]]

LOOPBACK = TcpAddress("127.0.0.1", 9901)


class Proxy:
    """What the admin server asks, with the demo's config."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.reloaded = Reloaded()
        collector = MetricsCollector(Metrics(), lambda: [(catalog.SAMPLE_RATE, {("api",): 10.0})])
        self.families = collector.families
        self._config = load_config(config_file(), {}).config
        self._policy = compile_policy(self._config, lambda rule, error: None)

    async def scrape(self) -> Iterator[Family | None]:
        return self.families()

    def not_ready(self) -> str | None:
        return self.reason

    async def explain(self, question: Question) -> Explanation:
        upstreams = self._config.upstreams
        return explain(self._policy, upstreams, question, IdSource(lambda size: b"\x01" * size), 0.0)

    async def reload(self) -> Reloaded:
        return self.reloaded


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
async def start(proxy: Proxy) -> AsyncIterator[StartAdmin]:
    """Serve the admin application as if its listener stood at an address."""
    async with AsyncExitStack() as stack:

        async def start(address: Address = LOOPBACK, token: str | None = None) -> Client:
            facts = Facts(proxy.scrape, proxy.not_ready, proxy.explain, proxy.reload, lambda: token)
            app = make_app(facts, address)
            return await stack.enter_async_context(TestClient(TestServer(app)))

        yield start
