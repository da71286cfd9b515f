"""The share of traces that is sampled: ids as browsers make them, and new ones. The seeds are fixed."""

import math
import random
from collections.abc import Callable, Iterable
from decimal import Decimal

import pytest

from proxy.client import Client, Policy
from proxy.exchange import Exchange, Forward
from proxy.message.forwarding import XForwarded
from proxy.message.head import RequestHead
from proxy.policy.cors import CorsPolicy
from proxy.policy.outcome import Decision
from proxy.policy.propagation import Parent, TracingPolicy
from proxy.policy.rules import Match, Rule, RuleSet
from proxy.policy.sampling import Sampler
from proxy.policy.trust import Networks, TrustPolicy
from proxy.tracecontext.ids import IdSource
from tests.conformance.cases import traceparent
from tests.conformance.harness import Live, rum_trace_ids

COUNT = 20_000
SPACE = 1 << 56
#: The smallest and the largest R, and those beside the threshold of 10 percent.
THRESHOLD = round(SPACE * Decimal("0.9"))
EDGES = [b"%032x" % low for low in (1, THRESHOLD - 1, THRESHOLD, SPACE - 1, 255 << 56, (1 << 64) - 1)]


def policy(rate: str) -> Policy:
    tracing = TracingPolicy(Sampler(Decimal(rate)), parent=Parent.DECIDE, inject_all=True)
    return Policy(
        rules=RuleSet([Rule("all", Match(prefix="/"), tracing)], lambda rule, error: None),
        tracing=tracing,
        strip_unmatched=False,
        trust=TrustPolicy(),
        cors=CorsPolicy(),
        x_forwarded=XForwarded.OFF,
        trusted_proxies=Networks(),
        routes=(),
        default_upstream="default",
    )


@pytest.fixture
def decide() -> Callable[[str, Iterable[bytes | None]], list[bool]]:
    """Take requests, each with a trace-id or None, through exchanges at a rate; tell which are sampled."""

    def decide(rate: str, trace_ids: Iterable[bytes | None]) -> list[bool]:
        client = Client(policy(rate), "http", "127.0.0.1")
        ids = IdSource(random.Random(7).randbytes)
        return [decide_one(client, ids, trace_id) for trace_id in trace_ids]

    return decide


def decide_one(client: Client, ids: IdSource, trace_id: bytes | None) -> bool:
    fields = [(b"Host", b"api.example.com")]
    if trace_id is not None:
        fields.append((b"traceparent", b"00-" + trace_id + b"-00f067aa0ba902b7-00"))
    exchange = Exchange(client, ids, 0.0)
    action = exchange.receive_request(RequestHead(b"GET", b"/", fields), 0.0)
    assert isinstance(action, Forward)
    sent = dict(action.fields)[b"traceparent"]
    sampled = exchange.decision is Decision.SAMPLED
    assert sent.endswith(b"-01" if sampled else b"-00")
    return sampled


def within_bounds(sampled: int, count: int, rate: float) -> bool:
    """Whether a share is within five standard deviations of the rate."""
    return abs(sampled - count * rate) <= 5 * math.sqrt(count * rate * (1 - rate))


Decide = Callable[[str, Iterable[bytes | None]], list[bool]]


@pytest.mark.parametrize("seed", [1, 2])
def test_ids_of_browsers_are_sampled_at_the_rate(seed: int, decide: Decide) -> None:
    assert within_bounds(sum(decide("10", rum_trace_ids(seed, COUNT))), COUNT, 0.1)


def test_new_ids_are_sampled_at_the_rate(decide: Decide) -> None:
    assert within_bounds(sum(decide("10", [None] * COUNT)), COUNT, 0.1)


@pytest.mark.parametrize("trace_ids", [rum_trace_ids(4, 5000), [None] * 5000, EDGES])
@pytest.mark.parametrize(("rate", "sampled"), [("0", False), ("100", True)])
def test_nothing_and_everything_are_exact(
    rate: str, sampled: bool, trace_ids: list[bytes | None], decide: Decide
) -> None:
    assert set(decide(rate, trace_ids)) == {sampled}


def test_the_threshold_itself_is_sampled(decide: Decide) -> None:
    assert decide("10", EDGES) == [False, False, True, True, False, True]


def test_one_in_ten_thousand_is_sampled_as_said(decide: Decide) -> None:
    count = 100_000
    evenly_spread = [b"%032x" % (SPACE * number // count + 1) for number in range(count)]
    assert sum(decide("0.01", evenly_spread)) == count // 10_000


# The running proxy decides as its core does.


def test_a_running_proxy_samples_ids_of_browsers_at_the_rate(passing: Live, decide: Decide) -> None:
    trace_ids = rum_trace_ids(6, 4000)
    sent = passing.send_all("/decide/", [[traceparent(b"00", trace_id)] for trace_id in trace_ids])
    flags = [each.get_all(b"traceparent")[0][-2:] for each in sent]
    assert set(flags) == {b"00", b"01"}
    assert [flag == b"01" for flag in flags] == decide("10", trace_ids)
    assert within_bounds(flags.count(b"01"), len(flags), 0.1)


def test_a_running_proxy_samples_new_ids_by_what_they_are(passing: Live) -> None:
    values = [each.get_all(b"traceparent")[0] for each in passing.send_all("/tenth/", [[]] * 4000)]
    assert len({value[3:35] for value in values}) == len(values)
    assert all((value[-2:] == b"01") is (int(value[21:35], 16) >= THRESHOLD) for value in values)
    # The ids are the proxy's own and new in each run: a bound that chance does not reach in 10**14 of them.
    assert abs(sum(value[-2:] == b"01" for value in values) - 400) < 8 * math.sqrt(360)


def test_a_running_proxy_is_exact_at_nothing_and_everything(passing: Live) -> None:
    assert not any(each.context for each in passing.send_all("/nothing/", [[]] * 1000))
    for each in passing.send_all("/all/", [[]] * 1000):
        assert each.get_all(b"traceparent")[0].endswith(b"-01")
