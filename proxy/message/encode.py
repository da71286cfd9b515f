"""Heads to bytes."""

from collections.abc import Iterable

from proxy.message.lines import Field


def encode_request_head(method: bytes, target: bytes, lines: bytes) -> bytes:
    """Return an HTTP/1.1 request head of field lines (``lines.encode_lines``), its blank line included."""
    return b"%b %b HTTP/1.1%b\r\n\r\n" % (method, target, lines)


def encode_response_head(status: int, phrase: bytes, lines: bytes) -> bytes:
    """Return an HTTP/1.1 response head of field lines, its blank line included."""
    return b"HTTP/1.1 %d %b%b\r\n\r\n" % (status, phrase, lines)


def encode_trailers(fields: Iterable[Field]) -> bytes:
    """Return a trailer section's lines, without its blank line."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])
