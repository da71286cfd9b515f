"""Sampling by rate, and caps on traces a second."""

import hashlib
import hmac
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.head import Field, RequestHead
from proxy.policy.sampling import SampleBy, Sampler, TraceLimit, keyed_randomness, take_from_all

SPACE = 1 << 56
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
R = 0xCE929D0E0E4736

THRESHOLDS = [
    pytest.param("100", 0, id="100"),
    pytest.param("0", SPACE, id="0"),
    pytest.param("50", SPACE // 2, id="50"),
    pytest.param("25", 0xC0000000000000, id="25"),
    pytest.param("10", 0xE6666666666666, id="10-rounds-down"),
    pytest.param("1", 0xFD70A3D70A3D71, id="1-rounds-up"),
    pytest.param("0.01", 0xFFF972474538EF, id="0.01"),
    pytest.param("99.999999999999999999", 0, id="as-good-as-100"),
    pytest.param("0.00000000000000001", SPACE, id="too-small-for-56-bits"),
]


def head(*fields: Field) -> RequestHead:
    return RequestHead(b"GET", b"/", list(fields))


@pytest.mark.parametrize(("rate", "threshold"), THRESHOLDS)
def test_threshold_is_the_nearest_integer(rate: str, threshold: int) -> None:
    assert Sampler(Decimal(rate)).threshold == threshold


def digest(value: bytes) -> int:
    return int(hashlib.sha256(value).hexdigest()[-14:], 16)


HEADER = SampleBy(header=b"x-session-id")
COOKIE = SampleBy(cookie=b"sid")
RANDOMNESS = [
    pytest.param(None, [], R, id="trace-id"),
    pytest.param(HEADER, [(b"X-Session-Id", b" abc ")], digest(b"abc"), id="header"),
    pytest.param(HEADER, [(b"x-session-id", b"a"), (b"x-session-id", b"b")], digest(b"a"), id="first-header"),
    pytest.param(HEADER, [], R, id="no-header"),
    pytest.param(HEADER, [(b"x-session-id", b"")], R, id="empty-header"),
    pytest.param(COOKIE, [(b"Cookie", b"a=1; sid=abc; b=2")], digest(b"abc"), id="cookie"),
    pytest.param(COOKIE, [(b"cookie", b"a=1"), (b"cookie", b"sid=x=y")], digest(b"x=y"), id="second-field"),
    pytest.param(COOKIE, [(b"cookie", b"SID=abc; xsid=abc; sid")], R, id="no-cookie"),
    pytest.param(COOKIE, [(b"cookie", b"sid=")], R, id="empty-cookie"),
    pytest.param(SampleBy(), [(b"cookie", b"sid=1")], R, id="neither"),
]


@pytest.mark.parametrize(("by", "fields", "randomness"), RANDOMNESS)
def test_randomness(by: SampleBy | None, fields: list[Field], randomness: int) -> None:
    assert Sampler(Decimal(10), by).randomness(head(*fields), TRACE) == randomness


def test_explicit_randomness_stands_for_the_trace_id() -> None:
    assert Sampler(Decimal(10)).randomness(head(), TRACE, 7) == 7
    assert Sampler(Decimal(10), HEADER).randomness(head(), TRACE, 7) == 7
    assert Sampler(Decimal(10), HEADER).randomness(head((b"x-session-id", b"a")), TRACE, 7) == digest(b"a")


def test_keyed_randomness_needs_the_secret() -> None:
    expected = hmac.new(b"secret", TRACE, hashlib.sha256).hexdigest()[-14:]
    assert keyed_randomness(b"secret", TRACE) == int(expected, 16)
    assert keyed_randomness(b"other", TRACE) != keyed_randomness(b"secret", TRACE)


@given(st.decimals(0, 100, places=4), st.integers(0, SPACE - 1))
def test_a_higher_rate_samples_all_that_a_lower_one_does(rate: Decimal, randomness: int) -> None:
    lower, higher = Sampler(rate / 2).threshold, Sampler(rate).threshold
    assert randomness < lower or randomness >= higher


def test_ids_of_64_random_bits_are_sampled_at_the_rate() -> None:
    sampler = Sampler(Decimal(10))
    ids = [b"0" * 16 + hashlib.sha256(b"%d" % n).hexdigest()[:16].encode() for n in range(20_000)]
    sampled = sum(sampler.randomness(head(), trace_id) >= sampler.threshold for trace_id in ids)
    assert abs(sampled - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5


def test_a_limit_allows_a_burst_of_one_second_and_then_its_rate() -> None:
    limit = TraceLimit(3)
    assert [limit.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [limit.take(10.4) for _ in range(2)] == [True, False]
    assert [limit.take(99.0) for _ in range(4)] == [True, True, True, False]


def test_a_limit_below_one_a_second_still_passes_one() -> None:
    limit = TraceLimit(0.5)
    assert [limit.take(now) for now in (0.0, 1.0, 2.0, 3.0, 4.0)] == [True, False, True, False, True]


def test_a_limit_of_zero_passes_nothing() -> None:
    assert [TraceLimit(0).take(now) for now in (0.0, 100.0)] == [False, False]


def test_many_small_refills_make_a_whole() -> None:
    limit = TraceLimit(1)
    assert limit.take(0.0)
    assert [limit.take(step / 10) for step in range(1, 11)] == [False] * 9 + [True]


def test_a_clock_that_steps_back_refills_nothing() -> None:
    limit = TraceLimit(1)
    assert limit.take(10.0)
    assert not limit.take(5.0)
    assert not limit.take(10.5)
    assert limit.take(11.0)


def test_a_refusal_costs_the_other_limits_nothing() -> None:
    wide, narrow = TraceLimit(2), TraceLimit(1)
    assert take_from_all((wide, narrow), 0.0)
    assert not take_from_all((wide, narrow), 0.0)
    assert wide.take(0.0)
