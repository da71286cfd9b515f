"""W3C Trace Context, Level 1 and 2, through a running proxy: the bytes that reach the upstream."""

import hmac
import json
from collections.abc import Callable, Sequence

import pytest

from tests.conformance.cases import OWN, SPAN, TRACE, Case, traceparent
from tests.conformance.harness import HOST, STRANGER, Live, Sent
from tests.conformance.traceparent_cases import TRACEPARENT
from tests.conformance.tracestate_cases import TRACESTATE

TABLE = [*TRACEPARENT, *TRACESTATE]
EACH = pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=f"traceparent-{case.id}") for case in TRACEPARENT]
    + [pytest.param(case, id=f"tracestate-{case.id}") for case in TRACESTATE],
)
#: What the rate of 10 percent is held against, by OpenTelemetry's consistent sampling.
THRESHOLD = (1 << 56) * 9 // 10 + 1
NEVER_SENT = (b"connection",)
CONTEXT = (b"traceparent", b"tracestate")


def name_of(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def lines_without(case: Case, *names: bytes) -> list[bytes]:
    """Return the lines of a case as they are to arrive: as they came."""
    return [line for line in case.lines if name_of(line) not in (*NEVER_SENT, *names)]


def head_of(sent: Sent, lines: Sequence[bytes]) -> bytes:
    start = f"{sent.method} {sent.target} HTTP/1.1\r\nHost: {HOST}".encode()
    return b"\r\n".join([start, *lines, b"\r\n"])


def has_ot(case: Case) -> bool:
    """Whether a member of OpenTelemetry came, which a decision made anew changes."""
    return any(member.startswith(b"ot=") for member in case.members)


def stranger(sent: Sent) -> list[bytes]:
    return [STRANGER] if STRANGER in sent.lines else []


# What may become of a request. Each compares the whole head, byte for byte.


def check_as_it_came(case: Case, sent: Sent) -> None:
    assert sent.head == head_of(sent, [*lines_without(case), *stranger(sent)])


def check_forwarded(case: Case, sent: Sent) -> None:
    """A bad tracestate alone is dropped."""
    dropped = (b"tracestate",) if case.fault is not None else ()
    assert sent.head == head_of(sent, lines_without(case, *dropped))


def check_without_context(case: Case, sent: Sent, *dropped: bytes) -> None:
    assert sent.head == head_of(sent, [*lines_without(case, *CONTEXT, *dropped), *stranger(sent)])


def check_new_trace(
    case: Case, sent: Sent, *dropped: bytes, flags: bytes = b"01", state: bytes = b"dd=s:1;o:rum"
) -> None:
    version, trace_id, span_id, _ = new_traceparent(sent)
    assert version == b"00"
    assert trace_id not in b"\n".join(case.lines)
    assert int(trace_id, 16) > 0
    assert span_id != SPAN
    assert int(span_id, 16) > 0
    written = [traceparent(flags, trace_id, span_id), b"tracestate: " + state]
    kept = [*lines_without(case, *CONTEXT, *dropped), *stranger(sent)]
    assert sent.head == head_of(sent, [*kept, *written])


def check_continued(case: Case, sent: Sent, state: bytes, *, sampled: bool) -> None:
    """The same trace and a new parent-id; flags that nobody has defined are set to zero."""
    assert case.parent is not None
    trace_id, parent_id, flags = case.parent
    span_id = new_traceparent(sent)[2]
    assert span_id != parent_id
    assert int(span_id, 16) > 0
    line = traceparent(b"%02x" % (flags & 2 | sampled), trace_id, span_id)
    kept = [*lines_without(case, *CONTEXT), *stranger(sent)]
    assert sent.head == head_of(sent, [*kept, line, b"tracestate: " + state])


def check_decided_anew(case: Case, sent: Sent, *, sampled: bool) -> None:
    """As continued, and the own member's sign agrees with the decision."""
    own, *others = sent.get_all(b"tracestate")[0].split(b",")
    assert others == case.propagated.split(b",")[1:]
    priorities = [subkey[2:] for subkey in own.removeprefix(OWN).split(b";") if subkey.startswith(b"s:")]
    assert own.startswith(OWN)
    assert [int(priority) > 0 for priority in priorities] == [sampled]
    check_continued(case, sent, b",".join([own, *others]), sampled=sampled)


def new_traceparent(sent: Sent) -> list[bytes]:
    values = sent.get_all(b"traceparent")
    assert len(values) == 1
    fields = values[0].split(b"-")
    assert [len(field) for field in fields] == [2, 32, 16, 2]
    return fields


def check_all(
    live: Live, place: str, check: Callable[[Case, Sent], None], *lines: bytes, cases: Sequence[Case] = TABLE
) -> None:
    """Run the table below a place of the proxy, over one connection; tell every case that goes wrong."""
    wrong = {}
    for case, sent in zip(
        cases, live.send_all(place, [(*case.lines, *lines) for case in cases]), strict=True
    ):
        try:
            check(case, sent)
        except AssertionError as error:
            wrong[case.id] = f"{error}\n{sent}"
    assert not wrong


# The table itself.


def test_the_table_is_whole() -> None:
    assert len(TABLE) >= 150
    assert len({case.id for case in TRACEPARENT}) == len(TRACEPARENT)
    assert len({case.id for case in TRACESTATE}) == len(TRACESTATE)
    assert all(case.spec for case in TABLE)


@EACH
def test_a_good_context_passes_as_it_came_and_a_bad_one_restarts(case: Case, passing: Live) -> None:
    sent = passing.send("/all/", *case.lines)
    assert sent.answer.status == 200
    if case.parent is None:
        check_new_trace(case, sent)
    else:
        check_forwarded(case, sent)


@EACH
def test_a_participant_takes_part_in_every_case(case: Case, participant: Live) -> None:
    sent = participant.send("/all/", *case.lines)
    assert sent.answer.status == 200
    if case.parent is None:
        check_new_trace(case, sent)
    else:
        check_continued(case, sent, case.propagated, sampled=case.sampled)


def test_a_participant_takes_part_where_it_samples_nothing(participant: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        if case.parent is None:
            check_without_context(case, sent)
        else:
            check_continued(case, sent, case.propagated, sampled=case.sampled)

    check_all(participant, "/nothing/", check)


# What becomes of a bad context.


@pytest.mark.parametrize("place", ["/strip/", "/forward/", "/reject/"])
def test_a_good_context_is_none_the_worse_for_how_bad_ones_are_treated(place: str, passing: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        check_new_trace(case, sent) if case.absent else check_forwarded(case, sent)

    check_all(passing, place, check, cases=[case for case in TABLE if case.parent is not None or case.absent])


BAD = [case for case in TABLE if case.parent is None and case.fault is not None]


def test_a_bad_context_is_stripped(passing: Live) -> None:
    check_all(passing, "/strip/", lambda case, sent: check_without_context(case, sent), cases=BAD)


def test_a_bad_context_is_forwarded_as_it_came(passing: Live) -> None:
    check_all(passing, "/forward/", check_as_it_came, cases=BAD)


def test_a_bad_context_is_rejected_with_its_fault(passing: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        assert sent.head is None
        assert sent.answer.status == 400
        error = json.loads(sent.answer.body)
        assert (error["error"], error["trace_id"]) == ("invalid_context", None)
        assert error["detail"] == f"the trace context is refused: {case.fault}"

    check_all(passing, "/reject/", check, cases=BAD)


def test_a_restarted_trace_that_is_not_sampled_is_not_sent(passing: Live) -> None:
    check_all(passing, "/nothing/", lambda case, sent: check_without_context(case, sent), cases=BAD)


def test_a_restarted_trace_is_sent_unsampled_where_all_are(passing: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        sampled = int(new_traceparent(sent)[1][-14:], 16) >= THRESHOLD
        flags, state = (b"01", b"dd=s:1;o:rum") if sampled else (b"00", b"dd=s:0;o:rum")
        check_new_trace(case, sent, flags=flags, state=state)

    check_all(passing, "/tenth/", check, cases=BAD)


# What becomes of a stranger's context.


def test_a_strangers_context_restarts(passing: Live) -> None:
    check_all(passing, "/all/", lambda case, sent: check_new_trace(case, sent, b"baggage"), STRANGER)


def test_a_strangers_context_is_stripped(passing: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        if case.absent:
            check_new_trace(case, sent)
        else:
            check_without_context(case, sent, b"baggage")

    check_all(passing, "/strip/", check, STRANGER)


WITHOUT_OT = [case for case in TABLE if case.parent is not None and not has_ot(case)]


def test_a_strangers_context_is_capped_by_a_secret(passing: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        assert case.parent is not None
        digest = hmac.digest(b"known-to-every-replica", case.parent[0], "sha256")
        sampled = case.sampled and int.from_bytes(digest[-7:]) >= THRESHOLD
        if sampled is case.sampled:
            check_as_it_came(case, sent)
        else:
            check_decided_anew(case, sent, sampled=sampled)

    check_all(passing, "/cap/", check, STRANGER, cases=WITHOUT_OT)


# What is left alone.


@pytest.mark.parametrize("place", ["/no-rule/", "/skip/"])
def test_what_is_not_traced_reaches_the_upstream_byte_for_byte(place: str, passing: Live) -> None:
    check_all(passing, place, check_as_it_came)


@pytest.mark.parametrize("place", ["/no-rule/", "/skip/"])
def test_what_a_stranger_sends_is_stripped_where_nothing_is_traced(place: str, passing: Live) -> None:
    check_all(passing, place, lambda case, sent: check_without_context(case, sent, b"baggage"), STRANGER)


def test_unmatched_strip_leaves_no_context(polyglot: Live) -> None:
    check_all(polyglot, "/no-rule/", lambda case, sent: check_without_context(case, sent))


def test_trace_false_leaves_the_context_where_unmatched_ones_are_stripped(polyglot: Live) -> None:
    check_all(polyglot, "/skip/", check_as_it_came)


# A decision made again.


@pytest.mark.parametrize(
    ("place", "sampled"), [pytest.param("/decide-all/", True), pytest.param("/decide-nothing/", False)]
)
def test_a_decision_that_differs_needs_a_new_parent_id(place: str, sampled: bool, passing: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        if case.sampled is sampled:
            check_forwarded(case, sent)
        else:
            check_decided_anew(case, sent, sampled=sampled)

    check_all(passing, place, check, cases=WITHOUT_OT)


def test_level_2_ids_carry_the_random_flag(polyglot: Live) -> None:
    def check(case: Case, sent: Sent) -> None:
        check_new_trace(case, sent, flags=b"03", state=b"dd=s:1;o:rum,ot=th:0")

    check_all(polyglot, "/all/", check, cases=[case for case in TABLE if case.parent is None])


def test_a_context_that_came_keeps_its_random_flag_at_level_2(polyglot: Live) -> None:
    check_all(polyglot, "/all/", check_forwarded, cases=[case for case in TABLE if case.parent is not None])


# What HTTP itself refuses never gets as far.

REFUSED = [
    pytest.param([b"traceparent: 00-" + TRACE + b"\x00-" + SPAN + b"-01"], id="null-byte"),
    pytest.param([b"traceparent: 00-" + TRACE + b"\r-" + SPAN + b"-01"], id="bare-carriage-return"),
    pytest.param([b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01\x0b"], id="vertical-tab"),
    pytest.param([b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01\x7f"], id="delete"),
    pytest.param([b"traceparent: 00-" + TRACE + b"-", b" " + SPAN + b"-01"], id="folded-line"),
    pytest.param([b"traceparent : 00-" + TRACE + b"-" + SPAN + b"-01"], id="space-before-the-colon"),
    pytest.param([b" traceparent: 00-" + TRACE + b"-" + SPAN + b"-01"], id="space-before-the-name"),
    pytest.param([traceparent(), b"tracestate: a=1\x01"], id="control-byte-in-tracestate"),
    pytest.param([traceparent(), b"tracestate\xe9: a=1"], id="non-ascii-name"),
    pytest.param([traceparent(), b"tracestate"], id="no-colon"),
]


@pytest.mark.parametrize("lines", REFUSED)
def test_a_malformed_line_is_refused_and_nothing_goes_upstream(lines: list[bytes], passing: Live) -> None:
    received, reached_upstream = passing.send_raw("/all/", *lines)
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"error": "bad_request"' in received
    assert not reached_upstream
