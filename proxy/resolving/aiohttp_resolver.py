"""The resolver in the shape that aiohttp's clients want; imported where there is one alone."""

import socket

from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from proxy.resolving.resolver import Resolver, numeric


class AiohttpResolver(AbstractResolver):
    """aiohttp's own ones share the event loop's few threads with everything else that resolves names."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name of that family; ``AF_UNSPEC``: of both.

        Raises:
            OSError: there are none, or nobody can tell.
        """
        found = await self._resolver.resolve(host, port)
        return [_result(host, port, each) for each in found if family in (socket.AF_UNSPEC, each[0])]

    async def close(self) -> None:
        """Do nothing: lookups under way end by themselves, and nobody waits for them."""


def _result(host: str, port: int, found: AddrInfoType) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=numeric(found)[0],
        port=port,
        family=found[0],
        proto=found[2],
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
