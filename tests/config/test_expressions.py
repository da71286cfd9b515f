"""Which expressions can match no URL, and what is advised in their place."""

import re

import pytest

from proxy.config.expressions import instead_of, matches_no_url
from proxy.policy.rules import compile_regex

REFUSED = [
    pytest.param("^/api/", "prefix: /api/, or regex: ^https?://[^/]*/api/", id="path"),
    pytest.param("^/a\\.b/.*", "prefix: /a.b/, or regex: ^https?://[^/]*/a\\.b/.*", id="path-with-tail"),
    pytest.param("^/api$", "^https?://[^/]*/api$", id="path-to-its-end"),
    pytest.param("^/[^/]+/edit", "^https?://[^/]*/[^/]+/edit", id="path-with-a-class"),
    pytest.param("^api\\.example\\.com", "^https?://api\\.example\\.com", id="host"),
    pytest.param("^[a-g]+[.]test/", "^https?://[a-g]+[.]test/", id="hosts"),
    pytest.param("^(/v1|/v2)/", "^https?://[^/]*(/v1|/v2)/", id="paths"),
    pytest.param("^ftp://x", "begin it with ^https?://", id="other-scheme"),
    pytest.param("^HTTPS://x", "begin it with ^https?://", id="scheme-with-its-case"),
    pytest.param(
        "^/a|^/b", "begin it with ^https?:// and the host, or with ^https?://[^/]*/ for any", id="both-sides"
    ),
    pytest.param(
        "\\A/a", "begin it with ^https?:// and the host, or with ^https?://[^/]*/ for any", id="start-of-text"
    ),
    pytest.param(
        "(?i)^/API/",
        "begin it with ^https?:// and the host, or with ^https?://[^/]*/ for any",
        id="either-case",
    ),
    pytest.param(
        "(?:^)/a",
        "begin it with ^https?:// and the host, or with ^https?://[^/]*/ for any",
        id="start-in-a-group",
    ),
]


@pytest.mark.parametrize(("regex", "advice"), REFUSED)
def test_it_can_match_no_url(regex: str, advice: str) -> None:
    assert matches_no_url(regex)
    assert instead_of(regex) == advice


@pytest.mark.parametrize(("regex", "advice"), REFUSED)
def test_what_is_advised_can_match(regex: str, advice: str) -> None:
    written = re.search(r"(?:^|regex: )(\^.*)", advice)
    assert written is None or not matches_no_url(written[1])


ACCEPTED = [
    "/api/",
    "api\\.example\\.com",
    "^",
    "$",
    "^$",
    "^h",
    "^http",
    "^https?://",
    "^https?://[^/]*/api/",
    "^http://a",
    "(?i)^HTTPS://A",
    "^(?i)http",
    "^(?i:HTTP)s?://",
    "\\Ahttps://",
    "^.*/api/",
    "^.+",
    "^[^/]+//",
    "^\\w+://",
    "^[a-z]+:",
    "^[h-z]",
    "^/a|b",
    "^/a|^http",
    "(^/a|x)",
    "(^|/)api/",
    "(?:^)?/api",
    "^(/v1|.*/v2)/",
    "^(?:ftp|https)://",
    "^x*",
    "^x?http",
    "[^/]/api",
    "\\^/api",
    "\\bapi\\b",
    "\\Bttp",
    "\\b^/api",
    "x*",
    "\\Q^/api",
    "^" + "h?" * 40,
    "^https://" + "a" * 100,
    "^\\PL*",
    "(?m)/api$",
    "(?s).*/x",
]


@pytest.mark.parametrize("regex", ACCEPTED)
def test_it_may_match(regex: str) -> None:
    compile_regex(regex)
    assert not matches_no_url(regex)
