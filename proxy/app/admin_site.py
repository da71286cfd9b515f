"""The admin server of a process, or of a whole group.

It is loaded when its first client comes: aiohttp is a third of the time that a start would take, and a
sixth of the memory, and workers, and whoever nobody watches, never need it.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.admin.facts import Facts
from proxy.app.aside import import_aside
from proxy.client import Policy
from proxy.config.addresses import Address, TcpAddress
from proxy.config.compile import compile_policy
from proxy.config.schema import Config
from proxy.explain import Explanation, Question, explain
from proxy.server.listeners import AddressTaken, bind, unbind
from proxy.tracecontext.ids import IdSource

if TYPE_CHECKING:
    from aiohttp import web

_LOG = logging.getLogger(__name__)

#: After a failure to load the server, seconds.
_RETRY_SECONDS = 1.0
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
            policy, config = self._policy, self._config
            if policy is None:
                # Compiled aside, for thousands of rules would keep requests waiting.
                policy = await asyncio.to_thread(compile_policy, config, _ignore, secret=self._secret)
                if config is self._config:
                    self._policy = policy
        return explain(policy, config.upstreams, question, self._ids, time.monotonic())


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
        self._quiet: list[socket.socket] = []  # on which nobody came yet
        self._opening: asyncio.Task[None] | None = None
        if address is None:
            return
        try:
            self._sockets = bind(address)
        except AddressTaken as error:
            raise AddressTaken(f"admin.listen: {error}") from None
        bound.callback(unbind, address, self._sockets)
        bound.callback(self._ignore_clients)

    @property
    def url(self) -> str | None:
        """Where it is reached; None where there is none."""
        if isinstance(self._address, TcpAddress):
            return f"http://{TcpAddress(self._address.host, self._sockets[0].getsockname()[1])}"
        return None if self._address is None else str(self._address)

    def start(self, facts: Facts) -> None:
        """Answer from now on; who comes waits in the system's queue until the server is loaded."""
        loop = asyncio.get_running_loop()

        def open_once() -> None:
            self._ignore_clients()
            self._opening = loop.create_task(self._open(facts))

        self._quiet = list(self._sockets)
        for sock in self._quiet:
            loop.add_reader(sock, open_once)

    async def stop(self) -> None:
        """Answer no more."""
        self._ignore_clients()
        if self._opening is not None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opening
        if self._runner is not None:
            await self._runner.cleanup()

    def _ignore_clients(self) -> None:
        while self._quiet:
            asyncio.get_running_loop().remove_reader(self._quiet.pop())

    async def _open(self, facts: Facts) -> None:
        await _load()
        from aiohttp import web

        from proxy.admin.app import make_app

        assert self._address is not None
        app = make_app(facts, self._address)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_ADMIN_SECONDS)
        await self._runner.setup()
        for sock in self._sockets:
            await web.SockSite(self._runner, sock).start()


async def _load() -> None:
    while True:
        try:
            await import_aside("proxy.admin.app")
        except (OSError, ImportError) as error:
            # As where no file can be opened, for clients have them all.
            _LOG.error("the admin server is not loaded, and tried again in %g s: %s", _RETRY_SECONDS, error)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


def _ignore(rule: str, error: Exception) -> None:
    """Leave an error of a rule's function to the requests that meet it."""
