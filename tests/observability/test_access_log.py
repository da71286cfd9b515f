"""Lines of the access log, and which requests get one."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from proxy.config.process import AccessLog
from proxy.message.error import ErrorKind
from proxy.observability.access_log import WANTED, encode_line
from proxy.observability.entry import Entry
from proxy.observability.line_writer import MOST_AT_ONCE
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision, TracingPolicy
from proxy.policy.sampling import Sampler
from proxy.record import ExchangeRecord
from proxy.tracecontext.fault import Fault

MakeRecord = Callable[..., ExchangeRecord]

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = TraceDecision(
    Decision.SAMPLED, Reason.RATE, Context.RESTARTED, Fault.UNTRUSTED, trace_id=TRACE_ID.encode()
)
UNSAMPLED = TraceDecision(Decision.NOT_SAMPLED, Reason.RATE, Context.NONE)


def _line(record: ExchangeRecord, *, keep_query: bool = False) -> dict[str, object]:
    line = encode_line(Entry(record), keep_query=keep_query)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    words: dict[str, object] = json.loads(line)
    return words


def test_a_line_says_all_there_is(make_record: MakeRecord) -> None:
    record = make_record(
        started=1_700_000_000.25,
        method=b"GET",
        url="http://h/p?a=1",
        bytes=140,
        trace=SAMPLED,
        tracing=TracingPolicy(Sampler(Decimal(100)), trace_url="https://j/{trace_id}?x"),
        error=ErrorKind.UPSTREAM_RESET,
    )
    assert list(_line(record).items()) == [
        ("time", "2023-11-14T22:13:20.250Z"),
        ("method", "GET"),
        ("url", "http://h/p?a=REDACTED"),
        ("status", 200),
        ("bytes", 140),
        ("rule", "api"),
        ("decision", "sampled"),
        ("reason", "rate"),
        ("context", "restarted"),
        ("fault", "untrusted"),
        ("trace_id", TRACE_ID),
        ("trace_url", f"https://j/{TRACE_ID}?x"),
        ("duration", 0.5),
        ("overhead", 0.00003),
        ("upstream", 0.4),
        ("upstream_name", "default"),
        ("client", "127.0.0.1"),
        ("peer", "127.0.0.1"),
        ("target", "http://127.0.0.1:9000"),
        ("error", "upstream_reset"),
        ("complete", True),
    ]


def test_a_line_says_that_an_answer_did_not_go_out_whole(make_record: MakeRecord) -> None:
    line = _line(make_record(bytes=140, complete=False))
    assert (line["status"], line["bytes"], line["error"], line["complete"]) == (200, 140, None, False)


def test_what_was_refused_before_anything_was_decided_has_a_line(make_record: MakeRecord) -> None:
    record = make_record(
        status=400,
        error=ErrorKind.BAD_REQUEST,
        rule="none",
        trace=None,
        upstream="",
        target="",
        upstream_seconds=0.0,
    )
    line = _line(record)
    assert {name for name, value in line.items() if value is None} == {
        *("method", "url", "reason", "fault", "trace_id", "trace_url", "upstream", "upstream_name", "target"),
    }
    assert (line["rule"], line["decision"], line["context"]) == ("none", "untraced", "none")
    assert (line["status"], line["error"]) == (400, "bad_request")


def test_what_is_not_sampled_names_no_trace(make_record: MakeRecord) -> None:
    tracing = TracingPolicy(Sampler(Decimal(0)), trace_url="https://j/{trace_id}")
    line = _line(make_record(trace=UNSAMPLED, tracing=tracing))
    assert (line["trace_id"], line["trace_url"]) == (None, None)


def test_query_values_are_kept_where_that_is_asked_for(make_record: MakeRecord) -> None:
    assert _line(make_record(url="http://h/?a=1"), keep_query=True)["url"] == "http://h/?a=1"


@pytest.mark.parametrize("character", ["a", '"', "\\"])
def test_no_line_is_longer_than_a_pipe_takes_at_once(make_record: MakeRecord, character: str) -> None:
    record = make_record(url="http://h/" + character * 30_000, rule="r" * 64, target="t" * 200)
    line = encode_line(Entry(record), keep_query=True)
    assert 2000 < len(line) <= MOST_AT_ONCE
    url = json.loads(line)["url"]
    assert url.startswith(f"http://h/{character * 1000}")
    assert url.endswith("...")


CHOSEN = [
    pytest.param({}, {"sampled", "all"}, id="sampled"),
    pytest.param({"trace": UNSAMPLED}, {"all"}, id="not-sampled"),
    pytest.param({"status": 404, "trace": UNSAMPLED}, {"all"}, id="upstreams-404"),
    pytest.param({"status": 500, "trace": UNSAMPLED}, {"errors", "all"}, id="upstreams-500"),
    pytest.param(
        {"status": 404, "trace": UNSAMPLED, "error": ErrorKind.NO_ROUTE}, {"errors", "all"}, id="own-404"
    ),
    pytest.param(
        {"status": 200, "trace": UNSAMPLED, "error": ErrorKind.UPSTREAM_RESET},
        {"errors", "all"},
        id="cut-off",
    ),
    pytest.param(
        {"status": 400, "trace": None, "error": ErrorKind.BAD_REQUEST}, {"errors", "all"}, id="refused"
    ),
    pytest.param({"status": 499, "trace": UNSAMPLED}, {"all"}, id="client-left"),
]


@pytest.mark.parametrize(("changes", "chosen"), CHOSEN)
def test_which_requests_are_logged(
    make_record: MakeRecord, changes: dict[str, object], chosen: set[str]
) -> None:
    record = make_record(**changes)
    assert {mode.value for mode, wanted in WANTED.items() if wanted(record)} == chosen


def test_every_mode_but_off_chooses() -> None:
    assert set(WANTED) == set(AccessLog) - {AccessLog.OFF}
