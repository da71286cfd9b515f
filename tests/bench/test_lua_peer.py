"""nginx with Lua does with a trace context what Traceward does: so the comparison is of equals."""

import http.client
import json
import re
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import cast

import pytest

from bench.peer import NGINX_LUA, TRACEWARD, Peer, Setup
from bench.rig import free_port
from bench.running import Running, fetch

pytestmark = pytest.mark.peer

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
#: Either side of the threshold of ten percent, e6666666666666.
JUST_IN, JUST_OUT = "0" * 18 + "e6666666666667", "f" * 18 + "e6666666666665"
SAMPLED, NOT_SAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-01", f"00-{TRACE_ID}-{PARENT_ID}-00"
LONG = ",".join(f"k{i}={'v' * 60}" for i in range(12))
VERY_LONG = f"a={'v' * 200},{LONG},b={'w' * 200}"

#: No new id, which is random, can decide here.
CERTAIN = [
    pytest.param(Setup(rate=Decimal(100)), id="follow-all"),
    pytest.param(Setup(rate=Decimal(0)), id="follow-none"),
    pytest.param(Setup(rate=Decimal(100), parent="decide"), id="decide-all"),
    pytest.param(Setup(rate=Decimal(0), parent="decide"), id="decide-none"),
]
SETUPS = [*CERTAIN, pytest.param(Setup(rate=Decimal(10), parent="decide"), id="decide-a-tenth")]


LABELS = {"decisions": ("rule", "decision", "reason"), "contexts": ("context", "fault")}


def of(traceparent: str, *tracestates: str) -> list[tuple[str, str]]:
    return [("traceparent", traceparent), *(("tracestate", each) for each in tracestates)]


VALID = [
    pytest.param(of(SAMPLED), id="sampled"),
    pytest.param(of(NOT_SAMPLED), id="not-sampled"),
    pytest.param([("Traceparent", SAMPLED), ("TraceState", "a=1")], id="other-case"),
    pytest.param(of(f"00-{JUST_IN}-{PARENT_ID}-00"), id="just-in"),
    pytest.param(of(f"00-{JUST_OUT}-{PARENT_ID}-01"), id="just-out"),
    pytest.param(of(f"00-{TRACE_ID}-{PARENT_ID}-03", "a=1"), id="random-flag"),
    pytest.param(of(f"00-{JUST_IN}-{PARENT_ID}-02"), id="random-flag-just-in"),
    pytest.param(of(f"00-{TRACE_ID}-{PARENT_ID}-ff"), id="all-flags"),
    pytest.param(of(f"  {SAMPLED}\t"), id="white-space"),
    pytest.param(of(f"cc-{TRACE_ID}-{PARENT_ID}-01"), id="higher-version"),
    pytest.param(of(f"cc-{TRACE_ID}-{PARENT_ID}-01-what-comes"), id="higher-version-with-tail"),
    pytest.param(of(SAMPLED, "a=1,b=2"), id="members"),
    pytest.param(of(NOT_SAMPLED, "a=1, b=2 ,,c=3"), id="members-spaced-and-empty"),
    pytest.param(of(NOT_SAMPLED, "a=1", "b=2"), id="two-tracestates"),
    pytest.param(of(NOT_SAMPLED, "a=1,dd=s:0;o:rum;t.dm:-1,b=2"), id="own-member"),
    pytest.param(of(SAMPLED, "a=1,dd=o:rum;s:2"), id="own-member-by-user"),
    pytest.param(of(SAMPLED, "dd=o:rum"), id="own-member-without-s"),
    pytest.param(of(SAMPLED, "a@b@c=1,1x=2,foo@=3"), id="keys-of-level-2"),
    pytest.param(of(SAMPLED, "A=1"), id="bad-key"),
    pytest.param(of(NOT_SAMPLED, "a=1,b"), id="bad-member"),
    pytest.param(of(SAMPLED, "a=1=2"), id="bad-value"),
    pytest.param(of(SAMPLED, ",".join(f"k{i}=v" for i in range(32))), id="32-members"),
    pytest.param(of(SAMPLED, ",".join(f"k{i}=v" for i in range(33))), id="33-members"),
    pytest.param(of(NOT_SAMPLED, LONG), id="long"),
    pytest.param(of(NOT_SAMPLED, VERY_LONG), id="very-long"),
]
NONE_OR_INVALID = [
    pytest.param([], id="none"),
    pytest.param(of(f"cc-{TRACE_ID}-{PARENT_ID}-01.what"), id="higher-version-with-bad-tail"),
    pytest.param(of(f"ff-{TRACE_ID}-{PARENT_ID}-01"), id="version-ff"),
    pytest.param(of(f"{SAMPLED}-tail"), id="tail"),
    pytest.param(of(f"{SAMPLED}0"), id="digit-too-many"),
    pytest.param(of(SAMPLED.upper()), id="upper-case"),
    pytest.param(of("00-1-2-01"), id="short"),
    pytest.param(of("nothing of the kind", "a=1"), id="no-context"),
    pytest.param(of(f"00-{'0' * 32}-{PARENT_ID}-01"), id="zero-trace-id"),
    pytest.param(of(f"00-{TRACE_ID}-{'0' * 16}-01"), id="zero-parent-id"),
    pytest.param([*of(SAMPLED), *of(SAMPLED)], id="twice"),
    pytest.param([("tracestate", "a=1")], id="tracestate-alone"),
]


def ask(proxy: Running, target: str, sent: list[tuple[str, str]]) -> tuple[str | None, str | None]:
    """Return the traceparent and the tracestate that reach the upstream; ids that are new are named so."""
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)) as connection:
        connection.putrequest("GET", target)
        for name, value in sent:
            connection.putheader(name, value)
        connection.endheaders()
        fields = json.loads(connection.getresponse().read())["fields"]
    got: dict[str, list[str]] = {}
    for name, value in fields:
        got.setdefault(name.lower(), []).append(value.strip())
    traceparents = got.get("traceparent", [])
    assert len(traceparents) <= 1
    tracestate = ",".join(got["tracestate"]) if "tracestate" in got else None
    return name_new_ids(traceparents[0], sent) if traceparents else None, tracestate


def name_new_ids(traceparent: str, sent: list[tuple[str, str]]) -> str:
    came = " ".join(value for _, value in sent)
    version, trace_id, parent_id, *rest = traceparent.split("-")
    assert (len(trace_id), len(parent_id)) == (32, 16)
    if trace_id not in came:
        trace_id = "new"
    if parent_id not in came:
        parent_id = "new"
    return "-".join([version, trace_id, parent_id, *rest])


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("sent", VALID)
def test_a_valid_context_goes_on_in_the_same_way(
    sent: list[tuple[str, str]], setup: Setup, running: Callable[[Peer, Setup], Running]
) -> None:
    lua, traceward = running(NGINX_LUA, setup), running(TRACEWARD, setup)
    assert ask(lua, "/api/orders", sent) == ask(traceward, "/api/orders", sent)


@pytest.mark.parametrize("setup", CERTAIN)
@pytest.mark.parametrize("sent", NONE_OR_INVALID)
def test_a_trace_starts_or_restarts_in_the_same_way(
    sent: list[tuple[str, str]], setup: Setup, running: Callable[[Peer, Setup], Running]
) -> None:
    lua, traceward = running(NGINX_LUA, setup), running(TRACEWARD, setup)
    assert ask(lua, "/api/orders", sent) == ask(traceward, "/api/orders", sent)


@pytest.mark.parametrize("setup", SETUPS)
def test_a_rule_with_a_rate_of_its_own_comes_first(
    setup: Setup, running: Callable[[Peer, Setup], Running]
) -> None:
    expected = ("00-new-new-01", "dd=s:1;o:rum")
    for peer in (NGINX_LUA, TRACEWARD):
        assert ask(running(peer, setup), "/checkout/cart", []) == expected


def test_the_same_is_counted(running: Callable[[Peer, Setup], Running]) -> None:
    setup = Setup(rate=Decimal(100), admin=free_port())
    lua, traceward = running(NGINX_LUA, setup), running(TRACEWARD, setup)
    for sent in ([], *(case.values[0] for case in [*VALID, *NONE_OR_INVALID])):
        for proxy in (lua, traceward):
            ask(proxy, "/api/orders", cast("list[tuple[str, str]]", sent))
    counted = [line.rsplit(" ", 1) for line in fetch(lua.port, "/counts").decode().splitlines()]
    metrics = fetch(setup.admin or 0, "/metrics").decode()
    expected = {}
    for name, labels, value in re.findall(r"^traceward_(\w+)_total\{(.*)\} (\S+)$", metrics, re.MULTILINE):
        if name in LABELS:
            words = dict(re.findall('(\\w+)="(.*?)"', labels))
            expected["|".join([name, *(words[label] for label in LABELS[name])])] = float(value)
    assert {key: float(value) for key, value in counted if key.partition("|")[0] in LABELS} == expected
