"""Costs by rule, and what sampling everything would cost."""

import json
import math
from collections.abc import Callable

import pytest

from proxy.overhead.reading import Unreadable, between, read
from proxy.overhead.report import Cost, Report, make_report
from proxy.overhead.text import write_raise, write_report

MakeScrape = Callable[..., str]


def _report(text: str) -> Report:
    return make_report(read(text, "a scrape"))


def _cost(report: Report, rule: str) -> Cost:
    [cost] = [cost for cost in report.costs if cost.rule == rule]
    return cost


def test_a_rule_is_told_by_its_requests_rates_times_and_bytes(make_scrape: MakeScrape) -> None:
    cost = _cost(_report(make_scrape()), "api")
    assert (cost.requests, cost.configured_rate, cost.actual_rate) == (1000, 10.0, 10.0)
    assert cost.deciding.quantile(0.5) == pytest.approx(5e-6)
    assert cost.sampled.quantile(0.99) == pytest.approx(59.9e-6)
    assert cost.bytes_per_trace == 90
    difference = cost.difference
    assert difference is not None
    assert difference.value == pytest.approx(10e-6)
    # Values spread evenly over 10 us vary by its square over 12.
    assert difference.error == pytest.approx(math.sqrt(1e-10 / 12 * (1 / 99 + 1 / 899)), rel=0.01)


def test_rules_come_by_their_requests_and_without_them_not_at_all(make_scrape: MakeScrape) -> None:
    assert [cost.rule for cost in _report(make_scrape()).costs] == ["api", "all", "none"]


def test_the_actual_rate_leaves_followed_parents_out(make_scrape: MakeScrape) -> None:
    cost = _cost(_report(make_scrape()), "all")
    assert (cost.requests, cost.started, cost.actual_rate) == (50, 40, 100.0)
    assert _cost(_report(make_scrape()), "none").actual_rate is None


def test_sampling_everything_is_told_for_what_the_rate_decided(make_scrape: MakeScrape) -> None:
    raised = _report(make_scrape()).raised()
    assert (raised.requests, raised.more, raised.told, raised.sampled) == (1050, 900, 900, 140)
    assert raised.seconds is not None
    assert raised.seconds.value == pytest.approx(900 * 10e-6)
    assert raised.bytes == 900 * 90
    assert raised.unknown == []


SENTENCES = [
    pytest.param(
        {},
        "",
        "With every rate at 100 %, 900 more of these 1,050 requests would be sampled, "
        "7.43 times as many traces. "
        "Each of them would take +10.0 ± 0.31 us of the proxy's time, "
        "+8.57 us for a request on average (+19.6 %). "
        "Each would send 90 more bytes of headers upstream. "
        "The proxy's spans, and what your services record of each trace, come on top.",
        id="told",
    ),
    pytest.param(
        {"sampled": 29},
        "",
        "What that costs cannot be told: no rule has 30 requests sampled and as many not.",
        id="too-few",
    ),
    pytest.param(
        {"sampled_seconds": 45.5e-6},
        "",
        "What each of them would take of the proxy's time cannot be told from chance yet (+0.50 ± 0.31 us).",
        id="chance",
    ),
    pytest.param(
        {"sampled": 0},
        "",
        "With every rate at 100 %, 900 more of these 950 requests would be sampled, 23.5 times as many "
        "traces. What that costs cannot be told: no rule has 30 requests sampled and as many not.",
        id="none-sampled",
    ),
    pytest.param(
        {"not_sampled": 0},
        "",
        "All that is decided by rate is sampled already: a rate of 100 % would cost nothing more.",
        id="all-sampled",
    ),
    pytest.param(
        {"not_sampled": 0},
        'traceward_decisions_total{rule="api",decision="not_sampled",reason="rate_limit"} 5\n',
        "sampled already but for what max_traces_per_second keeps from it: a rate of 100 %",
        id="all-sampled-but-capped",
    ),
    pytest.param(
        {},
        'traceward_decisions_total{rule="api",decision="not_sampled",reason="rate_limit"} 5\n',
        "max_traces_per_second keeps some from being sampled already",
        id="capped",
    ),
    pytest.param(
        {},
        'traceward_requests_total{rule="never",status="2xx",decision="not_sampled"} 10\n'
        'traceward_decisions_total{rule="never",decision="not_sampled",reason="rate"} 10\n'
        'traceward_sample_rate{rule="never"} 0.0\n',
        "Left out, with less than 30 requests sampled, or not sampled: never.",
        id="unknown",
    ),
]


@pytest.mark.parametrize(("counted", "more", "sentence"), SENTENCES)
def test_the_sentence_says_what_is_known(
    make_scrape: MakeScrape, counted: dict[str, float], more: str, sentence: str
) -> None:
    assert sentence in write_raise(_report(make_scrape(**counted) + more))


def test_without_a_rule_there_is_no_rate_to_raise() -> None:
    text = 'traceward_requests_total{rule="none",status="2xx",decision="untraced"} 7\n'
    text += 'traceward_build_info{version="0.1.0",python="3.11.7"} 1\n'
    assert "nothing that a rate could change" in write_raise(_report(text))


def test_of_a_period_the_cost_is_told_by_the_second(make_scrape: MakeScrape) -> None:
    came = between(read(make_scrape(sampled=0, not_sampled=0), ""), read(make_scrape(), ""))
    said = write_raise(make_report(came, 10.0))
    assert "At the 100 requests a second of now that is 0.09 % of a core and 8.1 kB/s." in said


def test_the_tables_are_whole(make_scrape: MakeScrape) -> None:
    lines = write_report(_report(make_scrape())).splitlines()
    assert lines[0] == "Traceward 0.1.0, since it started; times in microseconds"
    assert lines[2:6] == [
        "rule  requests  rate %  actual %  deciding p50   p99  bytes added",
        "api      1,000      10        10          5.00  9.90          9.0",
        "all         50     100       100             -     -          0.0",
        "none         7       -         -             -     -          0.0",
    ]
    assert lines[7:11] == [
        "The proxy's own time for a request, means with their standard errors",
        "",
        "rule      sampled   p50   p99  not sampled   p50   p99    difference",
        "api   55.0 ± 0.29  55.0  59.9  45.0 ± 0.10  45.0  49.9  +10.0 ± 0.31",
    ]


def test_json_has_all_of_it(make_scrape: MakeScrape) -> None:
    told = json.loads(json.dumps(_report(make_scrape()).to_json()))
    assert told["seconds"] is None
    api = told["rules"][0]
    assert api["overhead_seconds"]["sampled"]["mean"] == pytest.approx(55e-6)
    assert api["overhead_seconds"]["difference"]["value"] == pytest.approx(10e-6)
    assert api["header_bytes_per_request"] == 9
    assert told["at_100_percent"]["more_sampled"] == 900


def test_what_came_between_two_scrapes_is_their_difference(make_scrape: MakeScrape) -> None:
    before, after = read(make_scrape(), ""), read(make_scrape(sampled=150, not_sampled=1350), "")
    cost = _cost(make_report(between(before, after), 30.0), "api")
    assert (cost.requests, cost.started, cost.header_bytes) == (500, 50, 4500)
    assert cost.sampled.count == 50
    assert cost.sampled.sum == pytest.approx(50 * 55e-6)
    assert [cost.rule for cost in make_report(between(before, after), 30.0).costs] == ["api"]


def test_a_proxy_that_started_again_is_told(make_scrape: MakeScrape) -> None:
    before, after = read(make_scrape(), ""), read(make_scrape(sampled=1, not_sampled=9), "")
    with pytest.raises(Unreadable, match="started again"):
        between(before, after)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "no traceward_build_info", id="nothing"),
        pytest.param("<html><body>hello</body></html>\n", "not a scrape", id="a-page"),
        pytest.param("node_load1 0.5\n", "no traceward_build_info", id="another-server"),
        pytest.param('traceward_requests_total{rule="api"} x\n', "not a scrape", id="no-number"),
    ],
)
def test_what_is_not_a_scrape_of_this_proxy_is_told(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read(text, "http://127.0.0.1:1/metrics")
