"""What happens to the trace context of one request.

``decide`` is for requests that a rule traces, ``leave`` for all others. Neither changes the head:
the decision names the fields to remove and those to add, and whoever sends the head applies both.
"""

from typing import Final

from proxy.message.head import Field, RequestHead, context_of
from proxy.policy.completion import OTHER_FIELDS, TRACESTATE_ALONE, complete
from proxy.policy.inbound import Inbound, extract, read
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.sampling import take_from_all
from proxy.policy.tracing import (
    NOTHING,
    InvalidAction,
    Parent,
    ResponsePolicy,
    TraceDecision,
    TracingPolicy,
    UntrustedAction,
)
from proxy.policy.verdict import judge
from proxy.tracecontext import server_timing, traceparent
from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault
from proxy.tracecontext.formats import BAGGAGE, CONTEXT_FIELDS, Format
from proxy.tracecontext.ids import IdSource

__all__ = [
    "InvalidAction",
    "Parent",
    "ResponsePolicy",
    "TraceDecision",
    "TracingPolicy",
    "UntrustedAction",
    "decide",
    "leave",
    "response_fields",
]

_BAGGAGE_ALONE: Final = frozenset((BAGGAGE,))
_CONTEXT_AND_BAGGAGE: Final = CONTEXT_FIELDS | _BAGGAGE_ALONE
# A tracestate alone is no context: without its traceparent it is discarded.
_BEARING_FIELDS: Final = CONTEXT_FIELDS - TRACESTATE_ALONE

# Looking up a member of an enumeration costs 80 ns, too much for every request.
_SAMPLED: Final = Decision.SAMPLED
_NOT_SAMPLED: Final = Decision.NOT_SAMPLED
_STARTED: Final = Context.STARTED
_CONTINUED: Final = Context.CONTINUED
_FORWARDED: Final = Context.FORWARDED
_BY_RATE: Final = Reason.RATE

_UNSENT: Final = TraceDecision(Decision.NOT_SAMPLED, Reason.RATE, Context.NONE)
_PREFLIGHT: Final = TraceDecision(Decision.NOT_SAMPLED, Reason.PREFLIGHT, Context.NONE)
_UNTRACED: Final = {reason: TraceDecision(Decision.UNTRACED, reason, Context.NONE) for reason in Reason}


def decide(
    policy: TracingPolicy,
    head: RequestHead,
    *,
    trusted: bool,
    preflight: bool,
    ids: IdSource,
    now: float,
) -> TraceDecision:
    """Decide about a request that a rule traces. ``now`` is monotonic seconds."""
    fields = context_of(head)
    if fields is None and not preflight:
        return _start(policy, head, ids, now, NOTHING)
    fields = fields or head
    present = fields.present
    drop_baggage = not trusted and BAGGAGE in present and policy.untrusted is not UntrustedAction.CAP
    if preflight:
        return _decide_preflight(head, trusted=trusted, drop_baggage=drop_baggage)
    if CONTEXT_FIELDS.isdisjoint(present):
        return _start(policy, head, ids, now, _BAGGAGE_ALONE if drop_baggage else NOTHING)
    found = extract(policy.extract, fields)
    if isinstance(found, Fault):
        return _decide_invalid(policy, head, found, ids, now, trusted=trusted, drop_baggage=drop_baggage)
    remove = _CONTEXT_AND_BAGGAGE if drop_baggage else CONTEXT_FIELDS
    if not trusted and not _BEARING_FIELDS.isdisjoint(present):
        if policy.untrusted is not UntrustedAction.CAP:
            return _refuse_untrusted(policy, head, found, ids, now, remove)
        if found is None:
            return _start(policy, head, ids, now, remove, fault=Fault.UNTRUSTED)
    if found is None:
        return _start(policy, head, ids, now, remove)
    if not found.context.trace_id:
        return _decide_without_ids(policy, head, found, ids, now, trusted=trusted)
    return _decide_valid(policy, head, found, ids, now, trusted=trusted)


def leave(reason: Reason, head: RequestHead, *, trusted: bool, strip: bool) -> TraceDecision:
    """Decide about a request that no rule matches, or whose rule leaves it alone.

    ``reason`` says which, or that it is a preflight; ``strip`` removes a trusted context too.
    """
    fields = context_of(head)
    if fields is None and reason is not Reason.PREFLIGHT:
        return _UNTRACED[reason]
    fields = fields or head
    present = fields.present
    drop_baggage = not trusted and BAGGAGE in present
    if reason is Reason.PREFLIGHT:
        return _decide_preflight(head, trusted=trusted, drop_baggage=drop_baggage)
    if CONTEXT_FIELDS.isdisjoint(present):
        if drop_baggage:
            return TraceDecision(Decision.UNTRACED, reason, Context.NONE, None, _BAGGAGE_ALONE)
        return _UNTRACED[reason]
    if not trusted:
        return TraceDecision(
            Decision.UNTRACED, reason, Context.STRIPPED, Fault.UNTRUSTED, _CONTEXT_AND_BAGGAGE
        )
    if strip:
        return TraceDecision(Decision.UNTRACED, reason, Context.STRIPPED, None, CONTEXT_FIELDS)
    decision = TraceDecision(Decision.UNTRACED, reason, Context.FORWARDED)
    context = read(Format.TRACECONTEXT, fields)
    if context is not None:
        decision.trace_id = context.trace_id
        decision.span_id = decision.parent_id = context.span_id
        decision.flags = traceparent.encode_flags(sampled=bool(context.sampled), random=context.random)
    return decision


def response_fields(policy: TracingPolicy, decision: TraceDecision) -> list[Field]:
    """Return the fields that tell the client its trace: none where no context is left, or it has no ids."""
    response = policy.response
    if not decision.trace_id or decision.context is Context.NONE or decision.context is Context.STRIPPED:
        return []
    fields: list[Field] = []
    if response.server_timing or response.traceresponse:
        value = b"00-" + decision.trace_id + b"-" + decision.span_id + b"-" + decision.flags
        if response.server_timing:
            fields.append((b"Server-Timing", server_timing.encode(value)))
        if response.traceresponse:
            fields.append((b"traceresponse", value))
    if response.trace_id_header is not None:
        fields.append((response.trace_id_header, decision.trace_id))
    return fields


def _decide_preflight(head: RequestHead, *, trusted: bool, drop_baggage: bool) -> TraceDecision:
    """A preflight begins no trace, and none that came with it goes on: browsers send none with theirs."""
    if CONTEXT_FIELDS.isdisjoint(head.present):
        if not drop_baggage:
            return _PREFLIGHT
        return TraceDecision(Decision.NOT_SAMPLED, Reason.PREFLIGHT, Context.NONE, None, _BAGGAGE_ALONE)
    return TraceDecision(
        Decision.NOT_SAMPLED,
        Reason.PREFLIGHT,
        Context.STRIPPED,
        None if trusted else Fault.UNTRUSTED,
        _CONTEXT_AND_BAGGAGE if drop_baggage else CONTEXT_FIELDS,
    )


def _start(
    policy: TracingPolicy,
    head: RequestHead,
    ids: IdSource,
    now: float,
    remove: frozenset[bytes],
    *,
    context: Context = _STARTED,
    fault: Fault | None = None,
    replaced: TraceContext | None = None,
) -> TraceDecision:
    """Decide by rate, as if no context came."""
    trace_id = ids.trace_id()
    sampler = policy.sampler
    sampled = sampler.randomness(head, trace_id) >= sampler.threshold
    reason = _BY_RATE
    if sampled and policy.limits and not take_from_all(policy.limits, now):
        sampled, reason = False, Reason.RATE_LIMIT
    sent = sampled or policy.inject_all
    if not sent and context is _STARTED:
        if reason is _BY_RATE and remove is NOTHING:
            return _UNSENT
        return TraceDecision(Decision.NOT_SAMPLED, reason, Context.NONE, fault, remove)
    span_id = ids.span_id()
    decision = TraceDecision(
        _SAMPLED if sampled else _NOT_SAMPLED,
        reason,
        context,
        fault,
        remove,
        policy.writer.start(trace_id, span_id, sampled=sampled, by_rate=True) if sent else (),
        trace_id,
        span_id,
        policy.writer.flags(sampled=sampled),
    )
    if replaced is not None:
        decision.replaced_trace_id = replaced.trace_id
        decision.replaced_parent_id = replaced.span_id
    return decision


def _decide_invalid(
    policy: TracingPolicy,
    head: RequestHead,
    fault: Fault,
    ids: IdSource,
    now: float,
    *,
    trusted: bool,
    drop_baggage: bool,
) -> TraceDecision:
    action = policy.invalid
    if action is InvalidAction.FORWARD and not trusted:
        # What nobody could read cannot be capped either.
        strip = policy.untrusted is UntrustedAction.STRIP
        action = InvalidAction.STRIP if strip else InvalidAction.RESTART
        fault = Fault.UNTRUSTED
    if action is InvalidAction.REJECT:
        return TraceDecision(Decision.REJECTED, Reason.INVALID_CONTEXT, Context.REJECTED, fault)
    if action is InvalidAction.FORWARD:
        return TraceDecision(Decision.UNTRACED, Reason.INVALID_CONTEXT, Context.FORWARDED, fault)
    if action is InvalidAction.STRIP:
        return TraceDecision(
            Decision.UNTRACED, Reason.INVALID_CONTEXT, Context.STRIPPED, fault, _CONTEXT_AND_BAGGAGE
        )
    remove = _CONTEXT_AND_BAGGAGE if drop_baggage else CONTEXT_FIELDS
    return _start(policy, head, ids, now, remove, context=Context.RESTARTED, fault=fault)


def _refuse_untrusted(
    policy: TracingPolicy,
    head: RequestHead,
    found: Inbound | None,
    ids: IdSource,
    now: float,
    remove: frozenset[bytes],
) -> TraceDecision:
    fault = Fault.UNTRUSTED
    if policy.untrusted is UntrustedAction.STRIP:
        return TraceDecision(Decision.UNTRACED, Reason.INVALID_CONTEXT, Context.STRIPPED, fault, remove)
    replaced = None if found is None else found.context
    return _start(policy, head, ids, now, remove, context=Context.RESTARTED, fault=fault, replaced=replaced)


def _decide_without_ids(
    policy: TracingPolicy, head: RequestHead, found: Inbound, ids: IdSource, now: float, *, trusted: bool
) -> TraceDecision:
    """A decision that came alone (``b3: 0``) holds for the trace that begins here.

    A denial that stands goes on as it came, and nothing beside it: other formats could contradict.
    """
    trace_id = ids.trace_id()
    verdict = judge(policy, head, found, trace_id, now, trusted=trusted)
    sampled = verdict.sampled
    fault = found.fault if trusted else Fault.UNTRUSTED
    if not sampled and not policy.inject_all:
        if found.context.sampled:
            return TraceDecision(Decision.NOT_SAMPLED, verdict.reason, Context.NONE, fault, CONTEXT_FIELDS)
        others = OTHER_FIELDS[found.format]
        return TraceDecision(Decision.NOT_SAMPLED, verdict.reason, Context.FORWARDED, fault, others)
    span_id = ids.span_id()
    writer = policy.writer
    return TraceDecision(
        _SAMPLED if sampled else _NOT_SAMPLED,
        verdict.reason,
        Context.STARTED,
        fault,
        CONTEXT_FIELDS,
        writer.start(trace_id, span_id, sampled=sampled, by_rate=verdict.reason is Reason.RATE),
        trace_id,
        span_id,
        writer.flags(sampled=sampled),
    )


def _decide_valid(
    policy: TracingPolicy, head: RequestHead, found: Inbound, ids: IdSource, now: float, *, trusted: bool
) -> TraceDecision:
    theirs = found.context
    verdict = judge(policy, head, found, theirs.trace_id, now, trusted=trusted)
    sampled = verdict.sampled
    decision = _SAMPLED if sampled else _NOT_SAMPLED
    fault = found.fault if trusted else Fault.UNTRUSTED
    if (
        sampled is not theirs.sampled
        or (sampled and policy.records_span)
        or policy.always_participate
        or verdict.ot_changed
        or not theirs.span_id
    ):
        context, remove, span_id = _CONTINUED, CONTEXT_FIELDS, ids.span_id()
        add = policy.writer.proceed(
            theirs, span_id, sampled, found.members, verdict.ot, ot_changed=verdict.ot_changed
        )
    else:
        remove, add = complete(policy, context_of(head) or head, found, trusted=trusted)
        context, span_id = _FORWARDED, theirs.span_id
    return TraceDecision(
        decision,
        verdict.reason,
        context,
        fault,
        remove,
        add,
        theirs.trace_id,
        span_id,
        traceparent.encode_flags(sampled=sampled, random=theirs.random),
        theirs.span_id,
    )
