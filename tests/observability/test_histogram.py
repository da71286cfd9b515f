"""Histograms: which bucket."""

from itertools import accumulate

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


@given(st.lists(st.floats(0, 1e6)))
def test_every_value_counts_up_to_its_bound(values: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)
    for bound, count in zip(BOUNDS, accumulate(histogram.counts), strict=False):
        assert count == sum(value <= bound for value in values)
    assert sum(histogram.counts) == len(values)
