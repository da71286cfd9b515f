"""What holds for every policy and every head, whatever becomes of the context."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.message.head import Field, RequestHead
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import (
    InvalidAction,
    Parent,
    TraceDecision,
    TracingPolicy,
    UntrustedAction,
    decide,
)
from proxy.policy.sampling import Sampler, TraceLimit
from proxy.tracecontext import probability
from proxy.tracecontext.fault import InvalidContext
from proxy.tracecontext.formats import CONTEXT_FIELDS, FIELDS_OF, Format
from proxy.tracecontext.ids import IdSource
from proxy.tracecontext.traceparent import parse as parse_traceparent
from proxy.tracecontext.tracestate import parse as parse_tracestate
from proxy.tracecontext.tracestate import value_of

TRACES = st.sampled_from(
    [b"4bf92f3577b34da6a3ce929d0e0e4736", b"0000000000000000a3ce929d0e0e4736", b"0" * 32]
)
SPANS = st.sampled_from([b"00f067aa0ba902b7", b"00000000000000ff", b"0" * 16])
FLAGS = st.sampled_from([b"00", b"01", b"02", b"03", b"ff", b"1"])
MEMBERS = st.lists(
    st.sampled_from(
        [
            b"dd=s:1",
            b"dd=s:-1;o:rum",
            b"ot=th:8",
            b"ot=th:f;rv:c0000000000000",
            b"a=1",
            b"B=1",
            b"z=" + b"v" * 200,
        ]
    ),
    max_size=5,
)
FIELDS = st.one_of(
    st.builds(lambda t, s, f: (b"traceparent", b"00-" + t + b"-" + s + b"-" + f), TRACES, SPANS, FLAGS),
    st.builds(lambda t, s, f: (b"Traceparent", b"cc-" + t + b"-" + s + b"-" + f), TRACES, SPANS, FLAGS),
    st.builds(lambda members: (b"tracestate", b",".join(members)), MEMBERS),
    st.builds(
        lambda t, s, f: (b"b3", t + b"-" + s + f),
        TRACES,
        SPANS,
        st.sampled_from([b"", b"-0", b"-1", b"-d", b"-"]),
    ),
    st.sampled_from([(b"b3", b"0"), (b"b3", b"1"), (b"b3", b"x")]),
    st.builds(lambda t: (b"X-B3-TraceId", t), TRACES),
    st.builds(lambda s: (b"X-B3-SpanId", s), SPANS),
    st.sampled_from([(b"X-B3-Sampled", b"0"), (b"X-B3-Sampled", b"1"), (b"X-B3-Flags", b"1")]),
    st.builds(lambda t: (b"x-datadog-trace-id", b"%d" % int(t[16:], 16)), TRACES),
    st.builds(lambda s: (b"x-datadog-parent-id", b"%d" % int(s, 16)), SPANS),
    st.sampled_from([(b"x-datadog-sampling-priority", b"2"), (b"x-datadog-sampling-priority", b"-1")]),
    st.sampled_from([(b"x-datadog-tags", b"_dd.p.tid=4bf92f3577b34da6"), (b"x-datadog-origin", b"rum")]),
    st.just((b"baggage", b"a=1")),
)
FORMATS = st.lists(st.sampled_from(list(Format)), unique=True, max_size=4).map(tuple)
POLICIES = st.builds(
    TracingPolicy,
    sampler=st.sampled_from([0, 10, 50, 100]).map(lambda rate: Sampler(Decimal(rate))),
    inject_all=st.booleans(),
    parent=st.sampled_from(Parent),
    invalid=st.sampled_from(InvalidAction),
    untrusted=st.sampled_from(UntrustedAction),
    extract=FORMATS,
    propagators=FORMATS,
    member_key=st.sampled_from([b"dd", None]),
    always_participate=st.booleans(),
    w3c_level=st.sampled_from([1, 2]),
    write_threshold=st.booleans(),
    limits=st.sampled_from([0.0, 1.0]).map(lambda rate: (TraceLimit(rate),)) | st.just(()),
    records_span=st.booleans(),
)

FRESH = (Context.STARTED, Context.CONTINUED, Context.RESTARTED)


def run(policy: TracingPolicy, head: RequestHead, *, trusted: bool, preflight: bool = False) -> TraceDecision:
    ids = IdSource(lambda size: b"\xaa" * size)
    return decide(policy, head, trusted=trusted, preflight=preflight, ids=ids, now=1.0)


def upstream(head: RequestHead, decision: TraceDecision) -> dict[bytes, bytes]:
    kept = [f for f in head.fields if f[0].lower() not in decision.remove]
    return {name.lower(): value for name, value in [*kept, *decision.add]}


@settings(max_examples=400)
@given(POLICIES, st.lists(FIELDS, max_size=8), st.booleans(), st.booleans())
def test_what_was_decided_is_what_is_sent(
    policy: TracingPolicy, fields: list[Field], trusted: bool, preflight: bool
) -> None:
    head = RequestHead(b"GET", b"/", fields)
    decision = run(policy, head, trusted=trusted, preflight=preflight)
    sent = upstream(head, decision)
    names = {name.lower() for name, _ in decision.add}
    assert names <= {name for fmt in policy.propagators for name in FIELDS_OF[fmt]}
    assert preflight == (decision.reason is Reason.PREFLIGHT)
    if decision.context in FRESH:
        assert {name for name in sent if name in CONTEXT_FIELDS} == names
    if decision.context in (Context.NONE, Context.STRIPPED):
        assert CONTEXT_FIELDS.isdisjoint(sent)
    if decision.context in FRESH and b"traceparent" in sent:
        context = parse_traceparent(sent[b"traceparent"])
        assert context.sampled is (decision.decision is Decision.SAMPLED)
        assert (context.trace_id, context.span_id) == (decision.trace_id, decision.span_id)
        _check_tracestate(policy, decision, sent.get(b"tracestate", b""))


def _check_tracestate(policy: TracingPolicy, decision: TraceDecision, value: bytes) -> None:
    members = parse_tracestate(value)
    assert len([member for member in members if member.startswith(b"dd=")]) <= 1 or policy.member_key is None
    if policy.member_key is not None:
        own = members[0].removeprefix(b"dd=")
        assert (int(own.split(b";")[0][2:]) > 0) is (decision.decision is Decision.SAMPLED)
    ot = value_of(members, b"ot=")
    if ot is not None and decision.reason in (Reason.RATE, Reason.CAP, Reason.RATE_LIMIT):
        known = probability.parse(ot)
        r = int(decision.trace_id[-14:], 16) if known.randomness is None else known.randomness
        assert known.threshold is None or (decision.decision is Decision.SAMPLED and r >= known.threshold)


@given(POLICIES, st.lists(FIELDS, max_size=8))
def test_an_untrusted_client_never_gets_a_trace_sampled_that_the_proxy_would_not(
    policy: TracingPolicy, fields: list[Field]
) -> None:
    head = RequestHead(b"GET", b"/", fields)
    decision = run(policy, head, trusted=False)
    if policy.sampler.rate == 0:
        assert decision.decision is not Decision.SAMPLED
        sent = upstream(head, decision)
        if decision.context is Context.FORWARDED:
            assert sent.get(b"x-b3-flags") != b"1"
            assert sent.get(b"b3", b"0")[-2:] not in (b"-1", b"-d")
            try:
                assert not parse_traceparent(sent.get(b"traceparent", b"")).sampled
            except InvalidContext:
                pass


@given(POLICIES, st.lists(FIELDS, max_size=8))
def test_deciding_twice_decides_alike(policy: TracingPolicy, fields: list[Field]) -> None:
    head = RequestHead(b"GET", b"/", fields)
    if policy.limits:
        return
    first, second = run(policy, head, trusted=True), run(policy, head, trusted=True)
    assert (first.decision, first.reason, first.context, first.fault, list(first.add)) == (
        second.decision,
        second.reason,
        second.context,
        second.fault,
        list(second.add),
    )
