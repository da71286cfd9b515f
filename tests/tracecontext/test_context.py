"""When two formats say the same."""

import pytest

from proxy.tracecontext.context import TraceContext

WIDE = b"4bf92f3577b34da6a3ce929d0e0e4736"
LOW = b"0" * 16 + WIDE[16:]
SPAN = b"00f067aa0ba902b7"

PAIRS = [
    pytest.param(TraceContext(WIDE, SPAN, True), True, id="equal"),
    pytest.param(TraceContext(WIDE, SPAN, True, debug=True, random=True), True, id="other-marks"),
    pytest.param(TraceContext(LOW, SPAN, True, narrow=True), True, id="the-same-64-bits"),
    pytest.param(TraceContext(LOW, SPAN, True), False, id="high-half-of-zeros-is-another-trace"),
    pytest.param(TraceContext(WIDE[::-1], SPAN, True), False, id="another-trace"),
    pytest.param(TraceContext(WIDE, SPAN[::-1], True), False, id="another-span"),
    pytest.param(TraceContext(WIDE, SPAN, False), False, id="another-decision"),
    pytest.param(TraceContext(WIDE, SPAN, None), False, id="no-decision"),
    pytest.param(TraceContext(b"", b"", True), False, id="no-ids"),
]


@pytest.mark.parametrize(("other", "agrees"), PAIRS)
def test_contexts_agree(other: TraceContext, agrees: bool) -> None:
    context = TraceContext(WIDE, SPAN, True)
    assert context.agrees_with(other) is agrees
    assert other.agrees_with(context) is agrees
