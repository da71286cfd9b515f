"""The fields that carry a trace context upstream, in the formats of ``propagators``."""

from collections.abc import Sequence
from typing import Final

from proxy.message.head import Field
from proxy.tracecontext import b3, datadog, own_member, traceparent, tracestate
from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.formats import Format
from proxy.tracecontext.probability import encode_threshold

OT: Final = b"ot="

# Looking up a member of an enumeration costs 80 ns, too much for every request.
_TRACECONTEXT: Final = Format.TRACECONTEXT


class Writer:
    """Writes what a policy propagates; all that does not depend on the request is written once, here.

    ``threshold`` is the ``ot=th`` of traces sampled by rate, None where none is written.
    """

    __slots__ = ("_by_rate", "_key", "_origin", "_random", "_state", "_w3c_only", "propagators", "threshold")

    def __init__(
        self,
        propagators: tuple[Format, ...],
        *,
        member_key: bytes | None,
        member_origin: bytes | None,
        w3c_level: int,
        threshold: int | None,
    ) -> None:
        self.propagators = propagators
        self.threshold = threshold
        self._key = None if member_key is None else member_key + b"="
        self._origin = (member_origin or b"") if member_key is not None else b""
        self._random = w3c_level >= 2
        self._w3c_only = propagators == (Format.TRACECONTEXT,)
        self._state = (self._new_state(False), self._new_state(True))
        self._by_rate = (self._state[0], self._new_state(True, threshold))

    def start(self, trace_id: bytes, span_id: bytes, *, sampled: bool, by_rate: bool) -> Sequence[Field]:
        """Write a trace that begins here."""
        state = self._by_rate[sampled] if by_rate else self._state[sampled]
        # The commonest case by far, without the object and the dispatch.
        if self._w3c_only:
            value = traceparent.encode(trace_id, span_id, sampled=sampled, random=self._random)
            return ((b"traceparent", value), *state)
        context = TraceContext(trace_id, span_id, sampled, self._random, origin=self._origin)
        return write(self.propagators, context, state[0][1] if state else b"")

    def flags(self, *, sampled: bool) -> bytes:
        """Return the trace-flags of a trace that begins here."""
        return traceparent.encode_flags(sampled=sampled, random=self._random)

    def proceed(
        self,
        theirs: TraceContext,
        span_id: bytes,
        sampled: bool,
        members: Sequence[bytes],
        ot: bytes | None,
        *,
        ot_changed: bool,
    ) -> Sequence[Field]:
        """Write a context that goes on under a new span-id and with the decision."""
        state = self._next_state(members, sampled, ot, ot_changed=ot_changed)
        if self._w3c_only:
            value = traceparent.encode(theirs.trace_id, span_id, sampled=sampled, random=theirs.random)
            first = (b"traceparent", value)
            return (first, (b"tracestate", state)) if state else (first,)
        context = TraceContext(
            theirs.trace_id,
            span_id,
            sampled,
            theirs.random,
            theirs.debug and sampled,
            theirs.narrow,
            theirs.priority,
            theirs.origin,
            theirs.tags,
        )
        self._fill_origin(context, members)
        return write(self.propagators, context, state)

    def complete(
        self, formats: Sequence[Format], context: TraceContext, members: Sequence[bytes]
    ) -> list[Field]:
        """Write a forwarded context in the formats that it did not come in."""
        self._fill_origin(context, members)
        if self._key is None or tracestate.value_of(members, self._key) is None:
            return write(formats, context, tracestate.encode((), members))
        state = self._next_state(members, bool(context.sampled), None, ot_changed=False)
        return write(formats, context, state)

    def _new_state(self, sampled: bool, threshold: int | None = None) -> tuple[Field, ...]:
        members = []
        if self._key is not None:
            members.append(self._key + own_member.start(sampled, self._origin))
        if threshold is not None and threshold < 1 << 56:
            members.append(OT + b"th:" + encode_threshold(threshold))
        return ((b"tracestate", b",".join(members)),) if members else ()

    def _next_state(
        self, members: Sequence[bytes], sampled: bool, ot: bytes | None, *, ot_changed: bool
    ) -> bytes:
        leading = []
        key = self._key
        if key is not None:
            others = [member for member in members if not member.startswith(key)]
            came = tracestate.value_of(members, key) if len(others) < len(members) else None
            leading.append(key + own_member.update(came, sampled))
            members = others
        if ot_changed:
            if ot is not None:
                leading.append(OT + ot)
            members = [member for member in members if not member.startswith(OT)]
        return tracestate.encode(leading, members)

    def _fill_origin(self, context: TraceContext, members: Sequence[bytes]) -> None:
        if not context.origin and self._key is not None:
            context.origin = own_member.origin_of(tracestate.value_of(members, self._key))


def write(formats: Sequence[Format], context: TraceContext, state: bytes) -> list[Field]:
    """Write a context in these formats; ``state`` is the tracestate, empty for none."""
    fields: list[Field] = []
    for fmt in formats:
        if fmt is _TRACECONTEXT:
            value = traceparent.encode(
                context.trace_id, context.span_id, sampled=bool(context.sampled), random=context.random
            )
            fields.append((b"traceparent", value))
            if state:
                fields.append((b"tracestate", state))
        elif fmt is Format.B3:
            fields.append((b"b3", b3.encode_single(context)))
        elif fmt is Format.B3MULTI:
            fields += b3.encode_multi(context)
        else:
            fields += datadog.encode(context)
    return fields
