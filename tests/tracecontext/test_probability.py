"""OpenTelemetry's tracestate member."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tracecontext import probability
from proxy.tracecontext.probability import Probability

HALF = 1 << 55

PARSED = [
    pytest.param(b"th:8", Probability(HALF, None), id="threshold-extends-to-the-right"),
    pytest.param(b"th:0", Probability(0, None), id="threshold-0"),
    pytest.param(b"th:fd70a4", Probability(0xFD70A400000000, None), id="one-percent"),
    pytest.param(b"th:FD70A4", Probability(0xFD70A400000000, None), id="upper-case"),
    pytest.param(b"th:80000000000000", Probability(HALF, None), id="threshold-14-digits"),
    pytest.param(b"th:800000000000000", Probability(None, None), id="threshold-15-digits"),
    pytest.param(b"th:", Probability(None, None), id="threshold-empty"),
    pytest.param(b"th:x", Probability(None, None), id="threshold-not-hex"),
    pytest.param(b"rv:6e6d1a75832a2f", Probability(None, 0x6E6D1A75832A2F), id="randomness"),
    pytest.param(b"rv:6e6d1a75832a2", Probability(None, None), id="randomness-13-digits"),
    pytest.param(b"rv:6e6d1a75832a2ff", Probability(None, None), id="randomness-15-digits"),
    pytest.param(b"p:8;th:8;x:y;rv:00000000000001", Probability(HALF, 1), id="among-others"),
    pytest.param(b"th:8;th:0", Probability(HALF, None), id="first-of-two"),
    pytest.param(b"p:8;r:62", Probability(None, None), id="neither"),
    pytest.param(b"", Probability(None, None), id="empty"),
]

ENCODED = [
    pytest.param(0, b"0", id="0"),
    pytest.param(1, b"00000000000001", id="1"),
    pytest.param(HALF, b"8", id="half"),
    pytest.param(0xFD70A3D70A3D71, b"fd70a3d70a3d71", id="all-of-one-percent"),
    pytest.param((1 << 56) - 1, b"f" * 14, id="largest"),
]

UPDATED = [
    pytest.param(None, None, None, id="nothing-to-remove"),
    pytest.param(None, HALF, b"th:8", id="new-member"),
    pytest.param(b"th:c", None, None, id="removed-and-nothing-left"),
    pytest.param(b"th:c;rv:1", None, b"rv:1", id="removed"),
    pytest.param(b"rv:1", None, b"rv:1", id="none-to-remove"),
    pytest.param(b"rv:1", HALF, b"th:8;rv:1", id="added"),
    pytest.param(b"rv:1;th:8", HALF, b"rv:1;th:8", id="same-stays-in-place"),
    pytest.param(b"th:c;th:8;p:1", HALF, b"th:8;p:1", id="replaced"),
    pytest.param(b"th:8;th:8", HALF, b"th:8", id="repeated"),
    pytest.param(b"x:" + b"v" * 253, HALF, b"x:" + b"v" * 253, id="no-room"),
    pytest.param(b"x:" + b"v" * 248 + b";th:8", 1, b"x:" + b"v" * 248, id="no-room-for-the-longer"),
]


@pytest.mark.parametrize(("value", "parsed"), PARSED)
def test_parse_reads(value: bytes, parsed: Probability) -> None:
    assert probability.parse(value) == parsed


@pytest.mark.parametrize(("threshold", "digits"), ENCODED)
def test_a_threshold_is_written_without_trailing_zeros(threshold: int, digits: bytes) -> None:
    assert probability.encode_threshold(threshold) == digits


@pytest.mark.parametrize(("came", "threshold", "value"), UPDATED)
def test_a_threshold_is_set_or_removed(
    came: bytes | None, threshold: int | None, value: bytes | None
) -> None:
    assert probability.with_threshold(came, threshold) == value


@given(st.integers(0, (1 << 56) - 1))
def test_a_threshold_is_read_as_it_was_written(threshold: int) -> None:
    digits = probability.encode_threshold(threshold)
    assert probability.parse(b"th:" + digits) == Probability(threshold, None)


@given(st.binary())
def test_parse_never_raises(value: bytes) -> None:
    probability.parse(value)
