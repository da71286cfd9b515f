"""The ``traceparent`` grammar of Trace Context Level 1 and 2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tracecontext import traceparent
from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault, InvalidContext

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00f067aa0ba902b7"
IDS = TRACE + b"-" + PARENT

VALID = [
    pytest.param(b"00-" + IDS + b"-00", False, False, id="not-sampled"),
    pytest.param(b"00-" + IDS + b"-01", True, False, id="sampled"),
    pytest.param(b"00-" + IDS + b"-02", False, True, id="random"),
    pytest.param(b"00-" + IDS + b"-03", True, True, id="sampled-and-random"),
    pytest.param(b"00-" + IDS + b"-09", True, False, id="unknown-flag-beside-sampled"),
    pytest.param(b"00-" + IDS + b"-ff", True, True, id="every-flag"),
    pytest.param(b"00-" + IDS + b"-fc", False, False, id="only-unknown-flags"),
    pytest.param(b" 00-" + IDS + b"-01", True, False, id="leading-space"),
    pytest.param(b"\t00-" + IDS + b"-01", True, False, id="leading-tab"),
    pytest.param(b"00-" + IDS + b"-01 ", True, False, id="trailing-space"),
    pytest.param(b"\t 00-" + IDS + b"-01 \t", True, False, id="white-space-around"),
    pytest.param(b"01-" + IDS + b"-01", True, False, id="version-01"),
    pytest.param(b"cc-" + IDS + b"-00", False, False, id="version-cc"),
    pytest.param(b"fe-" + IDS + b"-01", True, False, id="version-fe"),
    pytest.param(b"01-" + IDS + b"-01-", True, False, id="version-01-with-a-bare-dash"),
    pytest.param(b"cc-" + IDS + b"-01-what-the-future-holds", True, False, id="version-cc-with-a-tail"),
    pytest.param(b"cc-" + IDS + b"-01-.,;\xff", True, False, id="version-cc-with-any-tail"),
]

INVALID = [
    pytest.param(b"", Fault.SYNTAX, id="empty"),
    pytest.param(b" ", Fault.SYNTAX, id="blank"),
    pytest.param(b"00", Fault.SYNTAX, id="version-alone"),
    pytest.param(b"00-" + IDS, Fault.SYNTAX, id="no-flags"),
    pytest.param(b"00-" + IDS + b"-", Fault.SYNTAX, id="empty-flags"),
    pytest.param(b"00-" + IDS + b"-1", Fault.SYNTAX, id="flags-too-short"),
    pytest.param(b"00-" + IDS + b"-001", Fault.SYNTAX, id="flags-too-long"),
    pytest.param(b"00-" + IDS + b"-.0", Fault.SYNTAX, id="flags-first-not-hex"),
    pytest.param(b"00-" + IDS + b"-0.", Fault.SYNTAX, id="flags-second-not-hex"),
    pytest.param(b"00-" + IDS + b"-0A", Fault.SYNTAX, id="flags-upper-case"),
    pytest.param(b"0-" + IDS + b"-01", Fault.SYNTAX, id="version-too-short"),
    pytest.param(b"000-" + IDS + b"-01", Fault.SYNTAX, id="version-too-long"),
    pytest.param(b".0-" + IDS + b"-01", Fault.SYNTAX, id="version-not-hex"),
    pytest.param(b"CC-" + IDS + b"-01", Fault.SYNTAX, id="version-upper-case"),
    pytest.param(b"FF-" + IDS + b"-01", Fault.SYNTAX, id="version-upper-case-ff"),
    pytest.param(b"00-" + TRACE.upper() + b"-" + PARENT + b"-01", Fault.SYNTAX, id="trace-id-upper-case"),
    pytest.param(b"00-" + TRACE + b"-" + PARENT.upper() + b"-01", Fault.SYNTAX, id="parent-id-upper-case"),
    pytest.param(b"00-" + TRACE[1:] + b"-" + PARENT + b"-01", Fault.SYNTAX, id="trace-id-too-short"),
    pytest.param(b"00-1" + IDS + b"-01", Fault.SYNTAX, id="trace-id-too-long"),
    pytest.param(b"00-" + TRACE + b"-" + PARENT[1:] + b"-01", Fault.SYNTAX, id="parent-id-too-short"),
    pytest.param(b"00-" + TRACE + b"-" + PARENT + b"1-01", Fault.SYNTAX, id="parent-id-too-long"),
    pytest.param(b"00-." + TRACE[1:] + b"-" + PARENT + b"-01", Fault.SYNTAX, id="trace-id-not-hex"),
    pytest.param(b"00-" + TRACE + b"-" + PARENT[1:] + b".-01", Fault.SYNTAX, id="parent-id-not-hex"),
    pytest.param(b"00_" + TRACE + b"_" + PARENT + b"_01", Fault.SYNTAX, id="wrong-delimiter"),
    pytest.param(b"00- " + IDS + b"-01", Fault.SYNTAX, id="space-inside"),
    pytest.param(b"00-" + IDS + b"-01,00-" + IDS + b"-01", Fault.TRAILING_DATA, id="two-in-one-field"),
    pytest.param(b"ff-" + IDS + b"-01", Fault.VERSION, id="version-ff"),
    pytest.param(b"ff-" + IDS + b"-01-x", Fault.VERSION, id="version-ff-with-a-tail"),
    pytest.param(b"ff-" + TRACE + b"-01", Fault.SYNTAX, id="version-ff-malformed"),
    pytest.param(b"00-" + IDS + b"-01-", Fault.TRAILING_DATA, id="bare-dash-in-00"),
    pytest.param(b"00-" + IDS + b"-01-x", Fault.TRAILING_DATA, id="tail-in-00"),
    pytest.param(b"00-" + IDS + b"-01.", Fault.TRAILING_DATA, id="dot-in-00"),
    pytest.param(b"00-" + IDS + b"-01\n", Fault.TRAILING_DATA, id="newline-in-00"),
    pytest.param(b"01-" + IDS + b"-01.", Fault.SYNTAX, id="version-01-tail-without-dash"),
    pytest.param(b"01-" + IDS + b"-01 x", Fault.SYNTAX, id="version-01-tail-after-a-space"),
    pytest.param(b"01-" + IDS + b"-0", Fault.SYNTAX, id="version-01-too-short"),
    pytest.param(b"00-" + b"0" * 32 + b"-" + PARENT + b"-01", Fault.ZERO_TRACE_ID, id="zero-trace-id"),
    pytest.param(b"00-" + TRACE + b"-" + b"0" * 16 + b"-01", Fault.ZERO_PARENT_ID, id="zero-parent-id"),
    pytest.param(b"01-" + b"0" * 32 + b"-" + PARENT + b"-01", Fault.ZERO_TRACE_ID, id="zero-in-version-01"),
    pytest.param(b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", Fault.ZERO_TRACE_ID, id="both-zero"),
]


@pytest.mark.parametrize(("value", "sampled", "random"), VALID)
def test_parse_reads(value: bytes, sampled: bool, random: bool) -> None:
    assert traceparent.parse(value) == TraceContext(TRACE, PARENT, sampled, random)


@pytest.mark.parametrize(("value", "fault"), INVALID)
def test_parse_refuses(value: bytes, fault: Fault) -> None:
    with pytest.raises(InvalidContext) as caught:
        traceparent.parse(value)
    assert caught.value.fault is fault
    assert caught.value.value == value


def hex_id(digits: int) -> st.SearchStrategy[bytes]:
    return st.integers(1, 16**digits - 1).map(lambda number: b"%0*x" % (digits, number))


@given(hex_id(32), hex_id(16), st.booleans(), st.booleans())
def test_what_is_written_is_read_again(
    trace_id: bytes, parent_id: bytes, sampled: bool, random: bool
) -> None:
    value = traceparent.encode(trace_id, parent_id, sampled=sampled, random=random)
    assert len(value) == 55
    assert traceparent.parse(value) == TraceContext(trace_id, parent_id, sampled, random)


@given(st.binary() | st.from_regex(rb"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,3}\Z"))
def test_parse_raises_nothing_else(value: bytes) -> None:
    try:
        context = traceparent.parse(value)
    except InvalidContext:
        return
    assert len(context.trace_id) == 32
    assert len(context.span_id) == 16


def test_flags_alone_are_two_digits() -> None:
    assert traceparent.encode_flags(sampled=True, random=True) == b"03"
