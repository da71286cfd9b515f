"""What operators are told of TLS handshakes that fail; clients see an alert, which is not as many words."""

import logging
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from proxy.config.addresses import TcpAddress
from proxy.repeats import Repeats
from proxy.server.alerts import PLAIN_HTTP

_LOG = logging.getLogger(__name__)

_DISTRUSTED = "it does not accept the certificate that it was shown"
#: Words for the reasons of OpenSSL that are met most.
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(PLAIN_HTTP, "it speaks plain HTTP"),
    "NO_SHARED_CIPHER": "it offers no cipher that is taken here",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": _DISTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _DISTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _DISTRUSTED,
    "TLSV1_ALERT_UNKNOWN_CA": _DISTRUSTED,
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS from 1.2 on",
    "WRONG_VERSION_NUMBER": "what it sends is not TLS",
}


class HandshakeLog:
    """The failed handshakes of one listening socket in the log: a line a minute for each reason."""

    def __init__(self, sock: socket.socket) -> None:
        self._listener = own_name(sock)
        self._repeats = Repeats()

    def tell(self, peer: str, error: OSError, patience: float) -> None:
        """Say why a handshake that may take so many seconds failed, unless that was said a moment ago."""
        reason = describe_failure(error, patience)
        more = self._repeats.note(reason)
        if more is not None:
            # No warning: whoever reaches the listener can cause it.
            _LOG.info("listener %s: no TLS with %s: %s%s", self._listener, peer, reason, more)


def describe_failure(error: OSError, patience: float) -> str:
    """Return why a handshake failed, in words that are few: none of them are the client's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason: str = getattr(error, "reason", None) or "unknown reason"  # none where Python code raised it
        return _WORDS.get(reason) or reason.replace("_", " ").lower()
    if isinstance(error, ConnectionAbortedError):
        return f"the handshake took longer than {patience:g} s"
    return "it left before the handshake was over; it may not accept the certificate that it was shown"


def own_name(sock: socket.socket) -> str:
    """Return the address that a socket is bound to, as a config names it."""
    return _write(sock.getsockname()) or "unix"


def peer_name(sock: socket.socket) -> str:
    """Return who is at the other end of a socket."""
    try:
        return _write(sock.getpeername()) or "a client on this machine"
    except OSError:
        return "a client that is gone"


def _write(name: Any) -> str:
    if isinstance(name, tuple):
        return str(TcpAddress(*name[:2]))
    return f"unix:{name}" if name else ""
