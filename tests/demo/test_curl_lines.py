"""The printed lines are what a shell can run, and each does what it says under the demo's config."""

import os
import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from proxy.client import Client, Policy
from proxy.config.compile import compile_policy
from proxy.config.load import load_config
from proxy.demo import config_file
from proxy.demo.curl_lines import CurlLine, curl_lines, describe
from proxy.exchange import Exchange, Forward
from proxy.message.head import Field, RequestHead, ResponseHead
from proxy.message.lines import parse_fields
from proxy.policy.cors import PreflightOutcome
from proxy.policy.outcome import Context, Decision, Reason
from proxy.tracecontext.fault import Fault
from proxy.tracecontext.ids import IdSource

URL = "http://127.0.0.1:8080"
LINES = curl_lines(URL)
SAMPLED, FILTERED, REPAIRED, PREFLIGHT = LINES


@pytest.fixture(scope="module")
def policy() -> Policy:
    def refuse(rule: str, error: Exception) -> None:
        raise AssertionError(rule) from error

    return compile_policy(load_config(config_file(), {}).config, refuse)


def _values(words: Iterator[str], option: str) -> list[str]:
    return [next(words) for word in words if word == option]


def _head(command: str) -> RequestHead:
    """What curl sends for a command line."""
    words = shlex.split(command)
    url = urlsplit(words[-1])
    method = (_values(iter(words), "-X") or ["GET"])[0]
    fields: list[Field] = [(b"Host", url.netloc.encode()), (b"Accept", b"*/*")]
    for header in _values(iter(words), "-H"):
        name, _, value = header.partition(": ")
        fields.append((name.encode(), value.encode()))
    return RequestHead(method.encode(), url.path.encode(), fields)


def _exchange(policy: Policy, command: str) -> tuple[Exchange, RequestHead]:
    """Run the request of a command through the core; return its exchange and what goes upstream."""
    exchange = Exchange(Client(policy, "http", "127.0.0.1"), IdSource(os.urandom), 0.0)
    action = exchange.receive_request(_head(command), 0.0)
    assert isinstance(action, Forward)
    return exchange, RequestHead(b"GET", action.target, action.fields)


@pytest.mark.parametrize("line", [pytest.param(line, id=line.title) for line in LINES])
def test_a_line_is_one_curl_command_for_the_proxy(line: CurlLine) -> None:
    words = shlex.split(line.command)
    assert words[0] == "curl"
    assert words[-1].startswith(f"{URL}/")


def test_the_text_holds_every_line_as_it_is_pasted() -> None:
    text = describe(URL, "http://127.0.0.1:9901").splitlines()
    assert all(line.command in text for line in LINES)
    assert all(line.startswith(("#", "curl ")) for line in text if line)


def test_the_first_is_sampled(policy: Policy) -> None:
    exchange, upstream = _exchange(policy, SAMPLED.command)
    trace = exchange.trace
    assert trace is not None
    assert (trace.decision, trace.reason) == (Decision.SAMPLED, Reason.RATE)
    assert (upstream.get(b"traceparent") or b"").endswith(b"-01")
    assert b"dd=s:1" in (upstream.get(b"tracestate") or b"")


def test_the_second_is_filtered_by_the_rate(policy: Policy) -> None:
    exchange, upstream = _exchange(policy, FILTERED.command)
    trace = exchange.trace
    assert trace is not None
    assert (trace.decision, trace.reason) == (Decision.NOT_SAMPLED, Reason.RATE)
    assert {b"traceparent", b"tracestate"}.isdisjoint(upstream.present)


def test_the_session_named_beside_the_second_is_sampled(policy: Policy) -> None:
    exchange, _ = _exchange(policy, FILTERED.command.replace("walter", "anna"))
    assert exchange.decision is Decision.SAMPLED


def test_the_third_is_repaired(policy: Policy) -> None:
    exchange, upstream = _exchange(policy, REPAIRED.command)
    trace = exchange.trace
    assert trace is not None
    assert (trace.context, trace.fault) == (Context.RESTARTED, Fault.ZERO_TRACE_ID)
    assert len(upstream.get_all(b"traceparent")) == 1
    assert b"0" * 32 not in (upstream.get(b"traceparent") or b"")


def test_the_fourth_asks_the_api_for_what_it_knows_and_allows_traceparent(policy: Policy) -> None:
    exchange, upstream = _exchange(policy, PREFLIGHT.command)
    assert upstream.get_list(b"access-control-request-headers") == [b"content-type"]
    answer: list[Field] = [
        (b"Access-Control-Allow-Origin", upstream.get(b"origin") or b""),
        (b"Access-Control-Allow-Headers", b"content-type, x-session-id"),
    ]
    allowed = ResponseHead(
        204, b"No Content", parse_fields(exchange.receive_response(ResponseHead(204, b"No Content", answer)))
    )
    assert b"traceparent" in allowed.get_list(b"access-control-allow-headers")
    assert exchange.preflight is PreflightOutcome.AUGMENTED
