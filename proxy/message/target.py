"""The request target and the authority it is for (RFC 9112, section 3; RFC 9110, section 7.2)."""

import re
from functools import lru_cache
from typing import Final

from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.head import RequestHead

#   authority = uri-host [ ":" port ]          (userinfo is refused, RFC 9110, 4.2.4)
#   uri-host  = IP-literal / IPv4address / reg-name
_AUTHORITY: Final = re.compile(
    rb"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::(?P<port>[0-9]{0,5}))?"
)
#   origin-form = absolute-path [ "?" query ]; wider than RFC 3986 by the visible characters that
#   browsers send as they are (^ | { } [ ] " < > \ `), without "#", which two readers split in two ways.
_ORIGIN_FORM: Final = re.compile(rb"/[!-\"$-~]*")
_ABSOLUTE_FORM: Final = re.compile(
    rb"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)"
)
#: A name of 255 bytes, the most that DNS knows, and a port.
MOST_AUTHORITY_BYTES: Final = 261
_DEFAULT_PORTS: Final = {"http": b"80", "https": b"443"}


def read_target(head: RequestHead, scheme: str, local_authority: str) -> tuple[str, bytes]:
    """Return the authority, as rules see it, and the target in origin-form (or ``*``).

    ``local_authority`` stands in for the Host that an HTTP/1.0 client may leave out.

    Raises:
        RefusedMessage: no, a second or a malformed Host; a malformed target; a target that
            disagrees with Host.
    """
    authority = _read_host(head, scheme, local_authority)
    target = head.target
    if _ORIGIN_FORM.fullmatch(target):
        return authority, target
    if target == b"*":
        if head.method != b"OPTIONS":
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "the target * is for OPTIONS alone")
        return authority, target
    return _read_absolute_form(head, scheme, authority)


@lru_cache(maxsize=1024)
def normalize_authority(authority: bytes, scheme: str) -> str:
    """Return ``host[:port]`` in lower case without the scheme's default port.

    Raises:
        ValueError: it is not ``uri-host [":" port]``.
    """
    if len(authority) > MOST_AUTHORITY_BYTES:
        raise ValueError(f"an authority of more than {MOST_AUTHORITY_BYTES} bytes")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError(f"{_shown(authority)} is not a host with an optional port")
    host, port = match["host"].lower(), match["port"]
    if not port or port == _DEFAULT_PORTS.get(scheme):
        return host.decode("ascii")
    if int(port) > 65535:
        raise ValueError(f"{_shown(authority)} has a port above 65535")
    return f"{host.decode('ascii')}:{port.decode('ascii')}"


def _shown(authority: bytes) -> str:
    return repr(authority.decode("latin-1"))


def _read_host(head: RequestHead, scheme: str, local_authority: str) -> str:
    hosts = 1 if head.host is not None else head.names.count(b"host")
    if hosts > 1:
        raise RefusedMessage(ErrorKind.BAD_REQUEST, "more than one Host field")
    if hosts == 0:
        if head.version == (1, 0):
            return local_authority
        raise RefusedMessage(ErrorKind.BAD_REQUEST, "no Host field")
    try:
        return normalize_authority(head.host or b"", scheme)
    except ValueError as error:
        raise RefusedMessage(ErrorKind.BAD_REQUEST, f"Host: {error}") from None


def _read_absolute_form(head: RequestHead, scheme: str, authority: str) -> tuple[str, bytes]:
    absolute = _ABSOLUTE_FORM.fullmatch(head.target)
    if absolute is None or absolute["scheme"].lower() not in (b"http", b"https"):
        raise RefusedMessage(ErrorKind.BAD_REQUEST, "the request target is malformed")
    try:
        named = normalize_authority(absolute["authority"], scheme)
    except ValueError as error:
        raise RefusedMessage(ErrorKind.BAD_REQUEST, f"request target: {error}") from None
    if b"host" in head.present and named != authority:
        raise RefusedMessage(ErrorKind.BAD_REQUEST, "the request target names another host than Host does")
    rest = absolute["rest"]
    if not rest and head.method == b"OPTIONS":
        return named, b"*"
    origin_form = rest if rest[:1] == b"/" else b"/" + rest
    if _ORIGIN_FORM.fullmatch(origin_form) is None:
        raise RefusedMessage(ErrorKind.BAD_REQUEST, "the request target is malformed")
    return named, origin_form
