"""An explanation as people read it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from proxy.explain import Explanation
from proxy.explain_text import write_explanation
from proxy.policy.outcome import Context, Decision, Reason
from proxy.tracecontext.fault import Fault

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = (b"traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode())

STARTED = Explanation(
    url="https://shop.example.com/cart",
    matched=True,
    rule="shop",
    decision=Decision.SAMPLED,
    reason=Reason.RATE,
    context=Context.STARTED,
    fault=None,
    trace_id=TRACE_ID,
    trace_url=f"https://jaeger.example.com/trace/{TRACE_ID}",
    request=[(b"Host", b"shop.example.com"), (b"X-Old", b"1")],
    upstream="default",
    upstream_headers=[(b"Host", b"shop.example.com"), TRACEPARENT],
    response_headers=[(b"x-trace-id", TRACE_ID.encode())],
    status=None,
    other_scheme_rule=None,
)

Explain = Callable[..., list[str]]


@pytest.fixture
def lines() -> Explain:
    """Write an explanation that differs from a started trace by what is given."""
    return lambda **changes: write_explanation(replace(STARTED, **changes)).splitlines()


def test_the_whole_of_it(lines: Explain) -> None:
    assert lines() == [
        "url       https://shop.example.com/cart",
        "rule      shop",
        "decision  sampled (rate): by the sample rate",
        "context   started: a new trace begins here",
        f"trace-id  {TRACE_ID}",
        f"trace     https://jaeger.example.com/trace/{TRACE_ID}",
        "upstream  default",
        "",
        "  request                   upstream",
        "  Host: shop.example.com    Host: shop.example.com",
        f"- X-Old: 1                + traceparent: 00-{TRACE_ID}-00f067aa0ba902b7-01",
        "",
        "response",
        f"  x-trace-id: {TRACE_ID}",
    ]


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("decision", list(Decision))
def test_every_decision_is_told_with_its_reason(lines: Explain, decision: Decision, reason: Reason) -> None:
    [line] = [line for line in lines(decision=decision, reason=reason) if line.startswith("decision")]
    assert line.startswith(f"decision  {decision} ({reason}): ")


@pytest.mark.parametrize("context", list(Context))
def test_every_context_is_told(lines: Explain, context: Context) -> None:
    [line] = [line for line in lines(context=context) if line.startswith("context")]
    assert line.startswith(f"context   {context}: ")


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_told(lines: Explain, fault: Fault) -> None:
    [line] = [line for line in lines(fault=fault) if line.startswith("fault")]
    assert line.startswith(f"fault     {fault}: ")


def test_a_restarted_trace_that_is_not_sent_is_told_so(lines: Explain) -> None:
    told = lines(context=Context.RESTARTED, trace_id=None)
    assert (
        "context   restarted: what came is removed, and the new trace is not sampled and so not sent" in told
    )


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("http://h/", "rule      none; shop would match with https://", id="https"),
        pytest.param("https://h/", "rule      none; shop would match with http://", id="http"),
    ],
)
def test_the_rule_of_the_other_scheme_is_named(lines: Explain, url: str, told: str) -> None:
    assert told in lines(url=url, matched=False, rule=None, other_scheme_rule="shop")


def test_no_rule_is_none(lines: Explain) -> None:
    assert "rule      none" in lines(matched=False, rule=None)


def test_an_answer_of_the_proxys_own_is_told_by_its_status(lines: Explain) -> None:
    told = lines(upstream=None, status=204)
    assert "upstream  none: answered with 204" in told
    assert not any(line.startswith("  request") for line in told)


def test_a_rejected_context_is_told(lines: Explain) -> None:
    told = lines(decision=Decision.REJECTED, upstream=None, status=400)
    assert "upstream  none: answered with 400, the context is refused" in told


def test_bytes_are_shown_as_utf_8_or_else_as_latin_1(lines: Explain) -> None:
    told = "\n".join(lines(response_headers=[(b"a", "jürgen".encode()), (b"b", b"\xfc")]))
    assert "a: jürgen" in told
    assert "b: ü" in told
