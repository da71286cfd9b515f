"""Datadog's ``x-datadog-*`` fields.

Ids are decimal: the low 64 bits of the trace-id, and the parent-id. The high bits travel as 16 hex
digits in the ``_dd.p.tid`` tag. A parent-id of 0 means that the trace has no span yet (synthetic
tests send it).
"""

import re
from collections.abc import Callable
from typing import Final

from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault, InvalidContext

_DECIMAL: Final = re.compile(rb"[0-9]{1,20}")
_PRIORITY: Final = re.compile(rb"-?[0-9]{1,3}")
_HIGH_BITS: Final = re.compile(rb"[0-9a-f]{16}")
_HIGH_BITS_TAG: Final = b"_dd.p.tid="
_DECISION_MAKER_TAG: Final = b"_dd.p.dm="
_ZEROS: Final = b"0" * 16


def parse(get: Callable[[bytes], bytes | None]) -> TraceContext | None:
    """Read the fields through ``get``; None without a trace-id. Raises ``InvalidContext``."""
    trace_id = get(b"x-datadog-trace-id")
    if trace_id is None:
        return None
    low = _number(trace_id)
    if low == 0:
        raise InvalidContext(Fault.ZERO_TRACE_ID, trace_id)
    parent_id = _number(get(b"x-datadog-parent-id") or b"")
    priority = _priority(get(b"x-datadog-sampling-priority"))
    tags = get(b"x-datadog-tags") or b""
    high = _high_bits(tags)
    return TraceContext(
        (high or _ZEROS) + b"%016x" % low,
        b"%016x" % parent_id if parent_id else b"",
        None if priority is None else priority > 0,
        narrow=high is None,
        priority=priority,
        origin=get(b"x-datadog-origin") or b"",
        tags=tags,
    )


def encode(context: TraceContext) -> list[tuple[bytes, bytes]]:
    """Write the fields. A priority of the wrong sign gives way to the decision, and so does who made it."""
    high = context.trace_id[:16]
    fields = [
        (b"x-datadog-trace-id", b"%d" % int(context.trace_id[16:], 16)),
        (b"x-datadog-parent-id", b"%d" % int(context.span_id or b"0", 16)),
    ]
    priority = context.priority
    kept = priority is not None and (priority > 0) is context.sampled
    if context.sampled is not None:
        if priority is None or not kept:
            priority = int(context.sampled)
        fields.append((b"x-datadog-sampling-priority", b"%d" % priority))
    if context.origin:
        fields.append((b"x-datadog-origin", context.origin))
    tags = [] if high == _ZEROS else [_HIGH_BITS_TAG + high]
    tags += _other_tags(context.tags, keep_decision_maker=kept)
    if tags:
        fields.append((b"x-datadog-tags", b",".join(tags)))
    return fields


def _number(value: bytes) -> int:
    if _DECIMAL.fullmatch(value) is None or (number := int(value)) >= 1 << 64:
        raise InvalidContext(Fault.SYNTAX, value)
    return number


def _priority(value: bytes | None) -> int | None:
    if value is None:
        return None
    if _PRIORITY.fullmatch(value) is None:
        raise InvalidContext(Fault.SYNTAX, value)
    return int(value)


def _high_bits(tags: bytes) -> bytes | None:
    """Return the high half of the trace-id; malformed, it counts as not sent, as Datadog's tracers do it."""
    for tag in tags.split(b","):
        stripped = tag.strip(b" \t")
        if stripped.startswith(_HIGH_BITS_TAG):
            high = stripped[len(_HIGH_BITS_TAG) :]
            return high if _HIGH_BITS.fullmatch(high) else None
    return None


def _other_tags(tags: bytes, *, keep_decision_maker: bool) -> list[bytes]:
    dropped = (_HIGH_BITS_TAG,) if keep_decision_maker else (_HIGH_BITS_TAG, _DECISION_MAKER_TAG)
    stripped = [tag.strip(b" \t") for tag in tags.split(b",")]
    return [tag for tag in stripped if tag and not tag.startswith(dropped)]
