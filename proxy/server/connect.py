"""Opening a connection to a target: names resolved each time, IPv4 and IPv6 raced (RFC 8305)."""

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Callable, Collection
from typing import TypeVar, cast

from aiohappyeyeballs import start_connection

from proxy.config.addresses import Scheme, Target, TcpAddress, UnixAddress
from proxy.resolving.resolver import Resolver, numeric
from proxy.server.transport import WireProtocol, factory_of

#: How long an address is tried before the next one is tried beside it, and at least: seconds, RFC 8305, 8.
_ATTEMPT_DELAY, _LEAST_DELAY = 0.25, 0.01
#: How long a unix socket whose queue is full is left alone before it is tried again, seconds: twice as
#: long each time, for many may wait for it.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.32

#: What Python puts around the words of OpenSSL.
_SSL_FRAME = re.compile(r"\A\[[^]]*\] | \(_ssl\.c:\d+\)\Z")

P = TypeVar("P", bound=WireProtocol)


class Connector:
    """Makes connections to the targets of one upstream. ``patience``: how long each may take, seconds."""

    __slots__ = ("_patience", "_resolver", "_server_name", "_tls")

    def __init__(
        self, resolver: Resolver, *, tls: ssl.SSLContext | None, server_name: str | None, patience: float
    ) -> None:
        """``tls`` is used for https targets, which show a certificate of ``server_name``, or of their own."""
        self._resolver = resolver
        self._tls = tls
        self._server_name = server_name
        self._patience = patience

    async def open(self, target: Target, make: Callable[[], P]) -> P:
        """Return the protocol of a new connection.

        Raises:
            OSError: the name does not resolve, no address accepts, TLS fails, or it takes too long.
        """
        factory = factory_of(make)
        async with asyncio.timeout(self._patience):
            match target.address:
                case UnixAddress(path):
                    protocol = await _connect_unix(path, factory)
                case TcpAddress(host, port):
                    protocol = await self._connect(host, port, target.scheme, factory)
        return cast("P", protocol)

    async def hosts(self, target: Target) -> Collection[str] | None:
        """Return the addresses that the name of a target has now; None: it has no name.

        Raises:
            OSError: it has none, or nobody can tell.
        """
        match target.address:
            case TcpAddress(host, port) if not is_address(host):
                return {without_scope(found[4][0]) for found in await self._resolver.resolve(host, port)}
        return None

    async def _connect(
        self, host: str, port: int, scheme: Scheme, factory: Callable[[], asyncio.Protocol]
    ) -> asyncio.Protocol:
        loop = asyncio.get_running_loop()
        secure = scheme is Scheme.HTTPS
        context, name = (self._tls, self._server_name or host) if secure else (None, None)
        addresses = [] if is_address(host) else await self._resolver.resolve(host, port)
        if len(addresses) <= 1:
            # Nothing to race: the loop connects on its own, for a third of the cost.
            to = (host, port) if not addresses else numeric(addresses[0])
            _, protocol = await loop.create_connection(factory, *to, ssl=context, server_hostname=name)
            return protocol
        delay = attempt_delay(self._patience, len(addresses))
        sock = await start_connection(addresses, happy_eyeballs_delay=delay, interleave=1, loop=loop)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name)
        return protocol


async def _connect_unix(path: str, factory: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while True:
        try:
            _, protocol = await loop.create_unix_connection(factory, path)
        except BlockingIOError:
            # Its queue is full. Over TCP the system waits and tries again.
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return protocol


def without_scope(host: str) -> str:
    """Return an address without the interface that one of IPv6 may name."""
    return host.partition("%")[0]


def attempt_delay(patience: float, addresses: int) -> float:
    """Return for how many seconds one of so many addresses is tried alone: the last has its time too."""
    return max(_LEAST_DELAY, min(_ATTEMPT_DELAY, patience / addresses))


def is_address(host: str) -> bool:
    """Whether a host is an address, of either family."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def describe(error: OSError) -> str:
    """Return the words of an OSError without its number and address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {_SSL_FRAME.sub('', error.strerror or str(error))}"
    # Libraries put words of their own, and the address, into strerror.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
