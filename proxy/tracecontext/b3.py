"""B3, https://github.com/openzipkin/b3-propagation: the ``b3`` field, and the ``X-B3-*`` fields.

A sampling state may come alone, without ids; ids may come without one, which leaves the decision to
the receiver.
"""

import re
from collections.abc import Callable
from typing import Final

from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault, InvalidContext

#   b3 = state / trace-id "-" span-id [ "-" state [ "-" parent-span-id ] ]
#   state = "0" / "1" / "d"
_SINGLE: Final = re.compile(rb"([0-9a-f]{16}(?:[0-9a-f]{16})?)-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?")
_TRACE_ID: Final = re.compile(rb"[0-9a-f]{16}(?:[0-9a-f]{16})?")
_SPAN_ID: Final = re.compile(rb"[0-9a-f]{16}")
# Tracers older than the specification write words.
_MULTI_STATES: Final = {b"0": b"0", b"false": b"0", b"1": b"1", b"true": b"1", b"d": b"d"}
_ZEROS: Final = b"0" * 16


def parse_single(value: bytes) -> TraceContext:
    """Read a ``b3`` value. Raises ``InvalidContext``."""
    stripped = value.strip(b" \t")
    if stripped in (b"0", b"1", b"d"):
        return _context(b"", b"", stripped, value)
    match = _SINGLE.fullmatch(stripped)
    if match is None:
        raise InvalidContext(Fault.SYNTAX, value)
    return _context(match[1], match[2], match[3], value)


def parse_multi(get: Callable[[bytes], bytes | None]) -> TraceContext | None:
    """Read the ``X-B3-*`` fields through ``get``; None where they say nothing. Raises ``InvalidContext``."""
    trace_id = get(b"x-b3-traceid")
    span_id = get(b"x-b3-spanid")
    state = _multi_state(get(b"x-b3-sampled"), get(b"x-b3-flags"))
    if trace_id is None and span_id is None:
        return None if state is None else _context(b"", b"", state, b"")
    if trace_id is None or span_id is None:
        raise InvalidContext(Fault.SYNTAX, trace_id or span_id or b"")
    if _TRACE_ID.fullmatch(trace_id) is None:
        raise InvalidContext(Fault.SYNTAX, trace_id)
    for value in (span_id, get(b"x-b3-parentspanid")):
        if value is not None and _SPAN_ID.fullmatch(value) is None:
            raise InvalidContext(Fault.SYNTAX, value)
    return _context(trace_id, span_id, state, trace_id)


def encode_single(context: TraceContext) -> bytes:
    """Write a ``b3`` value."""
    value = _trace_id(context) + b"-" + context.span_id
    if context.debug:
        return value + b"-d"
    if context.sampled is None:
        return value
    return value + (b"-1" if context.sampled else b"-0")


def encode_multi(context: TraceContext) -> list[tuple[bytes, bytes]]:
    """Write the ``X-B3-*`` fields. Debug implies the decision, so it is sent instead of one."""
    fields = [(b"X-B3-TraceId", _trace_id(context)), (b"X-B3-SpanId", context.span_id)]
    if context.debug:
        fields.append((b"X-B3-Flags", b"1"))
    elif context.sampled is not None:
        fields.append((b"X-B3-Sampled", b"1" if context.sampled else b"0"))
    return fields


def _multi_state(sampled: bytes | None, flags: bytes | None) -> bytes | None:
    if flags == b"1":
        return b"d"
    if sampled is None:
        return None
    state = _MULTI_STATES.get(sampled.lower())
    if state is None:
        raise InvalidContext(Fault.SYNTAX, sampled)
    return state


def _context(trace_id: bytes, span_id: bytes, state: bytes | None, value: bytes) -> TraceContext:
    if trace_id:
        if not trace_id.strip(b"0"):
            raise InvalidContext(Fault.ZERO_TRACE_ID, value)
        if not span_id.strip(b"0"):
            raise InvalidContext(Fault.ZERO_PARENT_ID, value)
    narrow = len(trace_id) == 16
    return TraceContext(
        _ZEROS + trace_id if narrow else trace_id,
        span_id,
        None if state is None else state != b"0",
        debug=state == b"d",
        narrow=narrow,
    )


def _trace_id(context: TraceContext) -> bytes:
    return context.trace_id[16:] if context.narrow else context.trace_id
