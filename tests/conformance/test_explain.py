"""``explain`` says every word there is, and never anything else than what the running proxy does."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.explain import Explanation
from proxy.policy.outcome import Context, Decision, Reason
from proxy.tracecontext.fault import Fault
from tests.conformance.cases import SPAN, TRACE, traceparent
from tests.conformance.harness import OWS, STRANGER, Live, Sent
from tests.conformance.traceparent_cases import TRACEPARENT
from tests.conformance.tracestate_cases import TRACESTATE

HEADS = [case.lines for case in (*TRACEPARENT, *TRACESTATE)]
PREFLIGHT = (b"Origin: https://app.example.com", b"Access-Control-Request-Method: POST")
ZERO = b"0" * 32
#: What the sender adds to an answer of the proxy's own, or the upstream said here.
OF_THE_SENDER = (b"content-length", b"date")
BAD = b"traceparent: bad"
GOOD = traceparent()


@pytest.fixture
def live(request: pytest.FixtureRequest) -> Live:
    found: Live = request.getfixturevalue(request.param)
    return found


# Every word.


@dataclass(frozen=True)
class Row:
    """A request to a proxy, and what is said of it: decision, reason, context, fault."""

    place: str
    lines: tuple[bytes, ...]
    said: str
    proxy: str = "passing"
    method: str = "GET"


ROWS = {
    "started": Row("/all/", (), "sampled rate started None"),
    "not-started": Row("/nothing/", (), "not_sampled rate none None"),
    "started-unsampled": Row("/nothing-but-sent/", (), "not_sampled rate started None"),
    "limited": Row("/limited/", (), "not_sampled rate_limit none None"),
    "limited-restart": Row("/limited/", (BAD,), "not_sampled rate_limit restarted syntax"),
    "followed": Row("/all/", (GOOD,), "sampled parent forwarded None"),
    "followed-unsampled": Row("/all/", (traceparent(b"00"),), "not_sampled parent forwarded None"),
    "continued": Row("/all/", (GOOD,), "sampled parent continued None", "participant"),
    "decided": Row("/decide/", (GOOD,), "not_sampled rate continued None"),
    "decided-alike": Row("/decide-all/", (GOOD,), "sampled rate forwarded None"),
    "capped": Row("/cap/", (GOOD,), "not_sampled cap continued None"),
    "cap-agrees": Row("/cap/", (traceparent(trace_id=b"f" * 32),), "sampled parent forwarded None"),
    "cap-of-a-stranger": Row("/cap/", (GOOD, STRANGER), "not_sampled cap continued untrusted"),
    "cap-agrees-with-a-stranger": Row(
        "/cap/", (traceparent(b"00"), STRANGER), "not_sampled parent forwarded untrusted"
    ),
    "restarted-stranger": Row("/all/", (GOOD, STRANGER), "sampled rate restarted untrusted"),
    "stripped-stranger": Row("/strip/", (GOOD, STRANGER), "untraced invalid_context stripped untrusted"),
    "restarted-syntax": Row("/all/", (BAD,), "sampled rate restarted syntax"),
    "restarted-unsent": Row("/nothing/", (BAD,), "not_sampled rate restarted syntax"),
    "restarted-version": Row("/all/", (traceparent(version=b"ff"),), "sampled rate restarted version"),
    "restarted-tail": Row("/all/", (GOOD + b"-x",), "sampled rate restarted trailing_data"),
    "restarted-zero": Row("/all/", (traceparent(trace_id=ZERO),), "sampled rate restarted zero_trace_id"),
    "restarted-zero-parent": Row(
        "/all/", (traceparent(span_id=ZERO[:16]),), "sampled rate restarted zero_parent_id"
    ),
    "restarted-duplicate": Row("/all/", (GOOD, GOOD), "sampled rate restarted duplicate"),
    "bad-tracestate": Row("/all/", (GOOD, b"tracestate: A=1"), "sampled parent forwarded tracestate_syntax"),
    "long-tracestate": Row(
        "/all/",
        (GOOD, b"tracestate: " + b",".join(b"a%d=1" % n for n in range(33))),
        "sampled parent forwarded tracestate_too_many",
    ),
    "stripped": Row("/strip/", (BAD,), "untraced invalid_context stripped syntax"),
    "forwarded": Row("/forward/", (BAD,), "untraced invalid_context forwarded syntax"),
    "rejected": Row("/reject/", (BAD,), "rejected invalid_context rejected syntax"),
    "rejected-stranger": Row("/reject/", (BAD, STRANGER), "rejected invalid_context rejected syntax"),
    "no-rule": Row("/no-rule/", (), "untraced no_rule none None"),
    "no-rule-forwarded": Row("/no-rule/", (GOOD,), "untraced no_rule forwarded None"),
    "no-rule-stripped": Row("/no-rule/", (GOOD,), "untraced no_rule stripped None", "polyglot"),
    "no-rule-stranger": Row("/no-rule/", (GOOD, STRANGER), "untraced no_rule stripped untrusted"),
    "skipped": Row("/skip/", (), "untraced rule_skips none None"),
    "skipped-forwarded": Row("/skip/", (GOOD,), "untraced rule_skips forwarded None"),
    "skipped-stranger": Row("/skip/", (GOOD, STRANGER), "untraced rule_skips stripped untrusted"),
    "preflight": Row("/all/", PREFLIGHT, "not_sampled preflight none None", method="OPTIONS"),
    "preflight-with-a-context": Row(
        "/all/", (*PREFLIGHT, GOOD), "not_sampled preflight stripped None", method="OPTIONS"
    ),
    "preflight-without-a-rule": Row(
        "/no-rule/", PREFLIGHT, "not_sampled preflight none None", method="OPTIONS"
    ),
    "preflight-answered": Row(
        "/all/", PREFLIGHT, "not_sampled preflight none None", "polyglot", method="OPTIONS"
    ),
    "b3-alone": Row("/all/", (b"b3: 1",), "sampled parent started None", "polyglot"),
    "b3-denies": Row("/all/", (b"b3: 0",), "not_sampled parent forwarded None", "polyglot"),
}
EACH_ROW = pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])


@EACH_ROW
def test_explain_says_what_the_proxy_does(row: Row, request: pytest.FixtureRequest) -> None:
    live: Live = request.getfixturevalue(row.proxy)
    # Twice, for what the first use of a limit leaves.
    for _ in range(2):
        sent = live.send(row.place, *row.lines, method=row.method)
        explanation = live.explain(sent)
        answer = live.ask(sent.question)
    words = (explanation.decision, explanation.reason, explanation.context, explanation.fault)
    assert " ".join(map(str, words)) == row.said
    check_agreement(sent, explanation)
    ours = explanation.to_json()
    assert answer.keys() == ours.keys()
    same = ["url", "matched", "rule", "decision", "reason", "context", "fault", "status", "upstream"]
    assert {key: answer[key] for key in same} == {key: ours[key] for key in same}
    assert [name for name, _ in answer["upstream_headers"]] == [
        name.decode() for name, _ in explanation.upstream_headers
    ]


@pytest.mark.parametrize("words", [Decision, Reason, Context, Fault])
def test_every_word_is_said(words: Iterable[str]) -> None:
    place = [Decision, Reason, Context, Fault].index(words)  # type: ignore[arg-type]
    said = {row.said.split(" ")[place] for row in ROWS.values()}
    assert said - {"None"} == {str(word) for word in words}


def test_a_rule_for_the_other_scheme_is_named(passing: Live) -> None:
    sent = passing.send("/secure/")
    assert passing.explain(sent).rule is None
    assert passing.explain(sent).other_scheme_rule == "secure"
    assert passing.ask(sent.question)["other_scheme_rule"] == "secure"


@pytest.mark.parametrize("name", ["followed", "rejected", "long-tracestate", "preflight-with-a-context"])
def test_the_command_says_the_same(name: str, passing: Live, tmp_path: Path) -> None:
    row = ROWS[name]
    config = tmp_path / "traceward.yaml"
    config.write_text(passing.config)
    question = passing.send(row.place, *row.lines, method=row.method).question
    headers = [argument for line in row.lines for argument in ("-H", line.decode())]
    command = [sys.executable, "-m", "proxy", "explain", "-c", str(config), question.url, "-X", row.method]
    done = subprocess.run([*command, *headers, "--json"], capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout) == json.loads(json.dumps(passing.explain_with(question).to_json()))
    assert done.stderr == b""


# Never anything else than what was sent. Explained with the ids that the proxy made, both heads are the same.


def check_agreement(sent: Sent, explanation: Explanation) -> None:
    told = [line for line in sent.answer.fields if line[0].lower() not in OF_THE_SENDER]
    assert told == list(explanation.response_headers)
    if sent.head is None:
        assert explanation.upstream is None
        assert not explanation.upstream_headers
        assert explanation.status == sent.answer.status
    else:
        assert sent.fields == [(name, value.lstrip(OWS)) for name, value in explanation.upstream_headers]
        assert explanation.status is None


def check_all(live: Live, place: str, heads: Sequence[Sequence[bytes]]) -> list[Explanation]:
    explanations = []
    wrong = []
    for sent in live.send_all(place, heads):
        explanation = live.explain(sent)
        explanations.append(explanation)
        try:
            check_agreement(sent, explanation)
        except AssertionError as error:
            wrong.append(f"{error}\n{sent}\n{explanation}")
    assert not wrong
    return explanations


PLACES = [
    "/all/",
    "/nothing/",
    "/tenth/",
    "/decide/",
    "/cap/",
    "/strip/",
    "/reject/",
    "/forward/",
    "/every/",
    "/shown/",
    "/skip/",
    "/no-rule/",
]


WHERE = [
    *[("passing", place) for place in PLACES],
    *[("participant", place) for place in ("/all/", "/forward/", "/shown/")],
    *[("polyglot", place) for place in ("/all/", "/decide/", "/every/", "/no-rule/")],
]


@pytest.mark.parametrize(("live", "place"), WHERE, indirect=["live"])
def test_the_whole_table_is_explained_as_it_is_sent(live: Live, place: str) -> None:
    check_all(live, place, HEADS)


@pytest.mark.parametrize("place", ["/all/", "/cap/", "/strip/", "/forward/", "/every/", "/no-rule/"])
def test_what_strangers_send_is_explained_as_it_is_sent(place: str, passing: Live) -> None:
    check_all(passing, place, [(*lines, STRANGER) for lines in HEADS])


DECISION = re.compile(r'traceward_decisions_total\{decision="(.*)",reason="(.*)",rule="(.*)"\} (.*)')
CONTEXT = re.compile(r'traceward_contexts_total\{context="(.*)",fault="(.*)"\} (.*)')


def counted(live: Live, series: re.Pattern[str]) -> Counter[tuple[str, ...]]:
    return Counter(
        {
            tuple(labels): int(float(count))
            for *labels, count in series.findall(live.running.admin("/metrics"))
        }
    )


@pytest.mark.parametrize(
    ("live", "place"),
    [("passing", "/reject/"), ("participant", "/all/"), ("polyglot", "/no-rule/")],
    indirect=["live"],
)
def test_the_metrics_count_the_words_that_explain_says(live: Live, place: str) -> None:
    before = counted(live, DECISION), counted(live, CONTEXT)
    said = check_all(live, place, HEADS)
    decisions = counted(live, DECISION) - before[0]
    contexts = counted(live, CONTEXT) - before[1]
    assert decisions == Counter((each.decision, each.reason, each.rule or "none") for each in said)
    assert contexts == Counter((each.context, each.fault or "none") for each in said)


# Whatever comes.

_TEXT = st.binary(max_size=40).map(
    lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip(OWS)
)
_TRACE_IDS = st.sampled_from([TRACE, ZERO, b"0" * 16 + TRACE[16:], b"f" * 32, TRACE.upper(), TRACE[1:]])
_SPAN_IDS = st.sampled_from([SPAN, ZERO[:16], b"f" * 16, SPAN + b"0"])
_NUMBERS = st.integers(-1, 1 << 65).map(lambda number: b"%d" % number)
_MEMBERS = st.sampled_from(
    [
        b"a=1",
        b"b= 2 ",
        b"",
        b" ",
        b"dd=s:2;o:rum",
        b"dd=s:0",
        b"dd=t.dm:-1",
        b"ot=th:8",
        b"ot=rv:0123456789abcd",
    ]
) | st.builds(lambda key, value: key + b"=" + value, st.sampled_from([b"k", b"k@", b"B", b""]), _TEXT)
_TRACEPARENTS = st.builds(
    lambda version, trace_id, span_id, flags, tail: b"-".join([version, trace_id, span_id, flags]) + tail,
    st.sampled_from([b"00", b"00", b"00", b"01", b"cc", b"ff", b"0"]),
    _TRACE_IDS,
    _SPAN_IDS,
    st.sampled_from([b"00", b"01", b"02", b"03", b"ff", b"1"]),
    st.sampled_from([b"", b"", b"", b"-x", b" ", b"."]),
)
_B3 = st.builds(
    lambda trace_id, span_id, end: trace_id + b"-" + span_id + end,
    _TRACE_IDS,
    _SPAN_IDS,
    st.sampled_from([b"", b"-0", b"-1", b"-d", b"-x"]),
) | st.sampled_from([b"0", b"1", b"d", b""])
_VALUES = {
    b"traceparent": _TRACEPARENTS | _TEXT,
    b"tracestate": st.lists(_MEMBERS, max_size=35).map(b",".join) | _TEXT,
    b"b3": _B3 | _TEXT,
    b"X-B3-TraceId": _TRACE_IDS,
    b"X-B3-SpanId": _SPAN_IDS,
    b"X-B3-Sampled": st.sampled_from([b"0", b"1", b"d", b"true"]),
    b"X-B3-Flags": st.sampled_from([b"0", b"1"]),
    b"x-datadog-trace-id": _NUMBERS,
    b"x-datadog-parent-id": _NUMBERS,
    b"x-datadog-sampling-priority": st.sampled_from([b"-1", b"0", b"1", b"2", b"x"]),
    b"x-datadog-origin": _TEXT,
    b"x-datadog-tags": st.sampled_from([b"_dd.p.tid=" + TRACE[:16], b"_dd.p.dm=-1, x=y", b"_dd.p.tid=x"]),
    b"baggage": _TEXT,
    b"Connection": st.sampled_from([b"keep-alive", b"traceparent", b"x-any, b3", b"host"]),
    b"Origin": st.sampled_from([b"https://app.example.com", b"null"]),
    b"X-Trace_Parent": _TEXT,
    b"x_b3_flags": _TEXT,
    b"X-Any": _TEXT,
}
_CASES = st.sampled_from([bytes.lower, bytes.upper, bytes.title, bytes])
_LINES = st.sampled_from(sorted(_VALUES)).flatmap(
    lambda name: st.builds(
        lambda case, value: case(name) + b": " + value,
        _CASES,
        _VALUES[name],
    )
)
_ANY_HEAD = st.lists(_LINES, max_size=10)


@settings(max_examples=75)
@given(
    heads=st.lists(_ANY_HEAD, min_size=1, max_size=8),
    place=st.sampled_from([*PLACES, "/b3/", "/b3multi/", "/datadog/", "/unsent/"]),
    strange=st.booleans(),
)
def test_any_head_is_explained_as_it_is_sent(
    heads: list[list[bytes]], place: str, strange: bool, passing: Live, participant: Live, polyglot: Live
) -> None:
    for each in (passing, participant, polyglot):
        check_all(each, place, [[*lines, STRANGER] if strange else lines for lines in heads])


@settings(max_examples=40)
@given(lines=_ANY_HEAD, place=st.sampled_from(PLACES))
def test_any_preflight_is_explained_as_it_is_sent(
    lines: list[bytes], place: str, passing: Live, participant: Live, polyglot: Live
) -> None:
    asked = b"Access-Control-Request-Headers: content-type, traceparent,B3"
    for each in (passing, participant, polyglot):
        sent = each.send(place, *PREFLIGHT[1:], asked, *lines, method="OPTIONS")
        check_agreement(sent, each.explain(sent))
