"""Opening a connection to a target: names resolved each time, IPv4 and IPv6 raced (RFC 8305)."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from aiohappyeyeballs import AddrInfoType, start_connection

from proxy.config.addresses import Scheme, Target, TcpAddress, UnixAddress
from proxy.server.transport import WireProtocol, factory_of

#: How long an address is tried before the next one is tried beside it, seconds (RFC 8305, section 8).
ATTEMPT_DELAY = 0.25

P = TypeVar("P", bound=WireProtocol)


async def open_connection(
    target: Target, make: Callable[[], P], *, tls: ssl.SSLContext | None, server_name: str | None
) -> P:
    """Return the protocol of a new connection; ``tls`` is used for https targets.

    Raises:
        OSError: the name does not resolve, no address accepts, or TLS fails.
    """
    protocol = await _connect(target, factory_of(make), tls, server_name)
    return cast("P", protocol)


async def _connect(
    target: Target,
    factory: Callable[[], asyncio.Protocol],
    tls: ssl.SSLContext | None,
    server_name: str | None,
) -> asyncio.Protocol:
    loop = asyncio.get_running_loop()
    match target.address:
        case UnixAddress(path):
            _, protocol = await loop.create_unix_connection(factory, path)
            return protocol
        case TcpAddress(host, port):
            secure = target.scheme is Scheme.HTTPS
            context, name = (tls, server_name or host) if secure else (None, None)
            addresses = [] if _is_address(host) else await _resolve(host, port, loop)
            if len(addresses) <= 1:
                # Nothing to race: the loop connects on its own, for a third of the cost.
                to = (host, port) if not addresses else _numeric(addresses[0])
                _, protocol = await loop.create_connection(factory, *to, ssl=context, server_hostname=name)
                return protocol
            sock = await start_connection(
                addresses, happy_eyeballs_delay=ATTEMPT_DELAY, interleave=1, loop=loop
            )
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name)
            return protocol


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _numeric(address: AddrInfoType) -> tuple[str, int]:
    """Return the host, with the scope of an IPv6 address, and the port."""
    host, _ = socket.getnameinfo(address[4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return host, address[4][1]


async def _resolve(host: str, port: int, loop: asyncio.AbstractEventLoop) -> Sequence[AddrInfoType]:
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def describe(error: OSError) -> str:
    """Return the words of an OSError without its number and address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    # Libraries put words of their own, and the address, into strerror; TLS has numbers of its own.
    if error.errno is not None and error.errno in errno.errorcode and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
