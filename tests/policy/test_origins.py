import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.policy.origins import Origins

ALLOWED = [
    pytest.param(["https://app.example.com"], b"https://app.example.com", True, id="exact"),
    pytest.param(["https://app.example.com"], b"http://app.example.com", False, id="other-scheme"),
    pytest.param(["https://app.example.com"], b"https://app.example.com:8443", False, id="other-port"),
    pytest.param(["https://app.example.com"], b"https://app.example.com.evil.test", False, id="longer"),
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
    pytest.param(["https://*.example.com"], b"https://" + b"a." * 200 + b"example.com", False, id="too-long"),
    pytest.param(["https://*.b.test", "https://*.a.b.test"], b"https://x.a.b.test", True, id="nested"),
]


@pytest.mark.parametrize(("entries", "origin", "allowed"), ALLOWED)
def test_allow(entries: list[str], origin: bytes, allowed: bool) -> None:
    assert Origins(entries).allow(origin) is allowed


@given(st.binary(max_size=40))
@example(b"0")
@example(b"https://0.example.com")
def test_only_subdomains_end_like_the_domain(part: bytes) -> None:
    origins = Origins(["https://*.example.com"])
    for origin in (part, b"https://" + part + b".example.com"):
        if origins.allow(origin):
            assert re.fullmatch(rb"https://[a-z0-9_.-]+\.example\.com", origin)
