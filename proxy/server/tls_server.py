"""Accepting clients that speak TLS: a handshake counts as a connection from its start, and has an end.

asyncio's own servers tell a protocol of a client only after the handshake, so that clients who begin
none would be counted by nobody.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.server.alerts import PLAIN_HTTP, Handshake, Refusal
from proxy.server.downstream import LINGER_SECONDS
from proxy.server.farewell import answer_plain_http, say_farewell
from proxy.server.handshake_log import HandshakeLog, peer_name

if TYPE_CHECKING:
    from proxy.server.data_plane import DataPlane

_LOG = logging.getLogger(__name__)

#: Clients accepted in one turn of the loop.
_ACCEPTED_AT_ONCE = 64
#: Handshakes at a time beyond ``limits.connections``: those clients are told that there are too many.
_BEYOND_LIMIT = 16
#: How long nobody is accepted after accepting failed, seconds.
_PAUSE_SECONDS = 1.0


class TlsServer:
    """Accepts on a listening socket, which it closes at its own end; ``make_connection`` makes protocols."""

    def __init__(
        self,
        sock: socket.socket,
        tls: ssl.SSLContext,
        plane: "DataPlane",
        make_connection: Callable[[], asyncio.Protocol],
    ) -> None:
        self._sock = sock
        self._tls = tls
        self._plane = plane
        self._make_connection = make_connection
        self._loop = asyncio.get_running_loop()
        self._failures = HandshakeLog(sock)
        self._listen()

    def close(self) -> None:
        """Accept no more; handshakes go on."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _listen(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Most likely there is no file for one more; to try at once would be to try without end.
                _LOG.warning("no client can be accepted for %g s: %s", _PAUSE_SECONDS, error.strerror)
                self._loop.remove_reader(self._sock)
                self._loop.call_later(_PAUSE_SECONDS, self._listen)
                return
            self.begin(sock)

    def begin(self, sock: socket.socket) -> None:
        """Shake hands with a client that was accepted, unless there are too many."""
        plane = self._plane
        handshakes = plane.handshakes
        others = plane.count_clients() - len(handshakes)
        if len(handshakes) >= max(_BEYOND_LIMIT, plane.limits.connections - others):
            sock.close()
            return
        sock.setblocking(False)
        handshake = Handshake(sock)
        handshake.task = self._loop.create_task(self._shake_hands(handshake))
        handshakes.add(handshake)
        handshake.task.add_done_callback(lambda _: self._end(handshake))
        plane.count_clients()

    def _end(self, handshake: Handshake) -> None:
        self._plane.handshakes.discard(handshake)
        self._plane.count_clients()

    async def _shake_hands(self, handshake: Handshake) -> None:
        def begin(transport: asyncio.BaseTransport) -> asyncio.Protocol:
            self._plane.handshakes.discard(handshake)
            connection = self._make_connection()
            connection.connection_made(transport)
            return connection

        sock = handshake.accepted
        peer = peer_name(sock)
        patience = self._plane.limits.header_timeout
        deadline = self._loop.time() + patience
        handshake.begin()
        try:
            await self._loop.connect_accepted_socket(
                lambda: _Doorkeeper(begin), sock, ssl=self._tls, ssl_handshake_timeout=patience
            )
        except OSError as error:
            # A client that speaks no TLS, shows no certificate that we take, or leaves, is no fault of ours.
            self._failures.tell(peer, error, patience)
            refusal = Refusal.of(error)
            if refusal is not None:
                await self._dismiss(refusal, error, deadline)

    async def _dismiss(self, refusal: Refusal, error: OSError, deadline: float) -> None:
        """Tell the client why, in the words of what it speaks; it counts as a connection until it is gone."""
        words = refusal.alert
        if getattr(error, "reason", None) in PLAIN_HTTP:
            words = answer_plain_http(self._plane.http_date())
        with refusal.connection as connection:
            await say_farewell(connection, words, min(deadline, self._loop.time() + LINGER_SECONDS))


class _Doorkeeper(asyncio.Protocol):
    """Makes way for the connection's protocol when the handshake is done."""

    def __init__(self, begin: Callable[[asyncio.BaseTransport], asyncio.Protocol]) -> None:
        self._begin = begin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.set_protocol(self._begin(transport))
