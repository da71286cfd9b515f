"""Rates, durations and sizes: what is read, and that what is written is read alike."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.fields import Leaf
from proxy.config.quantities import (
    duration,
    parse_rate,
    read_boolean,
    read_rate,
    size,
    write_duration,
    write_rate,
    write_size,
)
from proxy.config.scalars import Scalar, resolve

DURATION = duration("5s", zero=True)
SIZE = size("32KiB")


def plain(text: str) -> Scalar:
    return Scalar(text, resolve(text))


DURATIONS = [
    pytest.param("250ms", 0.25, id="milliseconds"),
    pytest.param("5s", 5.0, id="seconds"),
    pytest.param("2m", 120.0, id="minutes"),
    pytest.param("24h", 86400.0, id="hours"),
    pytest.param("1.5s", 1.5, id="decimals"),
    pytest.param("0.1s", 0.1, id="no-rounding"),
    pytest.param("0s", 0.0, id="zero"),
    pytest.param("0", 0.0, id="zero-needs-no-unit"),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_duration(text: str, seconds: float) -> None:
    assert DURATION.validate(plain(text)) == seconds


NOT_DURATIONS = [
    "5",
    "1.5",
    "5 s",
    "s",
    "-5s",
    "5S",
    "5sec",
    "1m30s",
    "25h",
    "1e3s",
    ".5s",
    "false",
    "",
    "٥s",
    "5s\n",
]


@pytest.mark.parametrize("text", NOT_DURATIONS)
def test_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        DURATION.validate(plain(text))


@given(st.integers(min_value=0, max_value=86_400_000))
def test_durations_are_read_as_they_are_written(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert DURATION.validate(plain(write_duration(seconds))) == seconds


SIZES = [
    pytest.param("1B", 1, id="bytes"),
    pytest.param("32KiB", 32768, id="kibibytes"),
    pytest.param("10MiB", 10 * 1024**2, id="mebibytes"),
    pytest.param("1.5GiB", 3 * 1024**3 // 2, id="decimals"),
]


@pytest.mark.parametrize(("text", "number"), SIZES)
def test_size(text: str, number: int) -> None:
    assert SIZE.validate(plain(text)) == number


NOT_SIZES = ["0", "32", "32K", "32KB", "32kib", "-1B", "0B", "1025GiB", "KiB", "1 KiB", "", "null"]


@pytest.mark.parametrize("text", NOT_SIZES)
def test_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        SIZE.validate(plain(text))


@given(st.integers(min_value=1, max_value=1024**4))
def test_sizes_are_read_as_they_are_written(number: int) -> None:
    assert SIZE.validate(plain(write_size(number))) == number


RATES = [
    pytest.param("0", "0", id="zero"),
    pytest.param("0.0", "0", id="zero-with-a-point"),
    pytest.param("-0", "0", id="negative-zero"),
    pytest.param("100", "100", id="hundred"),
    pytest.param("100.00", "100", id="hundred-with-a-point"),
    pytest.param("0.01", "0.01", id="exactly-as-written"),
    pytest.param("33.3333333333333333", "33.3333333333333333", id="more-digits-than-a-float-has"),
    pytest.param("1e-2", "0.01", id="exponent"),
    pytest.param(".5", "0.5", id="no-leading-digit"),
    pytest.param("0x10", "16", id="hexadecimal"),
]


@pytest.mark.parametrize(("text", "rate"), RATES)
def test_rate(text: str, rate: str) -> None:
    read = read_rate(plain(text))
    assert str(read) == rate


NOT_RATES = [
    "-0.1",
    "100.1",
    "1e3",
    ".inf",
    ".nan",
    "true",
    "null",
    "",
    "ten",
    "10%",
    "0123",
    "1e-999999999",
    "1_0",
]


@pytest.mark.parametrize("text", NOT_RATES)
def test_not_a_rate(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        read_rate(plain(text))


@given(st.decimals(min_value=0, max_value=100, places=12))
def test_rates_are_exact(rate: Decimal) -> None:
    assert parse_rate(f"{rate:f}") == rate


@given(st.text())
def test_any_text_is_a_rate_or_refused(text: str) -> None:
    try:
        assert 0 <= read_rate(plain(text)) <= 100
    except ValueError as error:
        assert str(error)


def test_a_whole_rate_is_written_without_a_point() -> None:
    assert repr(write_rate(Decimal(10))) == "10"
    assert repr(write_rate(Decimal("0.5"))) == "0.5"


QUOTED = [
    pytest.param(Scalar("true", "true", substituted=True), True, id="quotes-around-a-variable-do-not-count"),
    pytest.param(Scalar("true", True), True, id="plain"),
]


@pytest.mark.parametrize(("scalar", "value"), QUOTED)
def test_boolean(scalar: Scalar, value: bool) -> None:
    assert read_boolean(scalar) is value


@pytest.mark.parametrize("leaf", [DURATION, SIZE])
def test_collections_are_no_scalars(leaf: Leaf) -> None:
    with pytest.raises(ValueError, match="is a list: write a"):
        leaf.validate([plain("1")])
