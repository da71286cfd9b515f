import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.origins import Origins, normalize_origin

ALLOWED = [
    pytest.param(["https://app.example.com"], b"https://app.example.com", True, id="exact"),
    pytest.param(["https://app.example.com"], b"http://app.example.com", False, id="other-scheme"),
    pytest.param(["https://app.example.com"], b"https://app.example.com:8443", False, id="other-port"),
    pytest.param(["https://app.example.com"], b"https://app.example.com.evil.test", False, id="longer"),
    pytest.param(["https://APP.example.com:443"], b"https://app.example.com", True, id="entry-is-normalized"),
    pytest.param(["http://localhost:3000"], b"http://localhost:3000", True, id="port"),
    pytest.param(["*"], b"https://anything.test", True, id="every"),
    pytest.param(["null"], b"null", True, id="null"),
    pytest.param(["https://*.example.com"], b"null", False, id="null-is-no-subdomain"),
    pytest.param([], b"https://app.example.com", False, id="nothing-allowed"),
    pytest.param(["https://*.example.com"], b"https://app.example.com", True, id="subdomain"),
    pytest.param(["https://*.example.com"], b"https://a.b.example.com", True, id="subdomain-of-a-subdomain"),
    pytest.param(["https://*.example.com"], b"https://example.com", False, id="domain-itself"),
    pytest.param(["https://*.example.com"], b"https://evil-example.com", False, id="no-dot"),
    pytest.param(["https://*.example.com"], b"https://.example.com", False, id="no-label"),
    pytest.param(["https://*.example.com"], b"https://a..example.com", False, id="empty-label"),
    pytest.param(["https://*.example.com"], b"http://app.example.com", False, id="subdomain-other-scheme"),
    pytest.param(
        ["https://*.example.com"], b"https://app.example.com:8443", False, id="subdomain-other-port"
    ),
    pytest.param(["https://*.example.com:8443"], b"https://a.example.com:8443", True, id="subdomain-port"),
    pytest.param(["https://*.example.com"], b"https://evil.test/.example.com", False, id="path"),
    pytest.param(["https://*.example.com"], b"https://evil.test:80.example.com", False, id="colon"),
    pytest.param(["https://*.example.com"], b"https://u@x.example.com", False, id="userinfo"),
    pytest.param(["https://*.example.com"], b"https://app.example.com.evil.test", False, id="suffix"),
    pytest.param(["https://*.b.test", "https://*.a.b.test"], b"https://x.a.b.test", True, id="nested"),
]


@pytest.mark.parametrize(("entries", "origin", "allowed"), ALLOWED)
def test_allow(entries: list[str], origin: bytes, allowed: bool) -> None:
    assert Origins(entries).allow(origin) is allowed


REFUSED = [
    pytest.param("app.example.com", "write https://app.example.com", id="no-scheme"),
    pytest.param("https://app.example.com/", "write https://app.example.com", id="slash"),
    pytest.param("https://app.example.com:443/x", "write https://app.example.com", id="path"),
    pytest.param("https://", "is no origin", id="no-host"),
    pytest.param("https://a.*.example.com", "https://*.example.com", id="asterisk-inside"),
    pytest.param("https://*", "is no origin", id="asterisk-alone"),
    pytest.param("*://example.com", "is no origin", id="asterisk-scheme"),
    pytest.param("https://a.test:*", "is no origin", id="asterisk-port"),
    pytest.param("https://bücher.example", "is no origin", id="idn"),
    pytest.param("", "no scheme", id="empty"),
]


@pytest.mark.parametrize(("entry", "message"), REFUSED)
def test_what_is_no_origin_is_refused(entry: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        normalize_origin(entry)


@given(st.text("htps:/.*aA1[]@ -", max_size=30))
def test_normalizing_is_idempotent_or_refuses(entry: str) -> None:
    try:
        normal = normalize_origin(entry)
    except ValueError:
        return
    assert normalize_origin(normal) == normal
    if "*" not in entry:
        assert Origins([entry]).allow(normal.encode())


@given(st.binary(max_size=40))
def test_only_subdomains_end_like_the_domain(origin: bytes) -> None:
    origins = Origins(["https://*.example.com"])
    assert not origins.allow(origin)
    if origins.allow(b"https://" + origin + b".example.com"):
        assert re.fullmatch(rb"[a-z0-9_.-]+", origin)
