"""Datadog's fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tracecontext import datadog
from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault, InvalidContext

HIGH = b"640cfd8d00000000"
LOW = 0x64FE8B2A57D3EFF7
TRACE = HIGH + b"64fe8b2a57d3eff7"
PADDED = b"0" * 16 + b"64fe8b2a57d3eff7"
SPAN = 0xE457B5A2E4D86BD1
SPAN_HEX = b"e457b5a2e4d86bd1"
IDS = {b"x-datadog-trace-id": b"%d" % LOW, b"x-datadog-parent-id": b"%d" % SPAN}
TAGS = b"_dd.p.tid=" + HIGH

READ = [
    pytest.param({}, None, id="nothing"),
    pytest.param({b"x-datadog-origin": b"rum"}, None, id="origin-alone"),
    pytest.param({b"x-datadog-sampling-priority": b"1"}, None, id="priority-alone"),
    pytest.param(IDS, TraceContext(PADDED, SPAN_HEX, None, narrow=True), id="64-bit-deferred"),
    pytest.param(
        IDS | {b"x-datadog-sampling-priority": b"1"},
        TraceContext(PADDED, SPAN_HEX, True, narrow=True, priority=1),
        id="sampled",
    ),
    pytest.param(
        IDS | {b"x-datadog-sampling-priority": b"2"},
        TraceContext(PADDED, SPAN_HEX, True, narrow=True, priority=2),
        id="user-keep",
    ),
    pytest.param(
        IDS | {b"x-datadog-sampling-priority": b"0"},
        TraceContext(PADDED, SPAN_HEX, False, narrow=True, priority=0),
        id="not-sampled",
    ),
    pytest.param(
        IDS | {b"x-datadog-sampling-priority": b"-1"},
        TraceContext(PADDED, SPAN_HEX, False, narrow=True, priority=-1),
        id="user-reject",
    ),
    pytest.param(
        IDS | {b"x-datadog-tags": TAGS}, TraceContext(TRACE, SPAN_HEX, None, tags=TAGS), id="128-bit"
    ),
    pytest.param(
        IDS | {b"x-datadog-tags": b"_dd.p.dm=-4, " + TAGS},
        TraceContext(TRACE, SPAN_HEX, None, tags=b"_dd.p.dm=-4, " + TAGS),
        id="128-bit-among-tags",
    ),
    pytest.param(
        IDS | {b"x-datadog-tags": b"_dd.p.tid=xyz"},
        TraceContext(PADDED, SPAN_HEX, None, narrow=True, tags=b"_dd.p.tid=xyz"),
        id="malformed-high-bits-count-as-absent",
    ),
    pytest.param(
        IDS | {b"x-datadog-origin": b"synthetics", b"x-datadog-parent-id": b"0"},
        TraceContext(PADDED, b"", None, narrow=True, origin=b"synthetics"),
        id="no-span-yet",
    ),
]

REFUSED = [
    pytest.param(IDS | {b"x-datadog-trace-id": b"0"}, Fault.ZERO_TRACE_ID, id="zero-trace-id"),
    pytest.param(IDS | {b"x-datadog-trace-id": b""}, Fault.SYNTAX, id="empty-trace-id"),
    pytest.param(IDS | {b"x-datadog-trace-id": b"abc"}, Fault.SYNTAX, id="hex-trace-id"),
    pytest.param(IDS | {b"x-datadog-trace-id": b"-1"}, Fault.SYNTAX, id="negative-trace-id"),
    pytest.param(IDS | {b"x-datadog-trace-id": b"%d" % 2**64}, Fault.SYNTAX, id="trace-id-of-65-bits"),
    pytest.param({b"x-datadog-trace-id": b"1"}, Fault.SYNTAX, id="no-parent-id"),
    pytest.param(IDS | {b"x-datadog-parent-id": b"x"}, Fault.SYNTAX, id="bad-parent-id"),
    pytest.param(IDS | {b"x-datadog-sampling-priority": b"yes"}, Fault.SYNTAX, id="bad-priority"),
]


@pytest.mark.parametrize(("fields", "context"), READ)
def test_parse_reads(fields: dict[bytes, bytes], context: TraceContext | None) -> None:
    assert datadog.parse(fields.get) == context


@pytest.mark.parametrize(("fields", "fault"), REFUSED)
def test_parse_refuses(fields: dict[bytes, bytes], fault: Fault) -> None:
    with pytest.raises(InvalidContext) as caught:
        datadog.parse(fields.get)
    assert caught.value.fault is fault


WRITTEN = [
    pytest.param(
        TraceContext(TRACE, SPAN_HEX, True, origin=b"rum"),
        IDS | {b"x-datadog-sampling-priority": b"1", b"x-datadog-origin": b"rum", b"x-datadog-tags": TAGS},
        id="all",
    ),
    pytest.param(
        TraceContext(PADDED, SPAN_HEX, False), IDS | {b"x-datadog-sampling-priority": b"0"}, id="64-bit"
    ),
    pytest.param(TraceContext(PADDED, SPAN_HEX, None), IDS, id="deferred"),
    pytest.param(
        TraceContext(PADDED, SPAN_HEX, True, priority=2, tags=b"_dd.p.dm=-4"),
        IDS | {b"x-datadog-sampling-priority": b"2", b"x-datadog-tags": b"_dd.p.dm=-4"},
        id="priority-of-the-right-sign-kept",
    ),
    pytest.param(
        TraceContext(TRACE, SPAN_HEX, False, priority=2, tags=b"_dd.p.dm=-4,_dd.p.x=1," + TAGS),
        IDS | {b"x-datadog-sampling-priority": b"0", b"x-datadog-tags": TAGS + b",_dd.p.x=1"},
        id="priority-of-the-wrong-sign-replaced-with-its-maker",
    ),
]


@pytest.mark.parametrize(("context", "fields"), WRITTEN)
def test_encode_writes(context: TraceContext, fields: dict[bytes, bytes]) -> None:
    assert dict(datadog.encode(context)) == fields


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1), st.integers(-1, 2))
def test_parse_reads_what_encode_writes(high: int, low: int, span: int, priority: int) -> None:
    trace_id = b"%016x%016x" % (high, low)
    context = TraceContext(trace_id, b"%016x" % span, priority > 0, narrow=high == 0, priority=priority)
    fields = dict(datadog.encode(context))
    context.tags = fields.get(b"x-datadog-tags", b"")
    assert datadog.parse(fields.get) == context


@given(
    st.dictionaries(st.sampled_from([*IDS, b"x-datadog-tags", b"x-datadog-sampling-priority"]), st.binary())
)
def test_parse_raises_nothing_else(fields: dict[bytes, bytes]) -> None:
    try:
        context = datadog.parse(fields.get)
    except InvalidContext:
        return
    assert context is None or len(context.trace_id) == 32
