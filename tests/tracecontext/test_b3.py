"""B3 in one field and in several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tracecontext import b3
from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault, InvalidContext

TRACE = b"80f198ee56343ba864fe8b2a57d3eff7"
NARROW = b"64fe8b2a57d3eff7"
PADDED = b"0" * 16 + NARROW
SPAN = b"e457b5a2e4d86bd1"
PARENT = b"05e3ac9a4f6e3b90"

SINGLE = [
    pytest.param(TRACE + b"-" + SPAN, TraceContext(TRACE, SPAN, None), id="deferred"),
    pytest.param(TRACE + b"-" + SPAN + b"-1", TraceContext(TRACE, SPAN, True), id="sampled"),
    pytest.param(TRACE + b"-" + SPAN + b"-0", TraceContext(TRACE, SPAN, False), id="not-sampled"),
    pytest.param(TRACE + b"-" + SPAN + b"-d", TraceContext(TRACE, SPAN, True, debug=True), id="debug"),
    pytest.param(TRACE + b"-" + SPAN + b"-1-" + PARENT, TraceContext(TRACE, SPAN, True), id="parent-span"),
    pytest.param(
        NARROW + b"-" + SPAN + b"-1", TraceContext(PADDED, SPAN, True, narrow=True), id="64-bit-trace-id"
    ),
    pytest.param(b"0", TraceContext(b"", b"", False), id="denial-alone"),
    pytest.param(b"1", TraceContext(b"", b"", True), id="acceptance-alone"),
    pytest.param(b"d", TraceContext(b"", b"", True, debug=True), id="debug-alone"),
    pytest.param(b" 0\t", TraceContext(b"", b"", False), id="white-space-around"),
]

SINGLE_INVALID = [
    pytest.param(b"", Fault.SYNTAX, id="empty"),
    pytest.param(b"2", Fault.SYNTAX, id="unknown-state-alone"),
    pytest.param(TRACE, Fault.SYNTAX, id="trace-id-alone"),
    pytest.param(TRACE + b"-" + SPAN + b"-x", Fault.SYNTAX, id="unknown-state"),
    pytest.param(TRACE + b"-" + SPAN + b"-", Fault.SYNTAX, id="empty-state"),
    pytest.param(TRACE + b"-" + SPAN + b"-1-" + PARENT[1:], Fault.SYNTAX, id="short-parent"),
    pytest.param(TRACE + b"-" + SPAN + b"-1-" + PARENT + b"-", Fault.SYNTAX, id="tail"),
    pytest.param(TRACE.upper() + b"-" + SPAN + b"-1", Fault.SYNTAX, id="upper-case"),
    pytest.param(TRACE[1:] + b"-" + SPAN + b"-1", Fault.SYNTAX, id="trace-id-of-31"),
    pytest.param(b"0" * 32 + b"-" + SPAN + b"-1", Fault.ZERO_TRACE_ID, id="zero-trace-id"),
    pytest.param(b"0" * 16 + b"-" + SPAN + b"-1", Fault.ZERO_TRACE_ID, id="zero-64-bit-trace-id"),
    pytest.param(TRACE + b"-" + b"0" * 16 + b"-1", Fault.ZERO_PARENT_ID, id="zero-span-id"),
]

IDS = {b"x-b3-traceid": TRACE, b"x-b3-spanid": SPAN}

MULTI = [
    pytest.param({}, None, id="nothing"),
    pytest.param({b"x-b3-parentspanid": PARENT}, None, id="parent-span-alone"),
    pytest.param({b"x-b3-flags": b"0"}, None, id="flags-0-alone"),
    pytest.param(IDS, TraceContext(TRACE, SPAN, None), id="deferred"),
    pytest.param(IDS | {b"x-b3-sampled": b"1"}, TraceContext(TRACE, SPAN, True), id="sampled"),
    pytest.param(IDS | {b"x-b3-sampled": b"True"}, TraceContext(TRACE, SPAN, True), id="sampled-as-a-word"),
    pytest.param(IDS | {b"x-b3-sampled": b"0"}, TraceContext(TRACE, SPAN, False), id="not-sampled"),
    pytest.param(
        IDS | {b"x-b3-sampled": b"false"}, TraceContext(TRACE, SPAN, False), id="not-sampled-as-a-word"
    ),
    pytest.param(IDS | {b"x-b3-sampled": b"d"}, TraceContext(TRACE, SPAN, True, debug=True), id="sampled-d"),
    pytest.param(IDS | {b"x-b3-flags": b"1"}, TraceContext(TRACE, SPAN, True, debug=True), id="debug"),
    pytest.param(
        IDS | {b"x-b3-flags": b"1", b"x-b3-sampled": b"0"},
        TraceContext(TRACE, SPAN, True, debug=True),
        id="debug-beats-sampled",
    ),
    pytest.param(IDS | {b"x-b3-flags": b"0"}, TraceContext(TRACE, SPAN, None), id="flags-0"),
    pytest.param(IDS | {b"x-b3-parentspanid": PARENT}, TraceContext(TRACE, SPAN, None), id="parent-span"),
    pytest.param(
        IDS | {b"x-b3-traceid": NARROW}, TraceContext(PADDED, SPAN, None, narrow=True), id="64-bit-trace-id"
    ),
    pytest.param({b"x-b3-sampled": b"0"}, TraceContext(b"", b"", False), id="denial-alone"),
    pytest.param({b"x-b3-sampled": b"1"}, TraceContext(b"", b"", True), id="acceptance-alone"),
    pytest.param({b"x-b3-flags": b"1"}, TraceContext(b"", b"", True, debug=True), id="debug-alone"),
]

MULTI_INVALID = [
    pytest.param({b"x-b3-traceid": TRACE}, Fault.SYNTAX, id="no-span-id"),
    pytest.param({b"x-b3-spanid": SPAN}, Fault.SYNTAX, id="no-trace-id"),
    pytest.param({b"x-b3-traceid": b"", b"x-b3-spanid": SPAN}, Fault.SYNTAX, id="empty-trace-id"),
    pytest.param(IDS | {b"x-b3-traceid": TRACE.upper()}, Fault.SYNTAX, id="upper-case"),
    pytest.param(IDS | {b"x-b3-spanid": SPAN[1:]}, Fault.SYNTAX, id="short-span-id"),
    pytest.param(IDS | {b"x-b3-parentspanid": b"x"}, Fault.SYNTAX, id="bad-parent-span"),
    pytest.param(IDS | {b"x-b3-sampled": b"2"}, Fault.SYNTAX, id="unknown-state"),
    pytest.param(IDS | {b"x-b3-traceid": b"0" * 32}, Fault.ZERO_TRACE_ID, id="zero-trace-id"),
    pytest.param(IDS | {b"x-b3-spanid": b"0" * 16}, Fault.ZERO_PARENT_ID, id="zero-span-id"),
]


@pytest.mark.parametrize(("value", "context"), SINGLE)
def test_single_reads(value: bytes, context: TraceContext) -> None:
    assert b3.parse_single(value) == context


@pytest.mark.parametrize(("value", "fault"), SINGLE_INVALID)
def test_single_refuses(value: bytes, fault: Fault) -> None:
    with pytest.raises(InvalidContext) as caught:
        b3.parse_single(value)
    assert caught.value.fault is fault


@pytest.mark.parametrize(("fields", "context"), MULTI)
def test_multi_reads(fields: dict[bytes, bytes], context: TraceContext | None) -> None:
    assert b3.parse_multi(fields.get) == context


@pytest.mark.parametrize(("fields", "fault"), MULTI_INVALID)
def test_multi_refuses(fields: dict[bytes, bytes], fault: Fault) -> None:
    with pytest.raises(InvalidContext) as caught:
        b3.parse_multi(fields.get)
    assert caught.value.fault is fault


@st.composite
def contexts(draw: st.DrawFn) -> TraceContext:
    narrow = draw(st.booleans())
    trace_id = draw(st.integers(1, 2 ** (64 if narrow else 128) - 1))
    sampled = draw(st.sampled_from([None, False, True]))
    debug = sampled is True and draw(st.booleans())
    span_id = b"%016x" % draw(st.integers(1, 2**64 - 1))
    return TraceContext(b"%032x" % trace_id, span_id, sampled, debug=debug, narrow=narrow)


@given(contexts())
def test_single_reads_what_it_writes(context: TraceContext) -> None:
    assert b3.parse_single(b3.encode_single(context)) == context


@given(contexts())
def test_multi_reads_what_it_writes(context: TraceContext) -> None:
    fields = {name.lower(): value for name, value in b3.encode_multi(context)}
    assert b3.parse_multi(fields.get) == context


def test_multi_sends_debug_instead_of_a_decision() -> None:
    names = [name for name, _ in b3.encode_multi(TraceContext(TRACE, SPAN, True, debug=True))]
    assert names == [b"X-B3-TraceId", b"X-B3-SpanId", b"X-B3-Flags"]


@given(st.binary())
def test_single_raises_nothing_else(value: bytes) -> None:
    try:
        context = b3.parse_single(value)
    except InvalidContext:
        return
    assert len(context.trace_id) in (0, 32)
