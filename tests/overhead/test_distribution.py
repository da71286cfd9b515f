"""What is told from buckets, beside what the values themselves would have told."""

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.observability.catalog import OVERHEAD_BOUNDS
from proxy.overhead.distribution import FEWEST, Distribution, Estimate, subtract


def _count(values: Sequence[float], bounds: Sequence[float] = OVERHEAD_BOUNDS) -> Distribution:
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return Distribution(bounds, counts, math.fsum(values))


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        pytest.param([0, 0, 0], 0.5, None, id="nothing"),
        pytest.param([10, 0, 0], 0.5, 0.5, id="within-the-first"),
        pytest.param([0, 10, 0], 0.5, 1.5, id="within-the-second"),
        pytest.param([10, 10, 0], 0.5, 1.0, id="at-a-bound"),
        pytest.param([5, 0, 5], 0.99, 2.0, id="beyond-every-bound"),
        pytest.param([1, 99, 0], 0.0, 0.0, id="the-least"),
    ],
)
def test_a_quantile_is_where_prometheus_sees_it(counts: list[int], share: float, value: float | None) -> None:
    assert Distribution((1.0, 2.0), counts, 0.0).quantile(share) == value


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_few_values_have_no_error(count: int) -> None:
    assert Distribution((1.0,), [count, 0], 0.5 * count).mean() is None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spread", [0.1, 0.4, 1.0])
def test_the_error_is_near_that_of_the_values(seed: int, spread: float) -> None:
    source = random.Random(seed)
    values = [source.lognormvariate(math.log(0.000045), spread) for _ in range(5000)]
    mean = _count(values).mean()
    assert mean is not None
    assert mean.value == pytest.approx(fmean(values))
    # Buckets are 10 us wide here: a smaller spread is not seen as small as it is.
    assert 0.9 < mean.error / (stdev(values) / math.sqrt(len(values))) < 1.3


def test_values_beyond_every_bound_count_where_the_sum_says() -> None:
    values = [0.5] * 50 + [9.0] * 50
    mean = _count(values, (0.25, 0.75)).mean()
    assert mean is not None
    assert mean.value == pytest.approx(4.75)
    assert mean.error == pytest.approx(stdev(values) / 10, rel=0.01)


@given(st.lists(st.floats(0, 100), min_size=FEWEST, max_size=50))
def test_a_mean_is_exact_and_its_error_sound(values: list[float]) -> None:
    mean = _count(values).mean()
    assert mean is not None
    assert mean.value == pytest.approx(fmean(values))
    assert mean.error >= 0


def test_errors_of_a_difference_add_up_as_roots_of_squares() -> None:
    assert subtract(Estimate(10.0, 3.0), Estimate(4.0, 4.0)) == Estimate(6.0, 5.0)
