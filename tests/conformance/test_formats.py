"""B3 and Datadog through a running proxy, beside W3C Trace Context and alone: one story in every format."""

import pytest

from tests.conformance.cases import SPAN, TRACE, traceparent
from tests.conformance.harness import STRANGER, Live, Sent, new_ids

LOW = TRACE[16:]
B3 = b"b3: " + TRACE + b"-" + SPAN
MULTI = (b"X-B3-TraceId: " + TRACE, b"X-B3-SpanId: " + SPAN)
LOW_DECIMAL = b"%d" % int(LOW, 16)
SPAN_DECIMAL = b"%d" % int(SPAN, 16)
DATADOG = (b"x-datadog-trace-id: " + LOW_DECIMAL, b"x-datadog-parent-id: " + SPAN_DECIMAL)
TAGS = b"x-datadog-tags: _dd.p.tid=" + TRACE[:16]
PRIORITY = b"x-datadog-sampling-priority: "
#: Stand for the ids that the proxy makes.
NEW_TRACE, NEW_SPAN = b"T" * 32, b"S" * 16
STARTED = [traceparent(b"01", NEW_TRACE, NEW_SPAN), b"tracestate: dd=s:1;o:rum"]
STARTED_2 = [traceparent(b"03", NEW_TRACE, NEW_SPAN), b"tracestate: dd=s:1;o:rum,ot=th:0"]
#: A decision that came is not one by rate, so no threshold tells of it.
ACCEPTED_2 = [STARTED_2[0], b"tracestate: dd=s:1;o:rum"]
CONTINUED_2 = [traceparent(b"01", TRACE, NEW_SPAN), b"tracestate: dd=s:1,ot=th:0"]


def context_of(sent: Sent) -> list[bytes]:
    """Return the context's lines as they reached the upstream, with stand-ins for new ids."""
    trace_id, span_id = (part.encode() for part in new_ids(sent))
    text = b"\n".join(name + b": " + value for name, value in sent.context)
    for found, name in ((trace_id, NEW_TRACE), (span_id, NEW_SPAN)):
        text = text.replace(found, name) if found else text
    return text.split(b"\n") if text else []


# What is read: the first format that is there and valid wins.

READ = [
    pytest.param([B3 + b"-1"], [B3 + b"-1", traceparent()], id="b3-sampled"),
    pytest.param([B3 + b"-0"], [B3 + b"-0", traceparent(b"00")], id="b3-not-sampled"),
    pytest.param([B3 + b"-d"], [B3 + b"-d", traceparent()], id="b3-debug"),
    pytest.param(
        [B3 + b"-1-" + b"5" * 16], [B3 + b"-1-" + b"5" * 16, traceparent()], id="b3-with-its-grandparent"
    ),
    pytest.param(
        [b"B3:\t" + B3[4:] + b"-1 "], [b"B3: " + B3[4:] + b"-1 ", traceparent()], id="b3-ows-and-case"
    ),
    pytest.param(
        [b"b3: " + LOW + b"-" + SPAN + b"-1"],
        [b"b3: " + LOW + b"-" + SPAN + b"-1", traceparent(trace_id=b"0" * 16 + LOW)],
        id="b3-of-64-bits",
    ),
    pytest.param([B3], CONTINUED_2, id="b3-without-a-decision"),
    pytest.param([b"b3: 0"], [b"b3: 0"], id="b3-denial-alone"),
    pytest.param([b"b3: 1"], ACCEPTED_2, id="b3-acceptance-alone"),
    pytest.param([b"b3: d"], ACCEPTED_2, id="b3-debug-alone"),
    pytest.param([b"b3: 2"], STARTED_2, id="b3-bad-state"),
    pytest.param([b"b3: " + TRACE.upper() + b"-" + SPAN + b"-1"], STARTED_2, id="b3-upper-case"),
    pytest.param([b"b3: " + b"0" * 32 + b"-" + SPAN + b"-1"], STARTED_2, id="b3-zero-trace-id"),
    pytest.param([b"b3:"], STARTED_2, id="b3-empty"),
    pytest.param([B3 + b"-1", B3 + b"-1"], STARTED_2, id="b3-twice"),
    pytest.param(
        [*MULTI, b"X-B3-Sampled: 1"], [*MULTI, b"X-B3-Sampled: 1", traceparent()], id="b3multi-sampled"
    ),
    pytest.param(
        [*MULTI, b"x-b3-sampled: 0"],
        [*MULTI, b"x-b3-sampled: 0", traceparent(b"00")],
        id="b3multi-not-sampled",
    ),
    pytest.param([*MULTI, b"X-B3-Flags: 1"], [*MULTI, b"X-B3-Flags: 1", traceparent()], id="b3multi-debug"),
    pytest.param([*MULTI], CONTINUED_2, id="b3multi-without-a-decision"),
    pytest.param([b"X-B3-Sampled: 0"], [b"X-B3-Sampled: 0"], id="b3multi-denial-alone"),
    pytest.param([MULTI[0]], STARTED_2, id="b3multi-without-a-span-id"),
    pytest.param(
        [*DATADOG, PRIORITY + b"1", TAGS], [*DATADOG, PRIORITY + b"1", TAGS, traceparent()], id="datadog"
    ),
    pytest.param(
        [*DATADOG, PRIORITY + b"-1", TAGS],
        [*DATADOG, PRIORITY + b"-1", TAGS, traceparent(b"00")],
        id="datadog-rejected-by-the-user",
    ),
    pytest.param(
        [*DATADOG, PRIORITY + b"2"],
        [*DATADOG, PRIORITY + b"2", traceparent(trace_id=b"0" * 16 + LOW)],
        id="datadog-of-64-bits",
    ),
    pytest.param([*DATADOG, TAGS], CONTINUED_2, id="datadog-without-a-decision"),
    pytest.param(
        [DATADOG[0], b"x-datadog-parent-id: 0", PRIORITY + b"1", TAGS],
        [traceparent(b"01", TRACE, NEW_SPAN), b"tracestate: dd=s:1"],
        id="datadog-without-a-span",
    ),
    pytest.param([b"x-datadog-trace-id: 0", DATADOG[1]], STARTED_2, id="datadog-zero-trace-id"),
    pytest.param(
        [b"x-datadog-trace-id: 18446744073709551616", DATADOG[1]], STARTED_2, id="datadog-of-65-bits"
    ),
    pytest.param(
        [b"traceparent: bad", B3 + b"-1"], [B3 + b"-1", traceparent()], id="a-valid-later-format-wins"
    ),
    pytest.param([traceparent(), B3 + b"-1"], [traceparent(), B3 + b"-1"], id="two-formats-that-agree"),
    pytest.param(
        [traceparent(), b"b3: " + b"1" * 32 + b"-" + SPAN + b"-0"],
        [traceparent(), b"b3: " + b"1" * 32 + b"-" + SPAN + b"-0"],
        id="one-that-contradicts-but-is-not-propagated-stays",
    ),
    pytest.param([b"traceparent: bad", b"b3: bad", *DATADOG[:1]], STARTED_2, id="all-of-them-bad"),
]


@pytest.mark.parametrize(("lines", "expected"), READ)
def test_every_format_is_read(lines: list[bytes], expected: list[bytes], polyglot: Live) -> None:
    sent = polyglot.send("/all/", *lines)
    assert context_of(sent) == expected


# What is written: all formats of a rule say the same, and none of another trace is left.

EVERY = [
    traceparent(),
    B3 + b"-1",
    *MULTI,
    b"X-B3-Sampled: 1",
    *DATADOG,
    PRIORITY + b"1",
    TAGS,
]
CONTRADICTING = [b"b3: " + b"1" * 32 + b"-" + SPAN + b"-0", b"X-B3-Sampled: 0", PRIORITY + b"-1"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([traceparent()], EVERY, id="what-lacks-is-added"),
        pytest.param([traceparent(), *CONTRADICTING], EVERY, id="what-contradicts-is-replaced"),
    ],
)
def test_every_format_is_written(lines: list[bytes], expected: list[bytes], passing: Live) -> None:
    assert context_of(passing.send("/every/", *lines)) == expected


@pytest.mark.parametrize("lines", [[], [b"traceparent: bad", *CONTRADICTING], [*CONTRADICTING]])
def test_a_new_trace_is_the_same_in_every_format(lines: list[bytes], passing: Live) -> None:
    sent = passing.send("/every/", *lines)
    trace_id, span_id = (part.encode() for part in new_ids(sent))
    assert dict(sent.context) == {
        b"traceparent": b"00-" + trace_id + b"-" + span_id + b"-01",
        b"tracestate": b"dd=s:1;o:rum",
        b"b3": trace_id + b"-" + span_id + b"-1",
        b"X-B3-TraceId": trace_id,
        b"X-B3-SpanId": span_id,
        b"X-B3-Sampled": b"1",
        b"x-datadog-trace-id": b"%d" % int(trace_id[16:], 16),
        b"x-datadog-parent-id": b"%d" % int(span_id, 16),
        b"x-datadog-sampling-priority": b"1",
        b"x-datadog-origin": b"rum",
        b"x-datadog-tags": b"_dd.p.tid=" + trace_id[:16],
    }


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param("/b3/", [b"b3: " + TRACE + b"-" + NEW_SPAN + b"-1"], id="b3"),
        pytest.param(
            "/b3multi/",
            [b"X-B3-TraceId: " + TRACE, b"X-B3-SpanId: " + NEW_SPAN, b"X-B3-Sampled: 1"],
            id="b3multi",
        ),
    ],
)
def test_a_participant_writes_what_the_rule_propagates_alone(
    place: str, expected: list[bytes], participant: Live
) -> None:
    assert context_of(participant.send(place, traceparent(), b"tracestate: a=1")) == expected


# What is not read, and who is not believed.


def test_a_format_that_is_not_read_is_replaced(passing: Live) -> None:
    assert context_of(passing.send("/all/", B3 + b"-1", *MULTI, *DATADOG)) == STARTED


@pytest.mark.parametrize("lines", [[B3 + b"-1"], [*MULTI], [*DATADOG], [b"b3: 0"], [traceparent(), b"b3: 0"]])
@pytest.mark.parametrize(("place", "expected"), [("/all/", STARTED), ("/strip/", []), ("/no-rule/", [])])
def test_a_strangers_context_counts_in_no_format(
    lines: list[bytes], place: str, expected: list[bytes], passing: Live
) -> None:
    assert context_of(passing.send(place, *lines, STRANGER)) == expected
