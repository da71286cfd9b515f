"""Histograms: which bucket, and what a scrape is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.observability.histogram import Histogram

BOUNDS = (0.001, 0.01, 0.1)


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        pytest.param(0.0, [1, 0, 0, 0], id="nothing"),
        pytest.param(0.001, [1, 0, 0, 0], id="a-bound-includes-itself"),
        pytest.param(0.0010001, [0, 1, 0, 0], id="just-above-a-bound"),
        pytest.param(0.1, [0, 0, 1, 0], id="the-last-bound"),
        pytest.param(7.0, [0, 0, 0, 1], id="beyond-every-bound"),
    ],
)
def test_a_value_counts_in_one_bucket(value: float, counts: list[int]) -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(value)
    assert list(histogram.counts) == counts
    assert histogram.sum == value


def test_buckets_are_cumulative_and_end_with_infinity() -> None:
    histogram = Histogram(BOUNDS)
    for value in (0.0005, 0.05, 0.05, 3.0):
        histogram.observe(value)
    assert histogram.cumulative() == [
        ("0.001", 1),
        ("0.01", 1),
        ("0.1", 3),
        ("+Inf", 4),
    ]


def test_without_values_every_bucket_is_zero() -> None:
    assert Histogram((1.0,)).cumulative() == [("1.0", 0), ("+Inf", 0)]


@given(st.lists(st.floats(0, 1e6)))
def test_every_bucket_holds_what_is_not_above_its_bound(values: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)
    for bound, count, *_ in histogram.cumulative():
        assert count == sum(value <= float(bound) for value in values)
