"""Active health checks: every target is asked now and then, whatever becomes of requests.

A target counts as healthy until its checks failed as often in a row as configured, so a proxy that has
just started serves at once, and one slow answer takes nobody out.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, TypeAlias

from proxy import __version__
from proxy.config.addresses import Scheme, Target, UnixAddress
from proxy.config.upstream import HealthCheck, Upstream
from proxy.resolving.resolver import Resolver
from proxy.server.clock import clock
from proxy.server.connect import attempt_delay, describe
from proxy.server.tls import upstream_context

if TYPE_CHECKING:
    from aiohttp import ClientSession

_LOG = logging.getLogger(__name__)

#: Called with the names of an upstream and its target, and whether that is healthy from now on.
OnChange: TypeAlias = Callable[[str, str, bool], None]


class HealthMonitor:
    """The health checks of some upstreams, in whichever process runs them.

    ``on_change`` is called for each change. ``known`` are the upstream and target of those that an earlier
    monitor found ``unhealthy``: they stay so until their checks succeed, and no change is told of them.

    Raises:
        OSError: a file that TLS is made of does not load any more.
    """

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        on_change: OnChange,
        known: Collection[tuple[str, str]] = (),
    ) -> None:
        self._checks: list[_Check] = []
        resolver = Resolver()
        for name, settings in upstreams.items():
            if settings.health_check is None:
                continue
            tls = upstream_context(settings)
            for target in settings.targets:
                check = _Check(name, settings, target, tls, resolver, on_change)
                check.healthy = (name, check.target) not in known
                self._checks.append(check)

    @property
    def unhealthy(self) -> Collection[tuple[str, str]]:
        """The upstream and target of all that are unhealthy now."""
        return [(check.upstream, check.target) for check in self._checks if not check.healthy]

    async def run(self) -> None:
        """Ask every target again and again, until cancelled."""
        async with asyncio.TaskGroup() as checks:
            for check in self._checks:
                _ = checks.create_task(check.run())


class _Check:
    """The checks of one target, and what they have shown so far."""

    def __init__(
        self,
        upstream: str,
        settings: Upstream,
        target: Target,
        tls: ssl.SSLContext | None,
        resolver: Resolver,
        on_change: OnChange,
    ) -> None:
        assert settings.health_check is not None
        self.upstream = upstream
        self.target = str(target)
        self.healthy = True
        self._tls = tls
        self._resolver = resolver
        self._target = target
        self._settings = settings
        self._check: HealthCheck = settings.health_check
        self._on_change = on_change
        self._contrary = 0  # checks in a row that said otherwise

    async def run(self) -> None:
        """Ask, note, wait, until cancelled."""
        while True:
            try:
                async with self._open_session() as session:
                    await self._ask_forever(session)
            except Exception:  # the last resort: nothing that goes wrong here is to end the checks
                _LOG.exception("upstream %s: the health checks of %s begin anew", self.upstream, self.target)
            await asyncio.sleep(self._check.interval)

    async def _ask_forever(self, session: "ClientSession") -> None:
        while True:
            started = clock()
            self._note(await self._find_problem(session))
            await asyncio.sleep(max(0.0, self._check.interval - (clock() - started)))

    def _note(self, problem: str | None) -> None:
        if (problem is None) is self.healthy:
            self._contrary = 0
            return
        self._contrary += 1
        if self._contrary < (self._check.unhealthy_after if self.healthy else self._check.healthy_after):
            return
        self._contrary = 0
        self.healthy = not self.healthy
        if self.healthy:
            _LOG.info("upstream %s: %s is healthy again", self.upstream, self.target)
        else:
            _LOG.warning("upstream %s: %s is unhealthy: %s", self.upstream, self.target, problem)
        self._on_change(self.upstream, self.target, self.healthy)

    async def _find_problem(self, session: "ClientSession") -> str | None:
        """Return what is wrong with the target; None: it is healthy."""
        # Imported where it is used: a proxy without health checks does without it.
        from aiohttp import ClientError, ClientResponseError

        try:
            async with asyncio.timeout(self._check.timeout):
                status = await self._ask(session)
        except TimeoutError:
            return f"no answer within {self._check.timeout:g} s"
        except ClientResponseError:
            return "its answer is not valid HTTP/1.1"
        except (OSError, ClientError) as error:
            return _describe(error)
        except Exception as error:  # the last resort: one odd answer must not end all checks
            _LOG.exception("upstream %s: the health check of %s failed", self.upstream, self.target)
            return type(error).__name__
        return None if 200 <= status < 400 else f"it answers {status}"

    async def _ask(self, session: "ClientSession") -> int:
        from yarl import URL

        target, settings = self._target, self._settings
        secure = target.scheme is Scheme.HTTPS
        url = URL(f"{target.scheme}://{target.authority}{self._check.path}", encoded=True)
        server_name = settings.tls.server_name if secure else None
        async with session.get(url, allow_redirects=False, server_hostname=server_name) as response:
            return response.status

    def _open_session(self) -> "ClientSession":
        """A new connection for every check: whether one can be made is a part of the question."""
        from aiohttp import (
            BaseConnector,
            ClientSession,
            ClientTimeout,
            DummyCookieJar,
            TCPConnector,
            UnixConnector,
        )

        from proxy.resolving.aiohttp_resolver import AiohttpResolver

        target, settings = self._target, self._settings
        connector: BaseConnector
        if isinstance(target.address, UnixAddress):
            connector = UnixConnector(target.address.path, force_close=True)
        else:
            connector = TCPConnector(
                force_close=True,
                use_dns_cache=False,
                resolver=AiohttpResolver(self._resolver),
                ssl=self._tls or True,
                happy_eyeballs_delay=attempt_delay(self._check.timeout, 2),
            )
        host = settings.host_for(target) or target.authority
        return ClientSession(
            connector=connector,
            headers={"Host": host, "User-Agent": f"traceward/{__version__}"},
            skip_auto_headers=["Accept-Encoding"],
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )


def _describe(error: Exception) -> str:
    """Return the words of an error, of that which aiohttp wraps where it does."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", error)
    return describe(cause) if isinstance(cause, OSError) else str(cause) or type(cause).__name__
