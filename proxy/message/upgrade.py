"""The Upgrade field: what a client offers, and whether an upstream took it up (RFC 9110, section 7.8)."""

import re
from typing import Final

from proxy.message.head import Head, RequestHead, ResponseHead
from proxy.message.lines import encode_lines

#: HTTP/2 over cleartext would pass requests by that nobody here reads.
_NEVER_OFFERED: Final = frozenset({b"h2c", b"h2", b"http"})
_HTTP_2: Final = re.compile(rb"h2c?(?:/.*)?|http/2.*", re.IGNORECASE)


def offered_protocols(head: RequestHead) -> bytes | None:
    """Return what a request offers to switch to, to be passed on; None: it is served as it is.

    So is one that offers HTTP/2, one with a body, and one of HTTP/1.0, which knows no such offer.
    """
    if b"upgrade" not in head.present or head.version != (1, 1):
        return None
    if b"upgrade" not in head.get_list(b"connection"):
        return None
    if b"transfer-encoding" in head.present or (head.get(b"content-length") or b"0").strip(b"0"):
        return None
    names = _names(head)
    if not names or not names.isdisjoint(_NEVER_OFFERED):
        return None
    return b", ".join(head.get_all(b"upgrade"))


def accepts_offer(request: RequestHead, head: ResponseHead) -> bool:
    """Whether a 101 switches to a protocol that the request offered, and is framed as a 101 is."""
    if b"upgrade" not in head.get_list(b"connection"):
        return False
    if b"content-length" in head.present or b"transfer-encoding" in head.present:
        return False
    names = _names(head)
    return bool(names) and names <= _names(request)


def required_protocols(head: ResponseHead) -> bytes | None:
    """Return what a 426 asks to switch to (RFC 9110, 15.5.22), but for HTTP/2; None: nothing."""
    if head.status != 426:
        return None
    asked = [protocol.strip(b" \t") for protocol in b",".join(head.get_all(b"upgrade")).split(b",")]
    return b", ".join([each for each in asked if each and not _HTTP_2.fullmatch(each)]) or None


def upgrade_lines(value: bytes) -> bytes:
    """Return the field lines of an offer, of its acceptance, or of a demand for one."""
    return encode_lines([(b"Connection", b"Upgrade"), (b"Upgrade", value)])


def _names(head: Head) -> set[bytes]:
    """Return the protocols of an Upgrade field, lower case, without their versions."""
    return {protocol.partition(b"/")[0] for protocol in head.get_list(b"upgrade")}
