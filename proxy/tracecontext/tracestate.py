"""The ``tracestate`` field, https://www.w3.org/TR/trace-context-2/#tracestate-header.

A parsed tracestate is the list of its members, ``key=value`` each, in order, empty ones left out.
Keys that occur twice are passed on: uniqueness is their sender's duty (Level 2), and which of them
is meant is not ours to say.
"""

import re
from collections.abc import Sequence
from typing import Final

from proxy.tracecontext.fault import Fault, InvalidContext

MAX_MEMBERS: Final = 32
MAX_CHARACTERS: Final = 512
MAX_VALUE: Final = 256
_LONG_MEMBER: Final = 128

#   key      = ( lcalpha / DIGIT ) 0*255 ( keychar )
#   keychar  = lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@"
#   value    = 0*255(chr) nblk-chr
#   nblk-chr = %x21-2B / %x2D-3C / %x3E-7E
#   chr      = %x20 / nblk-chr
_KEY: Final = rb"[a-z0-9][a-z0-9_\-*/@]{0,255}"
_VALUE: Final = rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_matches_member = re.compile(_KEY + b"=" + _VALUE).fullmatch
_matches_key = re.compile(_KEY).fullmatch


def parse(value: bytes) -> list[bytes]:
    """Read a field value, several fields joined by commas. Raises ``InvalidContext``."""
    members = []
    for part in value.split(b","):
        member = part.strip(b" \t")
        if not member:
            continue
        if _matches_member(member) is None:
            raise InvalidContext(Fault.TRACESTATE_SYNTAX, value)
        members.append(member)
    if len(members) > MAX_MEMBERS:
        raise InvalidContext(Fault.TRACESTATE_TOO_MANY, value)
    return members


def encode(leading: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """Write the members that changed, then the others; empty where there is none.

    The leading ones are never dropped. Of the others at least 512 characters stay: whole members go,
    first those longer than 128 characters, from the right.
    """
    kept = others[: MAX_MEMBERS - len(leading)]
    value = b",".join([*leading, *kept])
    if len(value) <= MAX_CHARACTERS:
        return value
    excess = sum(map(len, kept)) + len(kept) - 1 - MAX_CHARACTERS
    return b",".join([*leading, *_shorten(kept, excess)])


def valid_key(key: bytes) -> bool:
    """Tell whether ``key`` may name a member."""
    return _matches_key(key) is not None


def value_of(members: Sequence[bytes], prefix: bytes) -> bytes | None:
    """Return the value of the left-most member that starts with ``prefix`` (``key=``), or None."""
    for member in members:
        if member.startswith(prefix):
            return member[len(prefix) :]
    return None


def _shorten(members: Sequence[bytes], excess: int) -> list[bytes]:
    kept = []
    for member in reversed(members):
        if excess > 0 and len(member) > _LONG_MEMBER:
            excess -= len(member) + 1
        else:
            kept.append(member)
    kept.reverse()
    while excess > 0:
        excess -= len(kept.pop()) + 1
    return kept
