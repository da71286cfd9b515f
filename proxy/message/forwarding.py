"""What a proxy takes from a head and tells about the client: hop-by-hop fields, X-Forwarded-*, Forwarded.

https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, https://www.rfc-editor.org/rfc/rfc7239
"""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Final

from proxy.message.head import Field, RequestHead, ResponseHead


class XForwarded(StrEnum):
    """What becomes of X-Forwarded-For, -Proto and -Host."""

    APPEND = "append"
    REPLACE = "replace"
    OFF = "off"


#: Fields of one connection whether nominated or not; HTTP2-Settings goes with an Upgrade. Trailer is
#: not among them, since trailers are relayed. Neither are Proxy-Authenticate and Proxy-Authorization,
#: which RFC 9110 (11.7) lets proxies relay to one another, and which nginx, HAProxy and Envoy relay.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOTHING_MORE: Final = HOP_BY_HOP | {b"close"}
_COMMON_VALUES: Final = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"Upgrade", b"upgrade"})
#: Naming these as connection options would take from the upstream what frames, routes or secures.
_NEVER_NOMINATED: Final = frozenset({b"content-length", b"host", b"forwarded"})


def hop_by_hop(
    head: RequestHead | ResponseHead, protected: frozenset[bytes] = frozenset()
) -> frozenset[bytes]:
    """Return the lower-case names of the fields that end here.

    Connection nominates further ones, but never ``protected`` names (lower case), Host,
    Content-Length, Forwarded and X-Forwarded-*: a client would hide them from the upstream so.
    """
    if b"connection" not in head.present:
        return HOP_BY_HOP
    if head.get(b"connection") in _COMMON_VALUES and head.names.count(b"connection") == 1:
        return HOP_BY_HOP
    nominated = head.get_list(b"connection")
    if _NOTHING_MORE.issuperset(nominated):
        return HOP_BY_HOP
    return HOP_BY_HOP.union(
        name
        for name in nominated
        if name not in _NEVER_NOMINATED and name not in protected and not name.startswith(b"x-forwarded-")
    )


#: What a peer on a unix socket, which has no address, is called.
_UNIX: Final = "unix"

_FOR, _PROTO, _HOST, _FORWARDED = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"
_HOST_FIELD: Final = b"host"
_X_FIELDS: Final = frozenset({_FOR, _PROTO, _HOST})
#: What tells of the client, from whoever wrote it.
FORWARDED_FIELDS: Final = _X_FIELDS | {_FORWARDED}
_NOTHING: Final[frozenset[bytes]] = frozenset()
_PROTO_FIELDS: Final[dict[str, Field]] = {
    scheme: (b"X-Forwarded-Proto", scheme.encode()) for scheme in ("http", "https")
}


def forwarded_fields(
    mode: XForwarded, head: RequestHead, *, peer: str, peer_is_trusted: bool, scheme: str
) -> tuple[frozenset[bytes], tuple[Field, ...]]:
    """Return which fields (lower case) go from a request's head, and which are added to it.

    ``peer`` is the peer's address, or ``unix``, which is never written; ``scheme`` the listener's.
    ``append`` keeps what a trusted proxy sent and adds the peer to X-Forwarded-For; from others, and
    with ``replace``, only what is known here is left. A trusted proxy's Forwarded stays as it came.
    """
    if mode is XForwarded.OFF:
        return _NOTHING, ()
    if FORWARDED_FIELDS.isdisjoint(head.present):
        return _NOTHING, _own_fields(head.get(_HOST_FIELD), peer, scheme)
    if not peer_is_trusted:
        return FORWARDED_FIELDS, _own_fields(head.get(_HOST_FIELD), peer, scheme)
    if mode is XForwarded.REPLACE:
        return _X_FIELDS, _own_fields(head.get(_HOST_FIELD), peer, scheme)
    return _appended_fields(head, peer, scheme)


@lru_cache(maxsize=4096)
def _own_fields(host: bytes | None, peer: str, scheme: str) -> tuple[Field, ...]:
    address = _for_field(peer)
    proto = _PROTO_FIELDS[scheme]
    if address is not None and host is not None:
        return address, proto, (b"X-Forwarded-Host", host)
    others = (proto,) if host is None else (proto, (b"X-Forwarded-Host", host))
    return others if address is None else (address, *others)


def _appended_fields(head: RequestHead, peer: str, scheme: str) -> tuple[frozenset[bytes], tuple[Field, ...]]:
    address = _for_field(peer)
    # One field with all addresses: many upstreams read no more than the first.
    chain = b", ".join(value for value in head.get_all(_FOR) if value)
    if address is None or not chain:
        missing = [
            field
            for field in _own_fields(head.get(_HOST_FIELD), peer, scheme)
            if field[0].lower() not in head.present
        ]
        return _NOTHING, tuple(missing)
    others = _own_fields(head.get(_HOST_FIELD), peer, scheme)[1:]
    missing = [field for field in others if field[0].lower() not in head.present]
    return frozenset({_FOR}), ((address[0], chain + b", " + address[1]), *missing)


@lru_cache(maxsize=4096)
def _for_field(peer: str) -> Field | None:
    """Return X-Forwarded-For for a peer: no zone id, and IPv4 for what a dual-stack socket calls one."""
    if peer == _UNIX:
        return None
    text = peer.partition("%")[0]
    if "." in text and text.lower().startswith("::ffff:"):
        text = text[7:]
    return b"X-Forwarded-For", text.encode()


def client_address(
    head: RequestHead, peer: str, peer_is_trusted: bool, is_trusted: Callable[[str], bool]
) -> str:
    """Return where a request comes from: the right-most address in X-Forwarded-For that is no trusted proxy.

    From an untrusted peer that is the peer; where all are trusted, the left-most. What is no address
    is returned as it is, and is in no network.
    """
    if not peer_is_trusted or _FOR not in head.present:
        return peer
    address = peer
    for element in reversed(b",".join(head.get_all(_FOR)).decode("latin-1").split(",")):
        text = element.strip(" \t")
        if not text:
            continue
        address = _without_port(text)
        if not is_trusted(address):
            break
    return address


def _without_port(text: str) -> str:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    # The text must not pass for a peer on a unix socket, which may be trusted.
    return "_unix" if text == _UNIX else text


def client_scheme(head: RequestHead, scheme: str, peer_is_trusted: bool) -> str:
    """Return the scheme that the client used: the listener's, or a trusted proxy's X-Forwarded-Proto."""
    if not peer_is_trusted or _PROTO not in head.present:
        return scheme
    first = head.get_all(_PROTO)[0].partition(b",")[0].strip(b" \t").lower()
    if first == b"https":
        return "https"
    return "http" if first == b"http" else scheme
