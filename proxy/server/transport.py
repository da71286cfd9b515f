"""What asyncio's transports leave to be done by hand."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final, Protocol, cast

_NO_LINGER: Final = struct.pack("ii", 1, 0)


class WireProtocol(Protocol):
    """What a loop calls of ``asyncio.Protocol``, which those that are compiled cannot inherit from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""

    def data_received(self, data: bytes) -> None:
        """Take what came."""

    def eof_received(self) -> bool | None:
        """Take the end of what comes; return whether to keep the transport open."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""

    def pause_writing(self) -> None:
        """Write no more for now."""

    def resume_writing(self) -> None:
        """Write again."""


class _SocketOptions(Protocol):
    def setsockopt(self, level: int, option: int, value: bytes) -> None: ...


def factory_of(make: Callable[[], WireProtocol]) -> Callable[[], asyncio.Protocol]:
    """Return a factory of protocols as the loop wants it."""
    return cast("Callable[[], asyncio.Protocol]", make)


def abort(transport: asyncio.Transport) -> None:
    """Close with a reset rather than an end, which would look like the end of a body."""
    sock = cast("_SocketOptions | None", transport.get_extra_info("socket"))
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def ended_in_order(transport: asyncio.Transport) -> bool:
    """Whether the peer said that its data ends here, which in TLS the end of TCP does not (RFC 9112, 9.8)."""
    secure = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
    if secure is None:
        return True
    try:
        secure.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
    return False


def peer_address(transport: asyncio.Transport) -> str:
    """Return the peer's IP address as text, ``unix`` for a unix socket."""
    name = transport.get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) else "unix"
