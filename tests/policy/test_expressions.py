import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.expressions import ExpressionSet, compile_regex

FOUND = [
    pytest.param([], "a", [], id="none"),
    pytest.param(["a", "b", "c"], "xcxa", [0, 2], id="lowest-first"),
    pytest.param(["[a-z]+", ".*", "[0-9]"], "abc", [0, 1], id="no-literals"),
    pytest.param(["", "x"], "abc", [0], id="empty-expression"),
    pytest.param(["(?i)HTTPS://X", "HTTPS://X"], "https://x", [0], id="case"),
    pytest.param(["^b", "b$", "^b$"], "ab", [1], id="anchors"),
    pytest.param(["a|b", "(a)(b)", "(?P<n>a)"], "a", [0, 2], id="groups"),
    pytest.param(["é"], "\udcc3\udca9", [0], id="escaped-bytes"),
    pytest.param(["x$"], "\udcff/x", [0], id="escaped-bytes-that-are-not-utf-8"),
]


@pytest.mark.parametrize(("patterns", "text", "found"), FOUND)
def test_search(patterns: list[str], text: str, found: list[int]) -> None:
    assert ExpressionSet(patterns).search(text) == found


def test_more_expressions_than_one_filter_holds() -> None:
    expressions = ExpressionSet([rf"https://.*\.my-api-domain{i}\.com/" for i in range(20_000)])
    for number in (0, 9_999, 10_000, 19_999):
        assert expressions.search(f"https://x.my-api-domain{number}.com/") == [number]
    assert expressions.search("https://x.my-api-domain20000.com/") == []


def test_an_expression_too_large_for_a_filter_is_searched_alone() -> None:
    words = [f"{i:05x}" * 6 for i in range(4_000)]
    expressions = ExpressionSet(["before", "|".join(words), "after"])
    assert expressions.search(f"https://h/{words[-1]}/after") == [1, 2]
    assert expressions.search(f"https://h/{words[-1][:-1]}/after") == [2]


REFUSED = [
    pytest.param("(", "missing )", id="parenthesis"),
    pytest.param("a(?=b)", "(?=", id="look-ahead"),
    pytest.param(r"(a)\1", r"\1", id="back-reference"),
    pytest.param("a{1001}", "{1001}", id="repetition"),
    pytest.param("(((a{100}){100}){100})", "invalid repetition size", id="nested-repetition"),
]


@pytest.mark.parametrize(("pattern", "words"), REFUSED)
def test_a_bad_expression_is_refused_in_the_words_of_re2(
    pattern: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        compile_regex(pattern)
    with pytest.raises(ValueError, match=re.escape(words)):
        ExpressionSet(["a", pattern])
    assert capfd.readouterr().err == ""


@given(st.text())
def test_compiling_raises_no_other_error(pattern: str) -> None:
    try:
        compile_regex(pattern)
    except ValueError:
        return
    ExpressionSet([pattern]).search(pattern)


@given(st.lists(st.text("ab.*|()[]^$+?\\", max_size=6), max_size=6), st.text("abé", max_size=8))
def test_a_set_finds_what_each_finds_alone(patterns: list[str], text: str) -> None:
    good = []
    for pattern in patterns:
        try:
            good.append((pattern, compile_regex(pattern)))
        except ValueError:
            continue
    expected = [number for number, (_, regex) in enumerate(good) if regex.search(text) is not None]
    assert ExpressionSet([pattern for pattern, _ in good]).search(text) == expected
