import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.prefixes import PrefixTable, normalize_prefix

NONE = 100
ENTRIES = [
    ("/a", 5, True),
    ("/a/b", 7, True),
    ("/a/b/c", 2, True),
    ("/b", 1, True),
    ("/a/b", 6, False),
    ("/a", 8, False),
    ("/a/c", 9, False),
]
LOOKUPS = [
    pytest.param("/", NONE, [], id="before-all"),
    pytest.param("/a", 5, [8], id="prefix-itself"),
    pytest.param("/a/", 5, [8], id="longer"),
    pytest.param("/a/a", 5, [8], id="beside-a-nested-one"),
    pytest.param("/a/b", 5, [6, 8], id="a-shorter-one-is-lower"),
    pytest.param("/a/b/c/d", 2, [6, 8], id="innermost"),
    pytest.param("/a/bz", 5, [6, 8], id="after-the-innermost"),
    pytest.param("/a/c", 5, [8, 9], id="adjacent"),
    pytest.param("/a/d", 5, [8], id="after-the-nested-ones"),
    pytest.param("/b\U0010ffff", 1, [], id="highest-character"),
    pytest.param("/c", NONE, [], id="after-all"),
    pytest.param("", NONE, [], id="empty"),
]


@pytest.mark.parametrize(("text", "first", "unfinished"), LOOKUPS)
def test_a_table_knows_the_prefixes_of_a_text(text: str, first: int, unfinished: list[int]) -> None:
    table = PrefixTable(ENTRIES, NONE)
    assert table.first(text) == first
    assert sorted(table.unfinished(text)) == unfinished


def test_the_empty_prefix_holds_for_every_text() -> None:
    table = PrefixTable([("", 3, True), ("", 4, False), ("/a", 1, True)], NONE)
    assert [table.first(text) for text in ("", "/a", "/b")] == [3, 1, 3]
    assert table.unfinished("/a") == [4]


@given(st.lists(st.tuples(st.text("ab~/", max_size=5), st.booleans())), st.text("ab~/c", max_size=7))
def test_a_table_finds_what_a_scan_finds(prefixes: list[tuple[str, bool]], text: str) -> None:
    entries = [(prefix, number, complete) for number, (prefix, complete) in enumerate(prefixes)]
    table = PrefixTable(entries, NONE)
    holding = [(number, complete) for prefix, number, complete in entries if text.startswith(prefix)]
    assert table.first(text) == min((number for number, complete in holding if complete), default=NONE)
    assert sorted(table.unfinished(text)) == [number for number, complete in holding if not complete]


NORMAL = [
    pytest.param("/", "/", id="root"),
    pytest.param("/A/b?C=%2f", "/A/b?C=%2f", id="path-as-it-is"),
    pytest.param("https://", "https://", id="scheme"),
    pytest.param("HTTP://", "http://", id="scheme-upper-case"),
    pytest.param("https://API.example.com", "https://api.example.com/", id="no-path"),
    pytest.param("https://api.example.com/", "https://api.example.com/", id="root-of-authority"),
    pytest.param("https://api.example.com?A=1", "https://api.example.com/?A=1", id="query-without-path"),
    pytest.param("https://api.example.com:443/", "https://api.example.com/", id="default-port-https"),
    pytest.param("http://api.example.com:80", "http://api.example.com/", id="default-port-http"),
    pytest.param("http://api.example.com:443/x", "http://api.example.com:443/x", id="not-its-default-port"),
    pytest.param("http://api.example.com:/x", "http://api.example.com/x", id="empty-port"),
    pytest.param("http://[::1]:8080", "http://[::1]:8080/", id="ipv6"),
    pytest.param("http://[FE80::A]/", "http://[fe80::a]/", id="ipv6-upper-case"),
    pytest.param("http://under_score/", "http://under_score/", id="underscore"),
]


@pytest.mark.parametrize(("prefix", "normal"), NORMAL)
def test_prefixes_are_normalized(prefix: str, normal: str) -> None:
    assert normalize_prefix(prefix) == normal


NEVER = [
    pytest.param("", "is empty", id="empty"),
    pytest.param(
        "api.example.com/x", "write https://api.example.com/x or /api.example.com/x", id="no-scheme"
    ),
    pytest.param("https:/api", "neither a scheme nor a leading slash", id="one-slash"),
    pytest.param("://api", "write https://host/path or /path", id="no-scheme-name"),
    pytest.param("ftp://api/", "the scheme ftp", id="scheme"),
    pytest.param("wss://api/", "write https://", id="wss"),
    pytest.param("https:///x", "has no host", id="no-host"),
    pytest.param("https://user:pw@api/", "leave out user:pw@", id="userinfo"),
    pytest.param("https://*.example.com/", r"{regex: '^https://[^/]*\.example\.com/'}", id="asterisk"),
    pytest.param("https://a b/", "malformed host", id="space-in-host"),
    pytest.param("https://a\\b/", "malformed host", id="backslash-in-host"),
    pytest.param("https://[::g]/", "malformed IPv6", id="ipv6"),
    pytest.param("https://api:0/", "1 to 65535", id="port-zero"),
    pytest.param("https://api:65536/", "1 to 65535", id="port-large"),
    pytest.param("https://api:0443/", "leading zeros", id="port-leading-zero"),
    pytest.param("https://api:x/", "malformed host", id="port-text"),
    pytest.param("https://é..b/", "punycode", id="idn-malformed"),
    pytest.param("https://bücher.example/", "xn--bcher-kva.example", id="idn"),
    pytest.param("https://api/#top", "leave out #top", id="fragment"),
    pytest.param("https://api#top", "leave out #top", id="fragment-after-host"),
    pytest.param("/é", "/%C3%A9", id="non-ascii-path"),
    pytest.param("/a b%20", "/a%20b%20", id="space-in-path"),
]


@pytest.mark.parametrize(("prefix", "message"), NEVER)
def test_prefixes_that_can_never_match_say_what_to_write(prefix: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        normalize_prefix(prefix)


@given(st.text("htps:/.*@#?[]a1é :", max_size=30))
def test_normalizing_is_idempotent_or_refuses(prefix: str) -> None:
    try:
        normal = normalize_prefix(prefix)
    except ValueError:
        return
    assert normalize_prefix(normal) == normal
