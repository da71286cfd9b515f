"""The ``traceparent`` field, https://www.w3.org/TR/trace-context-2/#traceparent-header.

What is written is always version 00, the highest known.
"""

import re
from typing import Final

from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault, InvalidContext

SAMPLED: Final = 0x01
RANDOM: Final = 0x02

#   value          = version "-" version-format
#   version-format = trace-id "-" parent-id "-" trace-flags
#
# Versions above 00 may append fields after a dash; the tail is not looked at. What follows
# version 00 is a fault: one more hex digit is a flags field too long, anything else a tail.
_matches = re.compile(
    rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})([^0-9a-f].*)?", re.DOTALL
).fullmatch
_ZERO_TRACE_ID: Final = b"0" * 32
_ZERO_PARENT_ID: Final = b"0" * 16
_FLAGS: Final = tuple(b"%02x" % flags for flags in range(4))


def parse(value: bytes) -> TraceContext:
    """Read a field value, with or without OWS around it. Raises ``InvalidContext``."""
    match = _matches(value.strip(b" \t"))
    if match is None:
        raise InvalidContext(Fault.SYNTAX, value)
    version, trace_id, parent_id, flags, tail = match.groups()
    if version != b"00":
        _check_higher_version(version, tail, value)
    elif tail is not None:
        raise InvalidContext(Fault.TRAILING_DATA, value)
    if trace_id == _ZERO_TRACE_ID:
        raise InvalidContext(Fault.ZERO_TRACE_ID, value)
    if parent_id == _ZERO_PARENT_ID:
        raise InvalidContext(Fault.ZERO_PARENT_ID, value)
    bits = int(flags, 16)
    return TraceContext(trace_id, parent_id, bits & SAMPLED != 0, bits & RANDOM != 0)


def encode(trace_id: bytes, parent_id: bytes, *, sampled: bool, random: bool) -> bytes:
    """Write a version 00 value; both ids are lower-case hex."""
    return b"00-" + trace_id + b"-" + parent_id + b"-" + _FLAGS[sampled + 2 * random]


def encode_flags(*, sampled: bool, random: bool) -> bytes:
    """Write the trace-flags alone."""
    return _FLAGS[sampled + 2 * random]


def _check_higher_version(version: bytes, tail: bytes | None, value: bytes) -> None:
    if version == b"ff":
        raise InvalidContext(Fault.VERSION, value)
    if tail is not None and not tail.startswith(b"-"):
        raise InvalidContext(Fault.SYNTAX, value)
