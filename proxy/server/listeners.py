"""Sockets that accept clients: bound once, so that a taken address is seen, then served."""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import stat
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.config.addresses import Address, TcpAddress, UnixAddress
from proxy.config.listen import Listen
from proxy.server.data_plane import DataPlane, ListenerFacts
from proxy.server.deaf import ignore_new_clients
from proxy.server.downstream import DownstreamConnection
from proxy.server.tls_server import TlsServer
from proxy.server.transport import factory_of

#: Clients that wait to be accepted.
BACKLOG = 4096
#: A unix socket's path is removed here, when nobody serves it any more; servers do it since Python 3.13.
_KEEP_PATH: Mapping[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
#: What binding says of an address that this machine does not have.
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class AddressTaken(OSError):
    """An address that cannot be listened on; the text says which and why."""


def bind(
    address: Address, yielding: Sequence[socket.socket] = (), *, shared: bool = False
) -> list[socket.socket]:
    """Return listening sockets, one for each address that a host name stands for.

    ``yielding`` are sockets of ours that are about to be closed: one may hold the very port, as where
    127.0.0.1:80 becomes 0.0.0.0:80. With ``shared`` further sockets may be bound beside these, which
    ``bind_beside`` does.

    Raises:
        AddressTaken: somebody listens there, or the address is not one of this machine's.
    """
    match address:
        case UnixAddress(path):
            return [_bind_unix(path)]
        case TcpAddress(host, port):
            return _bind_tcp(host, port, yielding, shared=shared)


def bind_beside(sock: socket.socket) -> socket.socket:
    """Return another listening socket at the address of one that was bound to be ``shared``."""
    beside = socket.socket(sock.family, sock.type, sock.proto)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return _listen(beside, sock.getsockname())


def unbind(address: Address, sockets: Sequence[socket.socket], *, lent: bool = False) -> None:
    """Close what ``bind`` returned; the path of a unix socket is removed, unless the socket is ``lent``."""
    for sock in sockets:
        sock.close()
    if sockets and not lent and isinstance(address, UnixAddress):
        with contextlib.suppress(OSError):
            os.unlink(address.path)


def copy_sockets(sockets: Iterable[socket.socket]) -> list[socket.socket]:
    """Return copies, each for a server, which closes it at its own end.

    Raises:
        OSError: no file is left for one of them.
    """
    with contextlib.ExitStack() as undo:
        copies = [undo.enter_context(sock.dup()) for sock in sockets]
        undo.pop_all()
    return copies


class Listener:
    """One entry of ``listen`` while it is served."""

    def __init__(
        self,
        settings: Listen,
        sockets: Sequence[socket.socket],
        tls: ssl.SSLContext | None,
        *,
        lent: bool = False,
    ) -> None:
        """``lent`` sockets are somebody else's too."""
        self.settings = settings
        self._lent = lent
        self._sockets = sockets
        self._tls = tls
        self._facts = ListenerFacts(settings.scheme, self._authority(), tls=tls is not None)
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

    async def serve(self, plane: DataPlane, copies: Sequence[socket.socket]) -> None:
        """Accept connections from now on, with copies of the sockets."""
        await self._start(plane, copies)

    def needs_copies(self, tls: ssl.SSLContext | None) -> bool:
        """Whether servers have to begin for it to go on with ``tls``."""
        return tls is not self._tls or not self._servers

    async def renew(
        self,
        settings: Listen,
        tls: ssl.SSLContext | None,
        plane: DataPlane,
        copies: Sequence[socket.socket],
    ) -> None:
        """Go on as another config has it; open connections stay, and nobody who connects is lost.

        The servers take turns on the sockets, for a server keeps the certificate that it began with:
        ``copies`` of the sockets are for those that begin, where any have to.
        """
        self.settings = settings
        if (tls is None) == (self._tls is None):
            self._facts.scheme = settings.scheme
        else:
            self._facts = ListenerFacts(settings.scheme, self._authority(), tls=tls is not None)
        if not self.needs_copies(tls):
            return
        self._tls = tls
        before = list(self._servers)
        await self._start(plane, copies)
        for server in before:
            self._servers.remove(server)
            server.close()

    async def _start(self, plane: DataPlane, copies: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        make = self._factory(plane)
        for sock in copies:
            if self._tls is not None:
                self._servers.append(TlsServer(sock, self._tls, plane, make))
                continue
            unix = sock.family == socket.AF_UNIX
            create: Callable[..., Awaitable[asyncio.Server]]
            create = loop.create_unix_server if unix else loop.create_server
            options = _KEEP_PATH if unix else {}
            self._servers.append(await create(make, sock=sock, backlog=BACKLOG, **options))

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The sockets that it listens on."""
        return self._sockets

    async def drain(self, plane: DataPlane) -> None:
        """Accept whoever is queued, then no more: closing would reset them."""
        if not self._lent:
            for sock in self._sockets:
                ignore_new_clients(sock)
        servers = self._servers
        if not servers:
            # It never came to serve.
            self.close()
            return
        for server in servers:
            server.close()
        # Their copies of the sockets are closed in the loop's next turn.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        accepted = [each for sock in self._sockets for each in _queued(sock)]
        # At once: who comes between the last one and this is reset.
        self.close()
        for each in accepted:
            if isinstance(servers[0], TlsServer):
                servers[0].begin(each)
            else:
                await self._take(each, plane)

    def _factory(self, plane: DataPlane) -> Callable[[], asyncio.Protocol]:
        facts = self._facts
        return factory_of(lambda: DownstreamConnection(plane, facts))

    async def _take(self, accepted: socket.socket, plane: DataPlane) -> None:
        accepted.setblocking(False)
        make = self._factory(plane)
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(make, accepted)

    def close(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()
        self._servers = []
        unbind(self.settings.address, self._sockets, lent=self._lent)
        self._sockets = ()

    def _authority(self) -> str:
        """The authority of a request from HTTP/1.0 without Host."""
        if isinstance(self.settings.address, UnixAddress):
            return "localhost"
        return self.url.partition("://")[2]


def _queued(sock: socket.socket) -> Iterator[socket.socket]:
    """Give the clients who wait to be accepted, though there may always be another one."""
    for _ in range(2 * BACKLOG):
        try:
            accepted, _ = sock.accept()
        except BlockingIOError:
            return
        except OSError:
            continue  # one who is gone already, or no descriptor left for him
        yield accepted


def _bind_tcp(
    host: str, port: int, yielding: Sequence[socket.socket], *, shared: bool
) -> list[socket.socket]:
    try:
        # As bytes: for a text, the codec of international names is loaded.
        found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressTaken(f"cannot listen on {TcpAddress(host, port)}: {error.strerror}") from None
    sockets: list[socket.socket] = []
    refused: OSError | None = None
    for family, kind, proto, _, address in dict.fromkeys(found):
        try:
            sockets.append(_listen_alone(family, kind, proto, address, yielding))
            if shared:
                # Only now, so that an address which somebody else shares is seen to be taken.
                sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
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


def _listen_alone(
    family: int, kind: int, proto: int, address: Any, yielding: Sequence[socket.socket]
) -> socket.socket:
    try:
        return _listen(socket.socket(family, kind, proto), address)
    except OSError as error:
        port = address[1]
        ours = [sock for sock in yielding if sock.family != socket.AF_UNIX and sock.getsockname()[1] == port]
        if error.errno != errno.EADDRINUSE or not ours:
            raise
    for sock in ours:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    beside = socket.socket(family, kind, proto)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return _listen(beside, address)


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
