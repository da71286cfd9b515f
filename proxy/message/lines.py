"""Field lines as bytes, each with the CRLF before it: ``\\r\\nHost: a\\r\\nAccept: */*``.

A head that passes unchanged is passed as the bytes it came in. The wire parser has held every
received line to RFC 9112, section 5, before anything here splits it.
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

#: (name, value) as received.
Field: TypeAlias = tuple[bytes, bytes]

_FIELD: Final = re.compile(rb"\r\n([^:\r]+):[ \t]*([^\r]*)")


def with_host(lines: bytes, host: bytes) -> bytes:
    """Return field lines with this Host, in front, instead of the one that they have."""
    others = [field for field in parse_fields(lines) if field[0].lower() != b"host"]
    return encode_lines([(b"Host", host), *others])


def parse_fields(lines: bytes) -> list[Field]:
    """Return the fields in order; values keep trailing white space."""
    return _FIELD.findall(lines)


def encode_lines(fields: Iterable[Field]) -> bytes:
    """Return fields as lines."""
    return b"".join([b"\r\n%b: %b" % field for field in fields])
