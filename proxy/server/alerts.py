"""The alert that OpenSSL writes for a client whose handshake fails: event loops drop it with the handshake.

They send what a step of the handshake wrote once it is done, not when it raises, and close (asyncio:
https://github.com/python/cpython/issues/98078; uvloop alike). So a TLS context of this module takes the
alert, and a second handle of the connection, before the error gets that far.
"""

import contextlib
import socket
import ssl
from contextvars import ContextVar
from typing import Final, cast

#: The reasons of OpenSSL for plain HTTP, the second for CONNECT.
PLAIN_HTTP: Final = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
#: How much is looked at to tell a request line from what else is no TLS.
_REQUEST_LINE: Final = 4096


class Refusal:
    """One handshake, should it fail: the ``alert`` and the ``connection`` that it is to be sent on.

    The connection is None while the handshake did not fail, and where there is no file for it.
    """

    __slots__ = ("_accepted", "_incoming", "_outgoing", "alert", "connection")

    def __init__(self, accepted: socket.socket) -> None:
        self._accepted: socket.socket | None = accepted
        self._incoming: ssl.MemoryBIO | None = None
        self._outgoing: ssl.MemoryBIO | None = None
        self.alert = b""
        self.connection: socket.socket | None = None

    @classmethod
    def expect(cls, accepted: socket.socket) -> "Refusal":
        """Return what the handshake that this task is about to begin may lead to."""
        refusal = cls(accepted)
        _EXPECTED.set(refusal)
        return refusal

    def begin(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        """Know what the handshake reads and writes."""
        self._incoming = incoming
        self._outgoing = outgoing

    def note(self, error: ssl.SSLError) -> None:
        """Keep what the handshake that just failed left, before its connection is closed."""
        incoming, outgoing, accepted = self._incoming, self._outgoing, self._accepted
        if incoming is None or outgoing is None or accepted is None:
            return
        self.alert = outgoing.read()
        if error.reason == "WRONG_VERSION_NUMBER" and b" HTTP/" in incoming.read(_REQUEST_LINE):
            error.reason = "HTTP_REQUEST"  # OpenSSL knows no more than four methods by name
        with contextlib.suppress(OSError):
            self.connection = accepted.dup()

    def close(self) -> None:
        """Keep nothing: the loop holds on to this as long as the connection lasts."""
        if self.connection is not None:
            self.connection.close()
        self._accepted = self._incoming = self._outgoing = self.connection = None


#: Set in the task of a handshake. Loops keep its context for ``connection_made``, where the handshake
#: begins, but need not for what comes later.
_EXPECTED: ContextVar[Refusal | None] = ContextVar("expected", default=None)


class _Handshake(ssl.SSLObject):
    """Notes its failure."""

    __slots__ = ("refusal",)
    refusal: Refusal | None

    def do_handshake(self) -> None:
        """Take the next step."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if self.refusal is not None:
                self.refusal.note(error)
            raise


class AlertingContext(ssl.SSLContext):
    """Lets the refusal that a task expects have what its handshake leaves."""

    sslobject_class = _Handshake

    @classmethod
    def convert(cls, context: ssl.SSLContext) -> None:
        """Make a context one of these; Python's own defaults come with no other class than its own."""
        context.__class__ = cls

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a handshake."""
        handshake = cast(
            "_Handshake", super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        )
        refusal = handshake.refusal = _EXPECTED.get()
        if refusal is not None:
            refusal.begin(incoming, outgoing)
        return handshake
