"""The admin server of a process, or of a whole group."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from aiohttp import web

from proxy.admin.app import Facts, Reloaded, make_app
from proxy.config.addresses import Address, TcpAddress
from proxy.config.compile import compile_policy
from proxy.config.schema import Config
from proxy.exchange import Policy
from proxy.explain import Explanation, Question, explain
from proxy.observability.exposition import Family
from proxy.server.listeners import AddressTaken, bind, unbind
from proxy.tracecontext.ids import IdSource

#: How long the end waits for answers of the admin server, seconds.
_ADMIN_SECONDS = 1.0


class Explainer:
    """Explains what the config in use does, by a policy of its own.

    The caps on traces are not to be spent, nor a function's errors counted, by questions.
    """

    _policy: Policy | None

    def __init__(self, config: Config, secret: bytes) -> None:
        self._secret = secret
        self._ids = IdSource(os.urandom)
        self._compiling = asyncio.Lock()
        self._policy = None
        self._config = config

    def renew(self, config: Config) -> None:
        """Explain another config from now on."""
        self._config = config
        self._policy = None

    async def explain(self, question: Question) -> Explanation:
        """Explain one request; raises ValueError for one that no client could send."""
        async with self._compiling:
            policy = self._policy
            if policy is None:
                # Compiled aside, for thousands of rules would keep requests waiting.
                config = self._config
                policy = await asyncio.to_thread(compile_policy, config, _ignore, secret=self._secret)
                if config is self._config:
                    self._policy = policy
        return explain(policy, question, self._ids, time.monotonic())


class AdminSite:
    """The admin server at its address, which stays the same until the end."""

    _sockets: Sequence[socket.socket]

    def __init__(self, address: Address | None, bound: contextlib.ExitStack) -> None:
        """Take the address, if there is one; ``bound`` gives it back.

        Raises:
            AddressTaken: it cannot be listened on.
        """
        self._address = address
        self._sockets = ()
        self._runner: web.AppRunner | None = None
        if address is None:
            return
        try:
            self._sockets = bind(address)
        except AddressTaken as error:
            raise AddressTaken(f"admin.listen: {error}") from None
        bound.callback(unbind, address, self._sockets)

    @property
    def url(self) -> str | None:
        """Where it is reached; None where there is none."""
        if isinstance(self._address, TcpAddress):
            return f"http://{TcpAddress(self._address.host, self._sockets[0].getsockname()[1])}"
        return None if self._address is None else str(self._address)

    async def start(
        self,
        scrape: Callable[[], Awaitable[Iterator[Family | None]]],
        not_ready: Callable[[], str | None],
        explain: Callable[[Question], Awaitable[Explanation]],
        reload: Callable[[], Awaitable[Reloaded]],
        token: Callable[[], str | None],
    ) -> None:
        """Answer from now on."""
        if self._address is None:
            return
        app = make_app(Facts(scrape, not_ready, explain, reload, token), self._address)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_ADMIN_SECONDS)
        await self._runner.setup()
        for sock in self._sockets:
            await web.SockSite(self._runner, sock).start()

    async def stop(self) -> None:
        """Answer no more."""
        if self._runner is not None:
            await self._runner.cleanup()


def _ignore(rule: str, error: Exception) -> None:
    """Leave an error of a rule's function to the requests that meet it."""
