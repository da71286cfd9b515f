"""How a body is delimited, as received and as sent on (RFC 9112, section 6)."""

from enum import Enum
from typing import Final

from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.head import PlainRequestHead, RequestHead, ResponseHead


class Framing(Enum):
    """What ends a body."""

    NONE = "none"  # there is none
    LENGTH = "length"  # Content-Length
    CHUNKED = "chunked"
    CLOSE = "close"  # the end of the connection


# Looking up a member of an enumeration costs 80 ns, too much for every request.
NO_BODY: Final = Framing.NONE
BY_LENGTH: Final = Framing.LENGTH
BY_CHUNKS: Final = Framing.CHUNKED
BY_CLOSE: Final = Framing.CLOSE

#: llhttp counts to 2^64, but where lengths are signed a larger one than this is another, or negative.
MOST_LENGTH: Final = 2**63 - 1
LAST_CHUNK: Final = b"0\r\n"
#: The field line of a body in chunks, as a head is made of them.
CHUNKED_LINE: Final = b"\r\nTransfer-Encoding: chunked"


def request_framing(head: RequestHead) -> Framing:
    """Return how the body of a request is delimited.

    The wire parser has refused lengths that are malformed or differ, and a length beside a
    transfer coding; what it lets through is refused here.

    Raises:
        RefusedMessage: a coding other than one final ``chunked``, or one from HTTP/1.0.
    """
    if isinstance(head, PlainRequestHead):
        return BY_LENGTH if head.length else NO_BODY
    if b"transfer-encoding" in head.present:
        if head.version == (1, 0):
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "Transfer-Encoding in an HTTP/1.0 request")
        if [value.lower() for value in head.get_all(b"transfer-encoding")] != [b"chunked"]:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "Transfer-Encoding is not chunked alone")
        if b"content-length" in head.present:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "Content-Length beside Transfer-Encoding")
        return BY_CHUNKS
    if b"content-length" in head.present:
        if len(head.get_all(b"content-length")) > 1:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, "more than one Content-Length field")
        if int(head.get(b"content-length") or b"0") > MOST_LENGTH:
            raise RefusedMessage(ErrorKind.BAD_REQUEST, f"Content-Length is above {MOST_LENGTH}")
        return BY_LENGTH
    return NO_BODY


def response_framing(head: ResponseHead, method: bytes) -> Framing:
    """Return how the body of a response to ``method`` is delimited.

    Raises:
        RefusedMessage: a coding other than one final ``chunked``, a length beside it, or a second one.
    """
    if head.plain:
        return NO_BODY if method == b"HEAD" or head.status in (204, 304) else BY_LENGTH
    coded = b"transfer-encoding" in head.present
    if coded:
        if [value.lower() for value in head.get_all(b"transfer-encoding")] != [b"chunked"]:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "Transfer-Encoding is not chunked alone")
        if b"content-length" in head.present:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "Content-Length beside Transfer-Encoding")
        if head.version == (1, 0):
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "Transfer-Encoding in an HTTP/1.0 response")
    if method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        return NO_BODY
    if coded:
        return BY_CHUNKS
    if b"content-length" in head.present:
        if head.names.count(b"content-length") > 1:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "more than one Content-Length field")
        if int(head.get(b"content-length") or b"0") > MOST_LENGTH:
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, f"Content-Length is above {MOST_LENGTH}")
        return BY_LENGTH
    return BY_CLOSE


def sent_framing(received: Framing, client_version: tuple[int, int]) -> Framing:
    """Return how a response's body is delimited for the client.

    A body whose length nobody knows is chunked for HTTP/1.1, so that the client can tell its end
    from a failure; an HTTP/1.0 client knows no chunks.
    """
    if received in (NO_BODY, BY_LENGTH):
        return received
    return BY_CHUNKS if client_version == (1, 1) else BY_CLOSE


def chunk(data: bytes) -> bytes:
    """Return ``data``, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
