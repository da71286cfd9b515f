"""The other formats of a context that is forwarded: all tell the upstream the same story."""

from collections.abc import Sequence
from typing import Final

from proxy.message.head import Field, Head
from proxy.policy.inbound import Inbound, read
from proxy.policy.tracing import NOTHING, TracingPolicy
from proxy.tracecontext.formats import CONTEXT_FIELDS, FIELDS_OF, Format

TRACESTATE_ALONE: Final = frozenset((b"tracestate",))
#: For each format, the fields of all others.
OTHER_FIELDS: Final = {fmt: CONTEXT_FIELDS - fields for fmt, fields in FIELDS_OF.items()}


def complete(
    policy: TracingPolicy, head: Head, found: Inbound, *, trusted: bool
) -> tuple[frozenset[bytes], Sequence[Field]]:
    """Make the other formats of a forwarded context say the same: add what lacks, replace what contradicts.

    A format that is not propagated stays as it came, but an untrusted client's must not contradict:
    it would undo the cap.
    """
    propagators = policy.propagators
    remove = NOTHING if found.fault is None else TRACESTATE_ALONE
    came = not OTHER_FIELDS[found.format].isdisjoint(head.present)
    if not came and (propagators == (found.format,) or not propagators):
        return remove, ()
    missing = set()
    for fmt, fields in FIELDS_OF.items():
        if fmt is found.format:
            continue
        if fields.isdisjoint(head.present):
            missing.add(fmt)
            continue
        other = read(fmt, head)
        if other is None or not other.agrees_with(found.context):
            missing.add(fmt)
            if fmt in propagators or not trusted:
                remove |= fields
        if fmt is Format.TRACECONTEXT and (other is None or not (trusted or fmt in policy.extract)):
            # Without its traceparent, or unread and from nobody we know.
            remove |= TRACESTATE_ALONE
    written = [fmt for fmt in propagators if fmt in missing]
    if not written:
        return remove, ()
    return remove, policy.writer.complete(written, found.context, found.members)
