"""The alert that OpenSSL writes for a client whose handshake fails: event loops drop it with the handshake.

They send what a step of the handshake wrote once it is done, not when it raises, and close (asyncio:
https://github.com/python/cpython/issues/98078; uvloop alike). So a TLS context of this module takes the
alert, and a second handle of the connection, before the error gets that far, and has it carry both.
"""

import asyncio
import contextlib
import socket
import ssl
from contextvars import ContextVar
from typing import Final

#: The reasons of OpenSSL for plain HTTP, the second for CONNECT.
PLAIN_HTTP: Final = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
#: How much is looked at to tell a request line from what else is no TLS.
_REQUEST_LINE: Final = 4096
#: These are no failures: the next step waits for the client.
_AGAIN: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
#: The handshake that a task begins. Loops keep its context for ``connection_made``, where a handshake begins,
#: though not for what comes later.
_BEGUN: ContextVar["Handshake | None"] = ContextVar("begun", default=None)


class Handshake:
    """A client's, under way in a task; ``spoke`` tells whether anything came from the client."""

    __slots__ = ("accepted", "spoke", "task")
    task: asyncio.Task[None]

    def __init__(self, accepted: socket.socket) -> None:
        self.accepted = accepted
        self.spoke = False

    def begin(self) -> None:
        """Say that the running task begins it, so that its error can carry a refusal."""
        _BEGUN.set(self)


class Refusal:
    """The ``alert`` of a handshake that failed, empty for plain HTTP, and the ``connection`` for it."""

    __slots__ = ("alert", "connection")

    def __init__(self, alert: bytes, connection: socket.socket) -> None:
        self.alert = alert
        self.connection = connection

    @staticmethod
    def of(error: OSError) -> "Refusal | None":
        """Return the refusal that the error of a handshake carries, where there is something to tell."""
        refusal: Refusal | None = error.__dict__.get(_CARRIED)
        return refusal

    def __del__(self) -> None:
        """Close the connection, should the error have found nobody: who waited for it was cancelled."""
        self.connection.close()


_CARRIED: Final = "refusal"


class _Telling(ssl.SSLObject):
    """Has the error of a handshake carry what there is to tell the client."""

    __slots__ = ("facts",)
    #: What it reads, what it writes and whose it is, until its end.
    facts: tuple[ssl.MemoryBIO, ssl.MemoryBIO, Handshake] | None

    def do_handshake(self) -> None:
        """Take the next step."""
        if self.facts is not None and self.facts[0].pending:
            self.facts[2].spoke = True
        try:
            super().do_handshake()
        except _AGAIN:
            raise
        except ssl.SSLError as error:
            facts, self.facts = self.facts, None
            if facts is not None:
                _add_refusal(error, *facts)
            raise
        self.facts = None


def _add_refusal(
    error: ssl.SSLError, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, handshake: Handshake
) -> None:
    if error.reason == "WRONG_VERSION_NUMBER" and b" HTTP/" in incoming.read(_REQUEST_LINE):
        error.reason = "HTTP_REQUEST"  # OpenSSL knows no more than four methods by name
    alert = outgoing.read()
    if alert or error.reason in PLAIN_HTTP:
        # Where there is no file for it, the client sees the end alone.
        with contextlib.suppress(OSError):
            error.__dict__[_CARRIED] = Refusal(alert, handshake.accepted.dup())


class AlertingContext(ssl.SSLContext):
    """Has the errors of handshakes that a task said to begin carry a refusal."""

    sslobject_class = _Telling

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
        telling = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(telling, _Telling)
        handshake = _BEGUN.get()
        telling.facts = None if handshake is None else (incoming, outgoing, handshake)
        return telling
