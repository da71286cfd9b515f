"""Why no connection to a target could be made: in full for operators, without any address for clients."""

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from proxy.message.error import ErrorKind
from proxy.server.connect import describe

#: What clients are told of errors that they may see; others say more of this machine than of the upstream.
_WORDS: Mapping[int | None, str] = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
}


def describe_to_clients(error: OSError) -> str:
    """Return what is wrong in words that name no address: those of the system and of libraries may."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not accepted"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    if isinstance(error, ConnectionResetError):
        return "connection reset"  # also by the end of a connection in its handshake, which has no number
    return _WORDS.get(error.errno, "no connection could be made")


#: What this machine lacks: no fault of any target.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class ConnectFailure(NamedTuple):
    """Why there is no connection, for operators, and for clients, who get no address of ours."""

    kind: ErrorKind
    detail: str
    told: str
    by_target: bool = True  # not where this machine had no file, memory or port left

    @classmethod
    def of(cls, error: OSError, upstream: str, patience: float) -> "ConnectFailure":
        """Explain what ``open_connection`` raised within ``patience`` seconds."""
        if isinstance(error, TimeoutError):
            late = f"took longer than {patience:g} s"
            told = f"connecting to upstream {upstream} {late}"
            return cls(ErrorKind.UPSTREAM_TIMEOUT, f"connecting {late}", told)
        told = f"cannot connect to upstream {upstream}: {describe_to_clients(error)}"
        detail = f"cannot connect: {describe(error)}"
        return cls(ErrorKind.UPSTREAM_CONNECT, detail, told, by_target=error.errno not in _OURS)

    @classmethod
    def by_end(cls, upstream: str) -> "ConnectFailure":
        """Explain a connection that ended before anything was sent."""
        told = f"upstream {upstream} closed the connection at once"
        return cls(ErrorKind.UPSTREAM_RESET, "the connection was closed at once", told)
