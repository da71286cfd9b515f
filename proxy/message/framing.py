"""How a body is delimited, as received and as sent on (RFC 9112, section 6)."""

from enum import Enum

from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.head import PlainRequestHead, RequestHead, ResponseHead


class Framing(Enum):
    """What ends a body."""

    NONE = "none"  # there is none
    LENGTH = "length"  # Content-Length
    CHUNKED = "chunked"
    CLOSE = "close"  # the end of the connection


#: llhttp counts to 2^64, but where lengths are signed a larger one than this is another, or negative.
MOST_LENGTH = 2**63 - 1
LAST_CHUNK = b"0\r\n"


def request_framing(head: RequestHead) -> Framing:
    """Return how the body of a request is delimited.

    The wire parser has refused lengths that are malformed or differ, and a length beside a
    transfer coding; what it lets through is refused here.

    Raises:
        RefusedMessage: a coding other than one final ``chunked``, or one from HTTP/1.0.
    """
    if isinstance(head, PlainRequestHead):
        return Framing.LENGTH if head.length else Framing.NONE
    if b"transfer-encoding" in head.present:
        if head.version == (1, 0):
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "Transfer-Encoding in an HTTP/1.0 request")
        if [value.lower() for value in head.get_all(b"transfer-encoding")] != [b"chunked"]:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "Transfer-Encoding is not chunked alone")
        if b"content-length" in head.present:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "Content-Length beside Transfer-Encoding")
        return Framing.CHUNKED
    if b"content-length" in head.present:
        if len(head.get_all(b"content-length")) > 1:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "more than one Content-Length field")
        if int(head.get(b"content-length") or b"0") > MOST_LENGTH:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, f"Content-Length is above {MOST_LENGTH}")
        return Framing.LENGTH
    return Framing.NONE


def response_framing(head: ResponseHead, method: bytes) -> Framing:
    """Return how the body of a response to ``method`` is delimited.

    Raises:
        RefusedMessage: a coding other than one final ``chunked``, a length beside it, or a second one.
    """
    if head.plain:
        return Framing.NONE if method == b"HEAD" or head.status in (204, 304) else Framing.LENGTH
    coded = b"transfer-encoding" in head.present
    if coded:
        if [value.lower() for value in head.get_all(b"transfer-encoding")] != [b"chunked"]:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "Transfer-Encoding is not chunked alone")
        if b"content-length" in head.present:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "Content-Length beside Transfer-Encoding")
        if head.version == (1, 0):
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "Transfer-Encoding in an HTTP/1.0 response")
    if method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        return Framing.NONE
    if coded:
        return Framing.CHUNKED
    if b"content-length" in head.present:
        if head.names.count(b"content-length") > 1:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "more than one Content-Length field")
        if int(head.get(b"content-length") or b"0") > MOST_LENGTH:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, f"Content-Length is above {MOST_LENGTH}")
        return Framing.LENGTH
    return Framing.CLOSE


def sent_framing(received: Framing, client_version: tuple[int, int]) -> Framing:
    """Return how a response's body is delimited for the client.

    A body whose length nobody knows is chunked for HTTP/1.1, so that the client can tell its end
    from a failure; an HTTP/1.0 client knows no chunks.
    """
    if received in (Framing.NONE, Framing.LENGTH):
        return received
    return Framing.CHUNKED if client_version == (1, 1) else Framing.CLOSE


def chunk(data: bytes) -> bytes:
    """Return ``data``, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
