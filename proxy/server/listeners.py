"""Sockets that accept clients: bound once, so that a taken address is seen, then served."""

import asyncio
import contextlib
import errno
import os
import select
import socket
import ssl
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy.config.addresses import Address, TcpAddress, UnixAddress
from proxy.config.listen import Listen
from proxy.server.data_plane import DataPlane, ListenerFacts
from proxy.server.downstream import DownstreamConnection
from proxy.server.tls_server import TlsServer

#: Clients that wait to be accepted.
BACKLOG = 4096
#: What binding says of an address that this machine does not have.
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class AddressTaken(OSError):
    """An address that cannot be listened on; the text says which and why."""


def bind(address: Address) -> list[socket.socket]:
    """Return listening sockets, one for each address that a host name stands for.

    Raises:
        AddressTaken: somebody listens there, or the address is not one of this machine's.
    """
    match address:
        case UnixAddress(path):
            return [_bind_unix(path)]
        case TcpAddress(host, port):
            return _bind_tcp(host, port)


def unbind(address: Address, sockets: Sequence[socket.socket]) -> None:
    """Close what ``bind`` returned; the path of a unix socket is removed."""
    for sock in sockets:
        sock.close()
    if sockets and isinstance(address, UnixAddress):
        with contextlib.suppress(OSError):
            os.unlink(address.path)


class Listener:
    """One entry of ``listen`` while it is served."""

    def __init__(
        self, settings: Listen, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None
    ) -> None:
        self.settings = settings
        self._sockets = sockets
        self._tls = tls
        self._servers: list[asyncio.Server | TlsServer] = []

    @property
    def url(self) -> str:
        """Where clients reach it, with the port that was given out where 0 was asked for."""
        scheme = "https" if self._tls is not None else "http"
        match self.settings.address:
            case UnixAddress():
                return str(self.settings.address)
            case TcpAddress(host):
                port = self._sockets[0].getsockname()[1]
                return f"{scheme}://{TcpAddress(host, port)}"

    async def serve(self, plane: DataPlane) -> None:
        """Accept connections from now on."""
        loop = asyncio.get_running_loop()
        facts = ListenerFacts(self.settings.scheme, self._authority(), tls=self._tls is not None)
        for sock in self._sockets:
            if self._tls is not None:
                self._servers.append(
                    TlsServer(sock, self._tls, plane, lambda: DownstreamConnection(plane, facts))
                )
                continue
            create = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            server = await create(lambda: DownstreamConnection(plane, facts), sock=sock, backlog=BACKLOG)
            self._servers.append(server)

    @property
    def queued(self) -> bool:
        """Whether clients wait to be accepted."""
        poll = select.poll()
        for sock in self._sockets:
            poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()
        unbind(self.settings.address, self._sockets)
        self._sockets = ()

    def _authority(self) -> str:
        """The authority of a request from HTTP/1.0 without Host."""
        if isinstance(self.settings.address, UnixAddress):
            return "localhost"
        return self.url.partition("://")[2]


def _bind_tcp(host: str, port: int) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressTaken(f"cannot listen on {TcpAddress(host, port)}: {error.strerror}") from None
    sockets: list[socket.socket] = []
    refused: OSError | None = None
    for family, kind, proto, _, address in dict.fromkeys(found):
        try:
            sockets.append(_listen(socket.socket(family, kind, proto), address))
        except OSError as error:
            refused = error
            if error.errno not in _ABSENT:
                break
    # Of localhost, ::1 may be missing where there is no IPv6; anything else is an error.
    if refused is not None and (not sockets or refused.errno not in _ABSENT):
        for opened in sockets:
            opened.close()
        raise AddressTaken(f"cannot listen on {TcpAddress(host, port)}: {_reason(refused)}")
    return sockets


def _listen(sock: socket.socket, address: Any) -> socket.socket:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: a small answer leaves at once.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _bind_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise AddressTaken(f"cannot listen on unix:{path}: {_reason(error)}") from None
    sock.setblocking(False)
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more, as one who was killed leaves it."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use; stop what listens there, or configure another one"
    return error.strerror or str(error)
