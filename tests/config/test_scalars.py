"""YAML 1.2 core scalars."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.scalars import Scalar, Value, resolve, shorten

MEANS = [
    pytest.param("", None, id="empty"),
    pytest.param("~", None, id="tilde"),
    pytest.param("null", None, id="null"),
    pytest.param("NULL", None, id="upper-null"),
    pytest.param("nUll", "nUll", id="mixed-null-is-text"),
    pytest.param("true", True, id="true"),
    pytest.param("FALSE", False, id="upper-false"),
    pytest.param("yes", "yes", id="yes-is-text"),
    pytest.param("no", "no", id="no-is-text"),
    pytest.param("on", "on", id="on-is-text"),
    pytest.param("off", "off", id="off-is-text"),
    pytest.param("y", "y", id="y-is-text"),
    pytest.param("0", 0, id="zero"),
    pytest.param("-12", -12, id="negative"),
    pytest.param("+12", 12, id="plus"),
    pytest.param("0123", "0123", id="leading-zero-is-text"),
    pytest.param("0o17", 15, id="octal"),
    pytest.param("0x1F", 31, id="hexadecimal"),
    pytest.param("0b11", "0b11", id="binary-is-text"),
    pytest.param("1_000", "1_000", id="underscore-is-text"),
    pytest.param("1:30", "1:30", id="sexagesimal-is-text"),
    pytest.param("2024-01-01", "2024-01-01", id="date-is-text"),
    pytest.param("1.10", 1.1, id="float"),
    pytest.param(".5", 0.5, id="no-leading-digit"),
    pytest.param("5.", 5.0, id="no-trailing-digit"),
    pytest.param("1e3", 1000.0, id="exponent"),
    pytest.param("-.inf", -math.inf, id="infinity"),
    pytest.param(".", ".", id="dot-is-text"),
    pytest.param("<<", "<<", id="merge-is-text"),
    pytest.param("=", "=", id="equals-is-text"),
    pytest.param("9" * 65, "9" * 65, id="endless-number-is-text"),
]


@pytest.mark.parametrize(("text", "value"), MEANS)
def test_resolve(text: str, value: Value) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_not_a_number_is_a_float() -> None:
    value = resolve(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)


@given(st.text())
def test_resolve_never_raises(text: str) -> None:
    value = resolve(text)
    assert value == text or not isinstance(value, str)


DESCRIBED = [
    pytest.param(Scalar("", None), "nothing", id="nothing"),
    pytest.param(Scalar("~", None), "null", id="null"),
    pytest.param(Scalar("true", True), "true", id="boolean"),
    pytest.param(Scalar("1.10", 1.1), "the number 1.10", id="number-as-written"),
    pytest.param(Scalar("yes", "yes"), "the text 'yes'", id="text"),
]


@pytest.mark.parametrize(("scalar", "words"), DESCRIBED)
def test_describe(scalar: Scalar, words: str) -> None:
    assert scalar.describe() == words


def test_long_texts_are_cut_in_messages() -> None:
    assert len(shorten("x" * 1000)) < 90
