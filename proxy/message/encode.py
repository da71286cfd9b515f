"""Heads to bytes."""

from collections.abc import Iterable

from proxy.message.head import Field


def encode_request_head(method: bytes, target: bytes, fields: Iterable[Field]) -> bytes:
    """Return an HTTP/1.1 request head, its blank line included."""
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    lines += map(b": ".join, fields)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def encode_response_head(status: int, phrase: bytes, fields: Iterable[Field]) -> bytes:
    """Return an HTTP/1.1 response head, its blank line included."""
    lines = [b"HTTP/1.1 %d %b" % (status, phrase)]
    lines += map(b": ".join, fields)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def encode_fields(fields: Iterable[Field]) -> bytes:
    """Return field lines without a blank line, as in a trailer section."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])
