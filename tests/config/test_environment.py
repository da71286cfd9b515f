"""References to the environment."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.environment import substitute

ENVIRON = {"A": "1", "EMPTY": "", "NESTED": "${A}"}

REPLACED = [
    pytest.param("${A}", "1", id="alone"),
    pytest.param("x${A}y${A}", "x1y1", id="inside"),
    pytest.param("${B:-2}", "2", id="default"),
    pytest.param("${A:-2}", "1", id="default-unused"),
    pytest.param("${EMPTY}", "", id="empty"),
    pytest.param("${EMPTY:-2}", "2", id="default-for-empty"),
    pytest.param("${B:-}", "", id="empty-default"),
    pytest.param("${B:-http://h:1/?a=b}", "http://h:1/?a=b", id="default-with-colons"),
    pytest.param("${NESTED}", "${A}", id="values-are-not-read-again"),
    pytest.param("$${A}", "${A}", id="escaped"),
    pytest.param("$${A}${A}", "${A}1", id="escaped-and-not"),
    pytest.param("$A", "$A", id="no-braces"),
    pytest.param("^/a$", "^/a$", id="dollar"),
    pytest.param("a$$b", "a$$b", id="two-dollars"),
]


@pytest.mark.parametrize(("text", "replaced"), REPLACED)
def test_substitute(text: str, replaced: str) -> None:
    assert substitute(text, ENVIRON) == replaced


REFUSED = [
    pytest.param("${B}", "the environment variable B is not set: set it, or write ${B:-default}", id="unset"),
    pytest.param("${A", "has a malformed", id="unclosed"),
    pytest.param("${}", "has a malformed", id="nameless"),
    pytest.param("${1A}", "has a malformed", id="digit"),
    pytest.param("${A-b}", "has a malformed", id="dash-without-colon"),
    pytest.param("${a b}", "has a malformed", id="space"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_substitute_refuses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        substitute(text, ENVIRON)


@given(st.text(alphabet="${}:-AB x"))
def test_substitute_raises_nothing_but_value_error(text: str) -> None:
    try:
        replaced = substitute(text, ENVIRON)
    except ValueError:
        return
    assert "${" in text or replaced == text
