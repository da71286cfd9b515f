"""What becomes of a trace context: every row of the table in docs/behavior.md, and what is settled below it.

New ids are all ``aa``: their R is 2/3 of the space, so a rate of 50 samples them and 10 does not. R of
the client's trace-id is 0.807 of it: 50 samples that too, and 10 does not.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from proxy.message.head import Field, RequestHead
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import (
    InvalidAction,
    Parent,
    ResponsePolicy,
    TraceDecision,
    TracingPolicy,
    UntrustedAction,
    decide,
    leave,
    response_fields,
)
from proxy.policy.sampling import SampleBy, Sampler, TraceLimit
from proxy.tracecontext.fault import Fault
from proxy.tracecontext.formats import BAGGAGE, CONTEXT_FIELDS, Format
from proxy.tracecontext.ids import IdSource

NEW = b"aa" * 16
NEW_SPAN = b"aa" * 8
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
W3C = (Format.TRACECONTEXT,)
B3 = (Format.B3,)
B3MULTI = (Format.B3MULTI,)
DATADOG = (Format.DATADOG,)


def traceparent(flags: bytes = b"01", trace_id: bytes = TRACE, span_id: bytes = SPAN) -> Field:
    return (b"traceparent", b"00-" + trace_id + b"-" + span_id + b"-" + flags)


def started(flags: bytes = b"01") -> Field:
    return traceparent(flags, NEW, NEW_SPAN)


def continued(flags: bytes = b"01") -> Field:
    return traceparent(flags, TRACE, NEW_SPAN)


def tracestate(value: bytes) -> Field:
    return (b"tracestate", value)


def b3(state: bytes = b"-1", trace_id: bytes = TRACE, span_id: bytes = SPAN) -> Field:
    return (b"b3", trace_id + b"-" + span_id + state)


def datadog(
    priority: bytes = b"1", span_id: bytes = SPAN, trace_id: bytes = TRACE, **more: bytes
) -> list[Field]:
    fields = [
        (b"x-datadog-trace-id", b"%d" % int(trace_id[16:], 16)),
        (b"x-datadog-parent-id", b"%d" % int(span_id, 16)),
        (b"x-datadog-sampling-priority", priority),
    ]
    if "origin" in more:
        fields.append((b"x-datadog-origin", more["origin"]))
    return [*fields, (b"x-datadog-tags", b"_dd.p.tid=" + trace_id[:16])]


def policy(rate: object = 50, **settings: Any) -> TracingPolicy:
    by = settings.pop("by", None)
    return TracingPolicy(Sampler(Decimal(str(rate)), by), **settings)


def run(
    tracing: TracingPolicy, fields: list[Field], *, trusted: bool = True, preflight: bool = False
) -> TraceDecision:
    ids = IdSource(lambda size: b"\xaa" * size)
    return decide(tracing, head(fields), trusted=trusted, preflight=preflight, ids=ids, now=1.0)


def head(fields: list[Field]) -> RequestHead:
    return RequestHead(b"GET", b"/", [(b"Host", b"example.com"), *fields])


def upstream(fields: list[Field], decision: TraceDecision) -> list[Field]:
    """Apply the decision and return what concerns a trace, as sent."""
    kept = [f for f in head(fields).fields if f[0].lower() not in decision.remove]
    return [f for f in [*kept, *decision.add] if f[0].lower() in CONTEXT_FIELDS | {BAGGAGE}]


@dataclass(frozen=True)
class Case:
    """One row: a policy, what comes in, and what is decided and sent."""

    tracing: TracingPolicy
    came: list[Field]
    decision: Decision
    reason: Reason
    context: Context
    fault: Fault | None = None
    sent: list[Field] | None = None  # None: as it came
    trusted: bool = True
    preflight: bool = False


SAMPLED, NOT_SAMPLED = Decision.SAMPLED, Decision.NOT_SAMPLED
UNTRACED, REJECTED = Decision.UNTRACED, Decision.REJECTED
OWN_STARTED = tracestate(b"dd=s:1;o:rum")
OWN_UNSENT = tracestate(b"dd=s:0;o:rum")
CLIENT = [traceparent(), tracestate(b"dd=s:1;o:rum,congo=t61")]
UNSAMPLED_CLIENT = [traceparent(b"00"), tracestate(b"congo=t61")]
NEW_TRACE = [started(), OWN_STARTED]


NO_CONTEXT = {
    "sampled": Case(policy(), [], SAMPLED, Reason.RATE, Context.STARTED, sent=NEW_TRACE),
    "rate-100": Case(policy(100), [], SAMPLED, Reason.RATE, Context.STARTED, sent=NEW_TRACE),
    "rate-0": Case(policy(0), [], NOT_SAMPLED, Reason.RATE, Context.NONE, sent=[]),
    "not-sampled-inject-sampled": Case(policy(10), [], NOT_SAMPLED, Reason.RATE, Context.NONE, sent=[]),
    "not-sampled-inject-all": Case(
        policy(10, inject_all=True),
        [],
        NOT_SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(b"00"), OWN_UNSENT],
    ),
    "no-own-member": Case(
        policy(member_key=None), [], SAMPLED, Reason.RATE, Context.STARTED, sent=[started()]
    ),
    "no-origin": Case(
        policy(member_origin=None),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(), tracestate(b"dd=s:1")],
    ),
    "another-key": Case(
        policy(member_key=b"acme@vendor", member_origin=b"edge"),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(), tracestate(b"acme@vendor=s:1;o:edge")],
    ),
    "level-2-sampled": Case(
        policy(w3c_level=2), [], SAMPLED, Reason.RATE, Context.STARTED, sent=[started(b"03"), OWN_STARTED]
    ),
    "level-2-not-sampled": Case(
        policy(10, w3c_level=2, inject_all=True),
        [],
        NOT_SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(b"02"), OWN_UNSENT],
    ),
    "threshold": Case(
        policy(write_threshold=True),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(), tracestate(b"dd=s:1;o:rum,ot=th:8")],
    ),
    "threshold-of-rate-100": Case(
        policy(100, write_threshold=True),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(), tracestate(b"dd=s:1;o:rum,ot=th:0")],
    ),
    "threshold-in-full": Case(
        policy("33.4", write_threshold=True),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(), tracestate(b"dd=s:1;o:rum,ot=th:aa7ef9db22d0e5")],
    ),
    "threshold-without-own-member": Case(
        policy(write_threshold=True, member_key=None),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(), tracestate(b"ot=th:8")],
    ),
    "threshold-of-what-is-not-sampled": Case(
        policy(10, write_threshold=True, inject_all=True),
        [],
        NOT_SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[started(b"00"), OWN_UNSENT],
    ),
    "threshold-with-sample-by": Case(
        policy(write_threshold=True, by=SampleBy(header=b"x-session-id")),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=NEW_TRACE,
    ),
    "threshold-with-a-cap": Case(
        policy(write_threshold=True, limits=(TraceLimit(9),)),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=NEW_TRACE,
    ),
    "cap-used-up": Case(
        policy(limits=(TraceLimit(0),)), [], NOT_SAMPLED, Reason.RATE_LIMIT, Context.NONE, sent=[]
    ),
    "cap-used-up-inject-all": Case(
        policy(limits=(TraceLimit(9), TraceLimit(0)), inject_all=True),
        [],
        NOT_SAMPLED,
        Reason.RATE_LIMIT,
        Context.STARTED,
        sent=[started(b"00"), OWN_UNSENT],
    ),
    "cap-is-not-asked-about-what-the-rate-refuses": Case(
        policy(10, limits=(TraceLimit(0),)), [], NOT_SAMPLED, Reason.RATE, Context.NONE, sent=[]
    ),
    "b3": Case(
        policy(propagators=B3), [], SAMPLED, Reason.RATE, Context.STARTED, sent=[b3(b"-1", NEW, NEW_SPAN)]
    ),
    "b3multi-not-sampled": Case(
        policy(10, propagators=B3MULTI, inject_all=True),
        [],
        NOT_SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[(b"X-B3-TraceId", NEW), (b"X-B3-SpanId", NEW_SPAN), (b"X-B3-Sampled", b"0")],
    ),
    "datadog": Case(
        policy(propagators=DATADOG),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=datadog(b"1", NEW_SPAN, NEW, origin=b"rum"),
    ),
    "several-formats": Case(
        policy(propagators=(Format.DATADOG, *W3C, *B3)),
        [],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=[*datadog(b"1", NEW_SPAN, NEW, origin=b"rum"), *NEW_TRACE, b3(b"-1", NEW, NEW_SPAN)],
    ),
    "untrusted-without-a-context": Case(
        policy(), [], SAMPLED, Reason.RATE, Context.STARTED, sent=NEW_TRACE, trusted=False
    ),
    "tracestate-alone-is-discarded": Case(
        policy(), [tracestate(b"a=1")], SAMPLED, Reason.RATE, Context.STARTED, sent=NEW_TRACE
    ),
    "tracestate-alone-is-discarded-unsent": Case(
        policy(10), [tracestate(b"a=1")], NOT_SAMPLED, Reason.RATE, Context.NONE, sent=[]
    ),
    "untrusted-tracestate-alone-is-no-context": Case(
        policy(untrusted=UntrustedAction.STRIP),
        [tracestate(b"a=1")],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=NEW_TRACE,
        trusted=False,
    ),
    "format-not-extracted": Case(
        policy(), [b3(), *datadog()], SAMPLED, Reason.RATE, Context.STARTED, sent=NEW_TRACE
    ),
    "traceparent-not-extracted": Case(
        policy(extract=B3), CLIENT, SAMPLED, Reason.RATE, Context.STARTED, sent=NEW_TRACE
    ),
    "format-not-extracted-unsent": Case(policy(10), [b3()], NOT_SAMPLED, Reason.RATE, Context.NONE, sent=[]),
}

FOLLOWED = {
    "sampled": Case(policy(0), CLIENT, SAMPLED, Reason.PARENT, Context.FORWARDED),
    "not-sampled": Case(policy(100), UNSAMPLED_CLIENT, NOT_SAMPLED, Reason.PARENT, Context.FORWARDED),
    "odd-case-and-white-space": Case(
        policy(),
        [(b"TraceParent", traceparent()[1] + b" "), (b"TRACESTATE", b" a=1 ,, b=2")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "several-tracestates": Case(
        policy(),
        [tracestate(b"a=1"), traceparent(), tracestate(b""), tracestate(b"b=2")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "long-tracestate": Case(
        policy(),
        [traceparent(), tracestate(b",".join(b"k%d=" % n + b"v" * 96 for n in range(6)))],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "unknown-flags": Case(policy(), [traceparent(b"ff")], SAMPLED, Reason.PARENT, Context.FORWARDED),
    "higher-version": Case(
        policy(),
        [(b"traceparent", b"cc-" + TRACE + b"-" + SPAN + b"-01-more")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "own-member-of-the-wrong-sign": Case(
        policy(), [traceparent(), tracestate(b"dd=s:0")], SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "threshold-of-a-followed-parent": Case(
        policy(write_threshold=True),
        [traceparent(), tracestate(b"ot=th:c")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "a-cap-never-counts-it": Case(
        policy(limits=(TraceLimit(0),)), CLIENT, SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "not-sampled-and-spans-recorded": Case(
        policy(records_span=True), UNSAMPLED_CLIENT, NOT_SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "other-formats-stay": Case(
        policy(),
        [b3(b"-0", NEW), *CLIENT, (b"X-B3-Sampled", b"0")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "bad-tracestate-goes-alone": Case(
        policy(),
        [traceparent(), tracestate(b"a=1,B=2")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.TRACESTATE_SYNTAX,
        [traceparent()],
    ),
    "33-members": Case(
        policy(),
        [traceparent(), tracestate(b",".join([b"a=1"] * 20)), tracestate(b",".join([b"b=1"] * 13))],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.TRACESTATE_TOO_MANY,
        [traceparent()],
    ),
    "trusted-baggage-stays": Case(
        policy(), [*CLIENT, (b"baggage", b"a=1")], SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "span-recorded": Case(
        policy(records_span=True),
        CLIENT,
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), CLIENT[1]],
    ),
    "always-participating": Case(
        policy(always_participate=True),
        UNSAMPLED_CLIENT,
        NOT_SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(b"00"), tracestate(b"dd=s:0,congo=t61")],
    ),
    "continued-without-tracestate": Case(
        policy(always_participate=True),
        [traceparent()],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1")],
    ),
    "continued-with-a-bad-tracestate": Case(
        policy(always_participate=True),
        [traceparent(), tracestate(b"dd=s:2,=")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        Fault.TRACESTATE_SYNTAX,
        [continued(), tracestate(b"dd=s:1")],
    ),
    "continued-own-member-moves-left": Case(
        policy(always_participate=True),
        [traceparent(), tracestate(b"a=1, b=2,,dd=o:x;s:2;t.dm:-4 ,c=3")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=o:x;s:2;t.dm:-4,a=1,b=2,c=3")],
    ),
    "continued-own-member-agrees-again": Case(
        policy(always_participate=True),
        [traceparent(), tracestate(b"dd=s:-1")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1")],
    ),
    "continued-own-member-twice": Case(
        policy(always_participate=True),
        [traceparent(), tracestate(b"a=1,dd=s:2"), tracestate(b"dd=s:1,a=2")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:2,a=1,a=2")],
    ),
    "continued-no-own-member": Case(
        policy(always_participate=True, member_key=None),
        CLIENT,
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), CLIENT[1]],
    ),
    "continued-no-tracestate-at-all": Case(
        policy(always_participate=True, member_key=None),
        [traceparent(), tracestate(b" , ")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued()],
    ),
    "continued-threshold-of-a-followed-parent": Case(
        policy(always_participate=True),
        [traceparent(), tracestate(b"ot=th:c;rv:00000000000001")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1,ot=th:c;rv:00000000000001")],
    ),
    "continued-keeps-random-drops-unknown-flags": Case(
        policy(always_participate=True, member_key=None),
        [traceparent(b"ff")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(b"03")],
    ),
    "continued-at-level-2-sets-no-random-flag": Case(
        policy(always_participate=True, member_key=None, w3c_level=2),
        [traceparent(b"01")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(b"01")],
    ),
    "continued-higher-version-becomes-00": Case(
        policy(always_participate=True, member_key=None),
        [(b"traceparent", b"cc-" + TRACE + b"-" + SPAN + b"-01-more")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued()],
    ),
    "continued-32-members-and-own": Case(
        policy(always_participate=True),
        [traceparent(), tracestate(b",".join(b"k%d=1" % n for n in range(32)))],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b",".join([b"dd=s:1"] + [b"k%d=1" % n for n in range(31)]))],
    ),
    "continued-600-characters": Case(
        policy(always_participate=True),
        [traceparent(), tracestate(b"a=" + b"v" * 198 + b",b=1,c=" + b"v" * 198 + b",d=" + b"v" * 198)],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1,a=" + b"v" * 198 + b",b=1,c=" + b"v" * 198)],
    ),
}

REDECIDED = {
    "decide-agrees-sampled": Case(
        policy(50, parent=Parent.DECIDE), CLIENT, SAMPLED, Reason.RATE, Context.FORWARDED
    ),
    "decide-agrees-not-sampled": Case(
        policy(10, parent=Parent.DECIDE), UNSAMPLED_CLIENT, NOT_SAMPLED, Reason.RATE, Context.FORWARDED
    ),
    "decide-samples": Case(
        policy(50, parent=Parent.DECIDE),
        [traceparent(b"00"), tracestate(b"congo=t61,dd=s:-1;o:rum")],
        SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1;o:rum,congo=t61")],
    ),
    "decide-refuses": Case(
        policy(10, parent=Parent.DECIDE),
        CLIENT,
        NOT_SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(b"00"), tracestate(b"dd=s:0;o:rum,congo=t61")],
    ),
    "decide-keeps-random": Case(
        policy(10, parent=Parent.DECIDE, member_key=None),
        [traceparent(b"03")],
        NOT_SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(b"02")],
    ),
    "decide-over-the-cap": Case(
        policy(50, parent=Parent.DECIDE, limits=(TraceLimit(0),)),
        [traceparent()],
        NOT_SAMPLED,
        Reason.RATE_LIMIT,
        Context.CONTINUED,
        sent=[continued(b"00"), tracestate(b"dd=s:0")],
    ),
    "cap-agrees-sampled": Case(
        policy(50, parent=Parent.CAP), CLIENT, SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "cap-agrees-not-sampled": Case(
        policy(10, parent=Parent.CAP), UNSAMPLED_CLIENT, NOT_SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "cap-never-samples-what-the-parent-did-not": Case(
        policy(100, parent=Parent.CAP), UNSAMPLED_CLIENT, NOT_SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "cap-refuses": Case(
        policy(10, parent=Parent.CAP),
        [traceparent()],
        NOT_SAMPLED,
        Reason.CAP,
        Context.CONTINUED,
        sent=[continued(b"00"), tracestate(b"dd=s:0")],
    ),
    "cap-over-the-limit": Case(
        policy(50, parent=Parent.CAP, limits=(TraceLimit(0),)),
        [traceparent()],
        NOT_SAMPLED,
        Reason.RATE_LIMIT,
        Context.CONTINUED,
        sent=[continued(b"00"), tracestate(b"dd=s:0")],
    ),
    "rv-stands-for-the-trace-id": Case(
        policy(50, parent=Parent.DECIDE),
        [traceparent(b"00"), tracestate(b"ot=rv:7fffffffffffff")],
        NOT_SAMPLED,
        Reason.RATE,
        Context.FORWARDED,
    ),
    "rv-samples": Case(
        policy(10, parent=Parent.DECIDE),
        [traceparent(b"01"), tracestate(b"ot=rv:ffffffffffffff")],
        SAMPLED,
        Reason.RATE,
        Context.FORWARDED,
    ),
    "rv-of-a-bad-tracestate-counts-not": Case(
        policy(10, parent=Parent.DECIDE),
        [traceparent(b"00"), tracestate(b"ot=rv:ffffffffffffff,=")],
        NOT_SAMPLED,
        Reason.RATE,
        Context.FORWARDED,
        Fault.TRACESTATE_SYNTAX,
        [traceparent(b"00")],
    ),
    "th-is-removed": Case(
        policy(50, parent=Parent.DECIDE),
        [traceparent(), tracestate(b"a=1,ot=th:8")],
        SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1,a=1")],
    ),
    "th-is-removed-and-rv-kept": Case(
        policy(50, parent=Parent.DECIDE),
        [traceparent(), tracestate(b"a=1,ot=th:8;rv:ffffffffffffff")],
        SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1,ot=rv:ffffffffffffff,a=1")],
    ),
    "th-of-what-is-not-sampled-is-removed": Case(
        policy(10, parent=Parent.DECIDE, write_threshold=True),
        [traceparent(), tracestate(b"ot=th:8")],
        NOT_SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(b"00"), tracestate(b"dd=s:0")],
    ),
    "th-is-removed-by-a-cap-too": Case(
        policy(50, parent=Parent.CAP),
        [traceparent(), tracestate(b"ot=th:8")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1")],
    ),
    "th-becomes-ours-where-larger": Case(
        policy(25, parent=Parent.DECIDE, write_threshold=True),
        [traceparent(), tracestate(b"ot=th:8")],
        SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1,ot=th:c")],
    ),
    "th-stays-where-larger": Case(
        policy(50, parent=Parent.CAP, write_threshold=True),
        [traceparent(), tracestate(b"ot=th:c")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "th-is-added": Case(
        policy(50, parent=Parent.DECIDE, write_threshold=True),
        [traceparent(), tracestate(b"a=1")],
        SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1,ot=th:8,a=1")],
    ),
    "th-of-a-parent-that-gave-none-is-unknown": Case(
        policy(50, parent=Parent.CAP, write_threshold=True), CLIENT, SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "th-above-r-was-no-reason-to-sample": Case(
        policy(50, parent=Parent.CAP, write_threshold=True),
        [traceparent(), tracestate(b"ot=th:f")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1")],
    ),
    "th-is-not-written-with-sample-by": Case(
        policy(100, parent=Parent.DECIDE, write_threshold=True, by=SampleBy(header=b"x-id")),
        [traceparent(), tracestate(b"ot=th:8")],
        SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1")],
    ),
    "th-is-not-written-with-a-limit": Case(
        policy(50, parent=Parent.DECIDE, write_threshold=True, limits=(TraceLimit(9),)),
        [traceparent(), tracestate(b"ot=th:8")],
        SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[continued(), tracestate(b"dd=s:1")],
    ),
}

BAD = (b"traceparent", b"00-" + TRACE.upper() + b"-" + SPAN + b"-01")
BAD_WITH_STATE = [BAD, tracestate(b"a=1"), (b"baggage", b"a=1")]
BAGGAGE_FIELD = (b"baggage", b"a=1")


def bad(action: InvalidAction, rate: object = 50, **settings: Any) -> TracingPolicy:
    return policy(rate, invalid=action, **settings)


INVALID = {
    "restart": Case(
        bad(InvalidAction.RESTART),
        BAD_WITH_STATE,
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.SYNTAX,
        [BAGGAGE_FIELD, *NEW_TRACE],
    ),
    "restart-unsent": Case(
        bad(InvalidAction.RESTART, 10),
        BAD_WITH_STATE,
        NOT_SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.SYNTAX,
        [BAGGAGE_FIELD],
    ),
    "restart-inject-all": Case(
        bad(InvalidAction.RESTART, 10, inject_all=True),
        [BAD],
        NOT_SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.SYNTAX,
        [started(b"00"), OWN_UNSENT],
    ),
    "restart-over-the-cap": Case(
        bad(InvalidAction.RESTART, limits=(TraceLimit(0),)),
        [BAD],
        NOT_SAMPLED,
        Reason.RATE_LIMIT,
        Context.RESTARTED,
        Fault.SYNTAX,
        [],
    ),
    "restart-takes-every-format": Case(
        bad(InvalidAction.RESTART),
        [BAD, b3(), *datadog(), (b"X-B3-Flags", b"1")],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.SYNTAX,
        NEW_TRACE,
    ),
    "strip": Case(
        bad(InvalidAction.STRIP),
        [*BAD_WITH_STATE, b3()],
        UNTRACED,
        Reason.INVALID_CONTEXT,
        Context.STRIPPED,
        Fault.SYNTAX,
        [],
    ),
    "reject": Case(
        bad(InvalidAction.REJECT),
        BAD_WITH_STATE,
        REJECTED,
        Reason.INVALID_CONTEXT,
        Context.REJECTED,
        Fault.SYNTAX,
    ),
    "forward": Case(
        bad(InvalidAction.FORWARD),
        [*BAD_WITH_STATE, b3()],
        UNTRACED,
        Reason.INVALID_CONTEXT,
        Context.FORWARDED,
        Fault.SYNTAX,
    ),
    "duplicate": Case(
        policy(),
        [traceparent(), (b"Traceparent", traceparent()[1])],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.DUPLICATE,
        NEW_TRACE,
    ),
    "empty": Case(
        policy(), [(b"traceparent", b"")], SAMPLED, Reason.RATE, Context.RESTARTED, Fault.SYNTAX, NEW_TRACE
    ),
    "version": Case(
        policy(),
        [(b"traceparent", b"ff" + traceparent()[1][2:])],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.VERSION,
        NEW_TRACE,
    ),
    "trailing-data": Case(
        policy(),
        [(b"traceparent", traceparent()[1] + b"-x")],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.TRAILING_DATA,
        NEW_TRACE,
    ),
    "zero-trace-id": Case(
        policy(),
        [traceparent(trace_id=b"0" * 32)],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.ZERO_TRACE_ID,
        NEW_TRACE,
    ),
    "zero-parent-id": Case(
        policy(),
        [traceparent(span_id=b"0" * 16)],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.ZERO_PARENT_ID,
        NEW_TRACE,
    ),
    "b3-twice": Case(
        policy(extract=B3), [b3(), b3()], SAMPLED, Reason.RATE, Context.RESTARTED, Fault.DUPLICATE, NEW_TRACE
    ),
    "b3multi-two-decisions": Case(
        policy(extract=B3MULTI),
        [(b"X-B3-Sampled", b"0"), (b"x-b3-sampled", b"1")],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.DUPLICATE,
        NEW_TRACE,
    ),
    "datadog-two-trace-ids": Case(
        policy(extract=DATADOG),
        [*datadog(), (b"x-datadog-trace-id", b"1")],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.DUPLICATE,
        NEW_TRACE,
    ),
    "first-fault-of-several-formats": Case(
        policy(extract=(Format.TRACECONTEXT, Format.B3)),
        [(b"b3", b"x"), traceparent(trace_id=b"0" * 32)],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.ZERO_TRACE_ID,
        NEW_TRACE,
    ),
    "untrusted-restart": Case(
        bad(InvalidAction.RESTART, untrusted=UntrustedAction.STRIP),
        BAD_WITH_STATE,
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.SYNTAX,
        NEW_TRACE,
        trusted=False,
    ),
    "untrusted-reject": Case(
        bad(InvalidAction.REJECT),
        [BAD],
        REJECTED,
        Reason.INVALID_CONTEXT,
        Context.REJECTED,
        Fault.SYNTAX,
        trusted=False,
    ),
    "untrusted-is-never-forwarded": Case(
        bad(InvalidAction.FORWARD),
        BAD_WITH_STATE,
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.UNTRUSTED,
        NEW_TRACE,
        trusted=False,
    ),
    "untrusted-is-stripped-instead": Case(
        bad(InvalidAction.FORWARD, untrusted=UntrustedAction.STRIP),
        BAD_WITH_STATE,
        UNTRACED,
        Reason.INVALID_CONTEXT,
        Context.STRIPPED,
        Fault.UNTRUSTED,
        [],
        trusted=False,
    ),
    "untrusted-cannot-be-capped": Case(
        bad(InvalidAction.FORWARD, untrusted=UntrustedAction.CAP),
        BAD_WITH_STATE,
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.UNTRUSTED,
        [BAGGAGE_FIELD, *NEW_TRACE],
        trusted=False,
    ),
}


def capped(rate: object, **settings: Any) -> TracingPolicy:
    return policy(rate, untrusted=UntrustedAction.CAP, **settings)


STRIP_UNTRUSTED = policy(untrusted=UntrustedAction.STRIP)
UNTRUSTED = {
    "restart": Case(
        policy(), CLIENT, SAMPLED, Reason.RATE, Context.RESTARTED, Fault.UNTRUSTED, NEW_TRACE, trusted=False
    ),
    "restart-unsent": Case(
        policy(10), CLIENT, NOT_SAMPLED, Reason.RATE, Context.RESTARTED, Fault.UNTRUSTED, [], trusted=False
    ),
    "restart-over-the-cap": Case(
        policy(limits=(TraceLimit(0),)),
        CLIENT,
        NOT_SAMPLED,
        Reason.RATE_LIMIT,
        Context.RESTARTED,
        Fault.UNTRUSTED,
        [],
        trusted=False,
    ),
    "restart-drops-every-format-and-baggage": Case(
        policy(),
        [*CLIENT, b3(), *datadog(), BAGGAGE_FIELD],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.UNTRUSTED,
        NEW_TRACE,
        trusted=False,
    ),
    "restart-a-format-not-extracted": Case(
        policy(),
        [b3(b"-d")],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.UNTRUSTED,
        NEW_TRACE,
        trusted=False,
    ),
    "restart-ignores-rv": Case(
        policy(10, parent=Parent.DECIDE),
        [traceparent(), tracestate(b"ot=rv:ffffffffffffff")],
        NOT_SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.UNTRUSTED,
        [],
        trusted=False,
    ),
    "strip": Case(
        STRIP_UNTRUSTED,
        [*CLIENT, b3(), BAGGAGE_FIELD],
        UNTRACED,
        Reason.INVALID_CONTEXT,
        Context.STRIPPED,
        Fault.UNTRUSTED,
        [],
        trusted=False,
    ),
    "strip-a-format-not-extracted": Case(
        STRIP_UNTRUSTED,
        datadog(),
        UNTRACED,
        Reason.INVALID_CONTEXT,
        Context.STRIPPED,
        Fault.UNTRUSTED,
        [],
        trusted=False,
    ),
    "baggage-alone": Case(
        policy(), [BAGGAGE_FIELD], SAMPLED, Reason.RATE, Context.STARTED, sent=NEW_TRACE, trusted=False
    ),
    "baggage-alone-unsent": Case(
        policy(10), [BAGGAGE_FIELD], NOT_SAMPLED, Reason.RATE, Context.NONE, sent=[], trusted=False
    ),
    "cap-keeps-baggage": Case(
        capped(100),
        [*CLIENT, BAGGAGE_FIELD],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.UNTRUSTED,
        trusted=False,
    ),
    "cap-keeps-baggage-alone": Case(
        capped(0), [BAGGAGE_FIELD], NOT_SAMPLED, Reason.RATE, Context.NONE, trusted=False
    ),
    "cap-agrees-not-sampled": Case(
        capped(100),
        UNSAMPLED_CLIENT,
        NOT_SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.UNTRUSTED,
        trusted=False,
    ),
    "cap-refuses": Case(
        capped(0, parent=Parent.FOLLOW),
        CLIENT,
        NOT_SAMPLED,
        Reason.CAP,
        Context.CONTINUED,
        Fault.UNTRUSTED,
        [continued(b"00"), tracestate(b"dd=s:0;o:rum,congo=t61")],
        trusted=False,
    ),
    "cap-over-the-limit": Case(
        capped(100, limits=(TraceLimit(0),)),
        [traceparent()],
        NOT_SAMPLED,
        Reason.RATE_LIMIT,
        Context.CONTINUED,
        Fault.UNTRUSTED,
        [continued(b"00"), tracestate(b"dd=s:0")],
        trusted=False,
    ),
    "cap-removes-ot": Case(
        capped(100, write_threshold=True),
        [traceparent(), tracestate(b"a=1,ot=th:8;rv:ffffffffffffff")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        Fault.UNTRUSTED,
        [continued(), tracestate(b"dd=s:1,a=1")],
        trusted=False,
    ),
    "cap-removes-ot-of-what-is-not-sampled": Case(
        capped(100),
        [traceparent(b"00"), tracestate(b"ot=th:8")],
        NOT_SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        Fault.UNTRUSTED,
        [continued(b"00"), tracestate(b"dd=s:0")],
        trusted=False,
    ),
    "cap-bad-tracestate": Case(
        capped(100),
        [traceparent(), tracestate(b"=")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.UNTRUSTED,
        [traceparent()],
        trusted=False,
    ),
    "cap-removes-what-contradicts": Case(
        capped(100),
        [*UNSAMPLED_CLIENT, b3(b"-d"), (b"X-B3-Flags", b"1")],
        NOT_SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.UNTRUSTED,
        UNSAMPLED_CLIENT,
        trusted=False,
    ),
    "cap-leaves-what-agrees": Case(
        capped(100),
        [*UNSAMPLED_CLIENT, b3(b"-0")],
        NOT_SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.UNTRUSTED,
        trusted=False,
    ),
    "cap-removes-a-tracestate-that-is-not-read": Case(
        capped(100, extract=B3, propagators=B3),
        [b3(), traceparent(), tracestate(b"ot=th:0")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        Fault.UNTRUSTED,
        [b3(), traceparent()],
        trusted=False,
    ),
    "cap-cannot-read-what-is-not-extracted": Case(
        capped(100),
        [b3(b"-0")],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        Fault.UNTRUSTED,
        NEW_TRACE,
        trusted=False,
    ),
    "cap-cannot-read-what-is-not-extracted-unsent": Case(
        capped(0), [b3()], NOT_SAMPLED, Reason.RATE, Context.NONE, Fault.UNTRUSTED, [], trusted=False
    ),
    "cap-no-sampling-state": Case(
        capped(0, extract=B3, propagators=B3),
        [b3(b"")],
        NOT_SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        Fault.UNTRUSTED,
        [b3(b"-0", TRACE, NEW_SPAN)],
        trusted=False,
    ),
}

BOTH = (Format.TRACECONTEXT, Format.B3)
WIDE_B3 = policy(extract=B3, propagators=B3)
LOW = TRACE[16:]
FORMATS = {
    "missing-format-is-added": Case(
        policy(propagators=BOTH), CLIENT, SAMPLED, Reason.PARENT, Context.FORWARDED, sent=[*CLIENT, b3()]
    ),
    "missing-format-not-sampled": Case(
        policy(propagators=BOTH),
        UNSAMPLED_CLIENT,
        NOT_SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[*UNSAMPLED_CLIENT, b3(b"-0")],
    ),
    "missing-formats-in-order": Case(
        policy(propagators=(Format.B3MULTI, Format.DATADOG, *W3C)),
        CLIENT,
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[
            *CLIENT,
            (b"X-B3-TraceId", TRACE),
            (b"X-B3-SpanId", SPAN),
            (b"X-B3-Sampled", b"1"),
            *datadog(origin=b"rum"),
        ],
    ),
    "missing-traceparent-of-a-b3-trace": Case(
        policy(extract=B3), [b3()], SAMPLED, Reason.PARENT, Context.FORWARDED, sent=[b3(), traceparent()]
    ),
    "agreeing-format-stays": Case(
        policy(propagators=(*BOTH, Format.DATADOG)),
        [*datadog(b"2"), *CLIENT, b3(b"-d")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "agreeing-64-bits-stay": Case(
        policy(propagators=BOTH), [*CLIENT, b3(trace_id=LOW)], SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "contradicting-decision-is-replaced": Case(
        policy(propagators=BOTH),
        [b3(b"-0"), *CLIENT],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[*CLIENT, b3()],
    ),
    "no-decision-is-replaced": Case(
        policy(propagators=BOTH),
        [b3(b""), *CLIENT],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[*CLIENT, b3()],
    ),
    "contradicting-trace-is-replaced": Case(
        policy(propagators=BOTH),
        [b3(b"-1", NEW), *CLIENT],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[*CLIENT, b3()],
    ),
    "contradicting-traceparent-loses-its-tracestate": Case(
        policy(extract=(Format.B3, *W3C), propagators=BOTH),
        [b3(), traceparent(trace_id=NEW), tracestate(b"a=1")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[b3(), traceparent()],
    ),
    "contradicting-traceparent-of-the-same-trace-keeps-it": Case(
        policy(extract=(Format.B3, *W3C), propagators=BOTH),
        [b3(), traceparent(b"00"), tracestate(b"a=1,dd=s:0;o:rum")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[b3(), traceparent(), tracestate(b"dd=s:1;o:rum,a=1")],
    ),
    "malformed-format-is-replaced": Case(
        policy(propagators=BOTH),
        [(b"b3", b"x"), *CLIENT],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[*CLIENT, b3()],
    ),
    "invalid-traceparent-loses-its-tracestate": Case(
        policy(extract=(Format.TRACECONTEXT, *B3), propagators=B3),
        [BAD, tracestate(b"a=1"), b3()],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[BAD, b3()],
    ),
    "tracestate-alone-beside-b3": Case(
        WIDE_B3, [tracestate(b"a=1"), b3()], SAMPLED, Reason.PARENT, Context.FORWARDED, sent=[b3()]
    ),
    "valid-later-beats-invalid-earlier": Case(
        policy(extract=BOTH),
        [BAD, b3()],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[b3(), traceparent()],
    ),
    "first-of-two-valid-wins": Case(
        policy(extract=BOTH),
        [b3(b"-0", NEW), traceparent()],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "nothing-propagated": Case(policy(propagators=()), CLIENT, SAMPLED, Reason.PARENT, Context.FORWARDED),
    "continued-in-every-propagated-format-alone": Case(
        policy(propagators=BOTH, always_participate=True),
        [*CLIENT, *datadog(), (b"X-B3-TraceId", TRACE), (b"X-B3-SpanId", SPAN)],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), CLIENT[1], b3(span_id=NEW_SPAN)],
    ),
    "b3-no-sampling-state-is-decided-by-rate": Case(
        WIDE_B3, [b3(b"")], SAMPLED, Reason.RATE, Context.CONTINUED, sent=[b3(span_id=NEW_SPAN)]
    ),
    "b3-no-sampling-state-refused": Case(
        policy(10, extract=B3, propagators=B3),
        [b3(b"")],
        NOT_SAMPLED,
        Reason.RATE,
        Context.CONTINUED,
        sent=[b3(b"-0", span_id=NEW_SPAN)],
    ),
    "b3-no-sampling-state-over-the-cap": Case(
        policy(extract=B3, propagators=B3, limits=(TraceLimit(0),)),
        [b3(b"")],
        NOT_SAMPLED,
        Reason.RATE_LIMIT,
        Context.CONTINUED,
        sent=[b3(b"-0", span_id=NEW_SPAN)],
    ),
    "b3-debug-is-sampled": Case(
        policy(0, extract=B3, propagators=B3), [b3(b"-d")], SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "b3-debug-goes-on": Case(
        policy(extract=B3, propagators=(Format.B3MULTI,), always_participate=True),
        [b3(b"-d")],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[(b"X-B3-TraceId", TRACE), (b"X-B3-SpanId", NEW_SPAN), (b"X-B3-Flags", b"1")],
    ),
    "b3-debug-refused": Case(
        policy(10, extract=B3, propagators=B3, parent=Parent.CAP),
        [b3(b"-d")],
        NOT_SAMPLED,
        Reason.CAP,
        Context.CONTINUED,
        sent=[b3(b"-0", span_id=NEW_SPAN)],
    ),
    "b3-64-bits": Case(
        policy(extract=B3, propagators=(*B3, *W3C), always_participate=True),
        [b3(trace_id=LOW)],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[
            b3(trace_id=LOW, span_id=NEW_SPAN),
            traceparent(trace_id=b"0" * 16 + LOW, span_id=NEW_SPAN),
            tracestate(b"dd=s:1"),
        ],
    ),
    "denial-alone-goes-on": Case(
        policy(100, extract=B3), [(b"b3", b"0")], NOT_SAMPLED, Reason.PARENT, Context.FORWARDED
    ),
    "denial-alone-and-nothing-beside-it": Case(
        policy(100, extract=(Format.B3, *W3C)),
        [(b"b3", b"0"), traceparent()],
        NOT_SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
        sent=[(b"b3", b"0")],
    ),
    "denial-alone-inject-all": Case(
        policy(100, extract=B3, propagators=BOTH, inject_all=True),
        [(b"b3", b"0")],
        NOT_SAMPLED,
        Reason.PARENT,
        Context.STARTED,
        sent=[started(b"00"), OWN_UNSENT, b3(b"-0", NEW, NEW_SPAN)],
    ),
    "denial-alone-decided-again": Case(
        policy(50, extract=B3, parent=Parent.DECIDE),
        [(b"b3", b"0")],
        SAMPLED,
        Reason.RATE,
        Context.STARTED,
        sent=NEW_TRACE,
    ),
    "denial-alone-from-nobody-known": Case(
        policy(extract=B3),
        [(b"b3", b"0")],
        SAMPLED,
        Reason.RATE,
        Context.RESTARTED,
        Fault.UNTRUSTED,
        NEW_TRACE,
        trusted=False,
    ),
    "acceptance-alone": Case(
        policy(0, extract=B3MULTI, write_threshold=True),
        [(b"X-B3-Sampled", b"1")],
        SAMPLED,
        Reason.PARENT,
        Context.STARTED,
        sent=NEW_TRACE,
    ),
    "acceptance-alone-capped": Case(
        policy(10, extract=B3, parent=Parent.CAP),
        [(b"b3", b"1")],
        NOT_SAMPLED,
        Reason.CAP,
        Context.NONE,
        sent=[],
    ),
    "b3multi": Case(
        policy(extract=B3MULTI, propagators=B3MULTI),
        [(b"X-B3-TraceId", TRACE), (b"X-B3-SpanId", SPAN), (b"X-B3-Sampled", b"1")],
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "b3multi-the-same-twice": Case(
        policy(extract=B3MULTI),
        [(b"X-B3-Sampled", b"0"), (b"x-b3-sampled", b"0 ")],
        NOT_SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "datadog": Case(
        policy(extract=DATADOG, propagators=DATADOG),
        datadog(b"2", origin=b"rum"),
        SAMPLED,
        Reason.PARENT,
        Context.FORWARDED,
    ),
    "datadog-continued": Case(
        policy(extract=DATADOG, propagators=DATADOG, always_participate=True),
        datadog(b"2", origin=b"synthetics"),
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=datadog(b"2", NEW_SPAN, origin=b"synthetics"),
    ),
    "datadog-flipped": Case(
        policy(10, extract=DATADOG, propagators=DATADOG, parent=Parent.CAP),
        datadog(b"2"),
        NOT_SAMPLED,
        Reason.CAP,
        Context.CONTINUED,
        sent=datadog(b"0", NEW_SPAN),
    ),
    "datadog-without-a-span": Case(
        policy(extract=DATADOG),
        [(b"x-datadog-trace-id", b"%d" % int(LOW, 16)), (b"x-datadog-parent-id", b"0"), datadog(b"1")[2]],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[traceparent(trace_id=b"0" * 16 + LOW, span_id=NEW_SPAN), tracestate(b"dd=s:1")],
    ),
    "datadog-beside-its-traceparent-keeps-the-tracestate": Case(
        policy(extract=(Format.DATADOG, *W3C), always_participate=True),
        [*datadog(), *CLIENT],
        SAMPLED,
        Reason.PARENT,
        Context.CONTINUED,
        sent=[continued(), CLIENT[1]],
    ),
}

PREFLIGHT = {
    "nothing-came": Case(
        policy(100, inject_all=True),
        [],
        NOT_SAMPLED,
        Reason.PREFLIGHT,
        Context.NONE,
        sent=[],
        preflight=True,
    ),
    "context-came": Case(
        policy(100),
        [*CLIENT, b3(), BAGGAGE_FIELD],
        NOT_SAMPLED,
        Reason.PREFLIGHT,
        Context.STRIPPED,
        sent=[BAGGAGE_FIELD],
        preflight=True,
    ),
    "before-a-rejection": Case(
        bad(InvalidAction.REJECT),
        [BAD],
        NOT_SAMPLED,
        Reason.PREFLIGHT,
        Context.STRIPPED,
        sent=[],
        preflight=True,
    ),
    "untrusted-context": Case(
        policy(),
        [*CLIENT, BAGGAGE_FIELD],
        NOT_SAMPLED,
        Reason.PREFLIGHT,
        Context.STRIPPED,
        Fault.UNTRUSTED,
        [],
        trusted=False,
        preflight=True,
    ),
    "untrusted-baggage": Case(
        policy(),
        [BAGGAGE_FIELD],
        NOT_SAMPLED,
        Reason.PREFLIGHT,
        Context.NONE,
        sent=[],
        trusted=False,
        preflight=True,
    ),
}

TABLES: Mapping[str, Mapping[str, Case]] = {
    "no-context": NO_CONTEXT,
    "followed": FOLLOWED,
    "redecided": REDECIDED,
    "invalid": INVALID,
    "untrusted": UNTRUSTED,
    "formats": FORMATS,
    "preflight": PREFLIGHT,
}
CASES = [
    pytest.param(case, id=f"{table}: {name}")
    for table, cases in TABLES.items()
    for name, case in cases.items()
]


@pytest.mark.parametrize("case", CASES)
def test_decide(case: Case) -> None:
    decision = run(case.tracing, case.came, trusted=case.trusted, preflight=case.preflight)
    words = (decision.decision, decision.reason, decision.context, decision.fault)
    assert words == (case.decision, case.reason, case.context, case.fault)
    assert upstream(case.came, decision) == (case.came if case.sent is None else case.sent)


@pytest.mark.parametrize("case", CASES)
def test_ids_are_those_that_the_upstream_sees(case: Case) -> None:
    decision = run(case.tracing, case.came, trusted=case.trusted, preflight=case.preflight)
    sent = dict(decision.add)
    if b"traceparent" in sent:
        expected = b"00-" + decision.trace_id + b"-" + decision.span_id + b"-" + decision.flags
        assert sent[b"traceparent"] == expected
    if decision.context in (Context.NONE, Context.STRIPPED, Context.REJECTED):
        assert decision.trace_id == b""
        assert decision.add == ()
    if decision.context is Context.CONTINUED:
        assert decision.span_id == NEW_SPAN
    if decision.context in (Context.STARTED, Context.RESTARTED):
        assert (decision.trace_id, decision.span_id) == (NEW, NEW_SPAN)
        assert decision.parent_id == b""


def test_a_forwarded_context_keeps_its_ids() -> None:
    decision = run(policy(), CLIENT)
    assert (decision.trace_id, decision.span_id, decision.parent_id) == (TRACE, SPAN, SPAN)
    assert decision.flags == b"01"


def test_a_continued_context_names_its_parent() -> None:
    assert run(policy(always_participate=True), CLIENT).parent_id == SPAN


def test_a_restarted_context_names_the_one_it_replaced() -> None:
    restarted = run(policy(), CLIENT, trusted=False)
    assert (restarted.replaced_trace_id, restarted.replaced_parent_id) == (TRACE, SPAN)
    unread = run(policy(), [b3()], trusted=False)
    assert (unread.replaced_trace_id, unread.replaced_parent_id) == (b"", b"")


def test_sample_by_decides_on_the_header() -> None:
    by = SampleBy(header=b"x-session-id")
    session = (b"X-Session-Id", b"abc")
    r = int(hashlib.sha256(b"abc").hexdigest()[-14:], 16)
    share = Decimal(100) * (2**56 - r) / 2**56
    assert run(policy(share + Decimal("0.001"), by=by), [session]).decision is SAMPLED
    assert run(policy(share - Decimal("0.001"), by=by), [session]).decision is NOT_SAMPLED


def test_an_untrusted_client_chooses_nothing_that_decides() -> None:
    r = int(hmac.new(b"secret", TRACE, hashlib.sha256).hexdigest()[-14:], 16)
    share = Decimal(100) * (2**56 - r) / 2**56
    by = SampleBy(header=b"x-session-id")
    came = [traceparent(), tracestate(b"ot=rv:00000000000000"), (b"x-session-id", b"abc")]
    sampled = run(capped(share + Decimal("0.001"), secret=b"secret", by=by), came, trusted=False)
    refused = run(capped(share - Decimal("0.001"), secret=b"secret", by=by), came, trusted=False)
    assert (sampled.decision, sampled.reason) == (SAMPLED, Reason.PARENT)
    assert (refused.decision, refused.reason) == (NOT_SAMPLED, Reason.CAP)


def test_a_limit_counts_started_restarted_and_redecided_traces() -> None:
    limit = TraceLimit(3)
    tracing = policy(limits=(limit,))
    redeciding = replace(tracing, parent=Parent.DECIDE)
    reasons = [
        run(tracing, []).reason,
        run(tracing, [BAD]).reason,
        run(tracing, CLIENT).reason,
        run(redeciding, CLIENT).reason,
        run(tracing, []).reason,
    ]
    assert reasons == [Reason.RATE, Reason.RATE, Reason.PARENT, Reason.RATE, Reason.RATE_LIMIT]


def test_a_changed_rate_changes_the_threshold_that_is_written() -> None:
    tracing = policy(50, write_threshold=True)
    changed = replace(tracing, sampler=replace(tracing.sampler, rate=Decimal(100)))
    assert dict(run(changed, []).add)[b"tracestate"] == b"dd=s:1;o:rum,ot=th:0"


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(policy(secret=b"hush"))


@dataclass(frozen=True)
class Left:
    """A request that is left alone."""

    came: list[Field]
    context: Context
    fault: Fault | None = None
    sent: list[Field] | None = None
    trusted: bool = True
    strip: bool = False
    reason: Reason = Reason.NO_RULE
    decision: Decision = field(default=Decision.UNTRACED)


LEFT = [
    pytest.param(Left([], Context.NONE), id="nothing-came"),
    pytest.param(Left([], Context.NONE, reason=Reason.RULE_SKIPS), id="nothing-came-rule-skips"),
    pytest.param(Left([*BAD_WITH_STATE, b3(b"-x")], Context.FORWARDED), id="byte-for-byte"),
    pytest.param(Left(CLIENT, Context.FORWARDED, reason=Reason.RULE_SKIPS), id="rule-skips"),
    pytest.param(
        Left([*CLIENT, b3(), BAGGAGE_FIELD], Context.STRIPPED, sent=[BAGGAGE_FIELD], strip=True),
        id="strip-leaves-trusted-baggage",
    ),
    pytest.param(Left([], Context.NONE, strip=True), id="nothing-to-strip"),
    pytest.param(
        Left([*CLIENT, b3(), BAGGAGE_FIELD], Context.STRIPPED, Fault.UNTRUSTED, [], trusted=False),
        id="untrusted-context",
    ),
    pytest.param(
        Left(CLIENT, Context.STRIPPED, Fault.UNTRUSTED, [], trusted=False, reason=Reason.RULE_SKIPS),
        id="untrusted-context-rule-skips",
    ),
    pytest.param(Left([BAGGAGE_FIELD], Context.NONE, None, [], trusted=False), id="untrusted-baggage"),
    pytest.param(Left([BAGGAGE_FIELD], Context.NONE), id="trusted-baggage"),
    pytest.param(
        Left([], Context.NONE, reason=Reason.PREFLIGHT, decision=Decision.NOT_SAMPLED), id="preflight"
    ),
    pytest.param(
        Left(CLIENT, Context.STRIPPED, None, [], reason=Reason.PREFLIGHT, decision=Decision.NOT_SAMPLED),
        id="preflight-with-a-context",
    ),
]


@pytest.mark.parametrize("case", LEFT)
def test_leave(case: Left) -> None:
    decision = leave(case.reason, head(case.came), trusted=case.trusted, strip=case.strip)
    words = (decision.decision, decision.reason, decision.context, decision.fault)
    assert words == (case.decision, case.reason, case.context, case.fault)
    assert upstream(case.came, decision) == (case.came if case.sent is None else case.sent)


def test_a_context_left_alone_is_named() -> None:
    decision = leave(Reason.NO_RULE, head([traceparent(b"03")]), trusted=True, strip=False)
    assert (decision.trace_id, decision.span_id, decision.flags) == (TRACE, SPAN, b"03")


EVERY_FIELD = ResponsePolicy(server_timing=True, traceresponse=True, trace_id_header=b"X-Trace-Id")
SEEN = b"00-" + TRACE + b"-" + SPAN + b"-01"
RESPONSES = [
    pytest.param(ResponsePolicy(), CLIENT, {}, [], id="off"),
    pytest.param(
        EVERY_FIELD,
        CLIENT,
        {},
        [
            (b"Server-Timing", b'traceparent;desc="' + SEEN + b'"'),
            (b"traceresponse", SEEN),
            (b"X-Trace-Id", TRACE),
        ],
        id="forwarded",
    ),
    pytest.param(
        ResponsePolicy(traceresponse=True), [], {}, [(b"traceresponse", started()[1])], id="started"
    ),
    pytest.param(
        ResponsePolicy(server_timing=True),
        CLIENT,
        {"always_participate": True},
        [(b"Server-Timing", b'traceparent;desc="' + continued()[1] + b'"')],
        id="continued",
    ),
    pytest.param(
        ResponsePolicy(traceresponse=True),
        [BAD],
        {"rate": 10},
        [(b"traceresponse", started(b"00")[1])],
        id="restarted-unsent",
    ),
    pytest.param(EVERY_FIELD, [], {"rate": 10}, [], id="none"),
    pytest.param(EVERY_FIELD, [BAD], {"invalid": InvalidAction.STRIP}, [], id="stripped"),
    pytest.param(EVERY_FIELD, [BAD], {"invalid": InvalidAction.FORWARD}, [], id="forwarded-without-ids"),
]


@pytest.mark.parametrize(("response", "came", "settings", "fields"), RESPONSES)
def test_response_fields(
    response: ResponsePolicy, came: list[Field], settings: dict[str, Any], fields: list[Field]
) -> None:
    tracing = policy(response=response, **settings)
    assert response_fields(tracing, run(tracing, came)) == fields
