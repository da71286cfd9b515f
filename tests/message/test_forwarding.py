import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.forwarding import (
    HOP_BY_HOP,
    XForwarded,
    client_address,
    client_scheme,
    forwarded_fields,
    hop_by_hop,
)
from proxy.message.head import Field, RequestHead, ResponseHead

APPEND, REPLACE, OFF = XForwarded.APPEND, XForwarded.REPLACE, XForwarded.OFF


def head(*fields: Field) -> RequestHead:
    return RequestHead(b"GET", b"/", list(fields))


ORDINARY = [
    pytest.param([], id="none"),
    pytest.param([b"keep-alive"], id="keep-alive"),
    pytest.param([b"Keep-Alive"], id="keep-alive-capitals"),
    pytest.param([b"close"], id="close"),
    pytest.param([b"CLOSE "], id="close-upper-case"),
    pytest.param([b"Upgrade"], id="upgrade"),
    pytest.param([b"keep-alive, Upgrade"], id="two-options"),
    pytest.param([b"close", b"TE"], id="two-fields"),
    pytest.param([b" , ,"], id="empty-elements"),
]


@pytest.mark.parametrize("values", ORDINARY)
def test_common_connections_share_one_set(values: list[bytes]) -> None:
    assert hop_by_hop(head(*((b"Connection", value) for value in values))) is HOP_BY_HOP
    assert hop_by_hop(ResponseHead(200, b"OK", [(b"connection", value) for value in values])) is HOP_BY_HOP


@pytest.mark.parametrize(
    "name", [b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"]
)
def test_fields_of_one_connection_end_here(name: bytes) -> None:
    assert name in hop_by_hop(head())


@pytest.mark.parametrize(
    "name", [b"trailer", b"proxy-authorization", b"proxy-authenticate", b"authorization"]
)
def test_end_to_end_fields_stay(name: bytes) -> None:
    assert name not in hop_by_hop(head())


NOMINATED = [
    pytest.param([b"X-Custom"], {b"x-custom"}, id="one"),
    pytest.param([b"close, X-Custom ,\tfoo"], {b"x-custom", b"foo"}, id="list"),
    pytest.param([b"keep-alive", b"X-Custom"], {b"x-custom"}, id="second-field"),
    pytest.param([b"upgrade, http2-settings"], set(), id="h2c"),
    pytest.param([b"Cookie, Authorization"], {b"cookie", b"authorization"}, id="what-a-client-may-hide"),
    pytest.param([b"Host, Content-Length, Forwarded"], set(), id="framing-and-routing"),
    pytest.param([b"X-Forwarded-For, x-forwarded-proto, X-Forwarded-Prefix"], set(), id="x-forwarded"),
    pytest.param([b"TraceParent, tracestate, baggage"], {b"baggage"}, id="protected"),
]


@pytest.mark.parametrize(("values", "more"), NOMINATED)
def test_connection_nominates_fields(values: list[bytes], more: set[bytes]) -> None:
    names = hop_by_hop(
        head(*((b"Connection", value) for value in values)), frozenset({b"traceparent", b"tracestate"})
    )
    assert names - HOP_BY_HOP - {b"close"} == more
    assert names >= HOP_BY_HOP


@given(st.lists(st.text("aAcCeElLnNgtT-,: \t", max_size=20)))
def test_host_and_framing_are_never_nominated(values: list[str]) -> None:
    names = hop_by_hop(head(*((b"Connection", value.encode()) for value in values)))
    assert names >= HOP_BY_HOP
    assert names.isdisjoint({b"host", b"content-length", b"x-forwarded-for"})
    assert all(name == name.lower().strip() for name in names)


def forward(
    mode: XForwarded, fields: list[Field], *, peer: str = "10.0.0.1", trusted: bool = False
) -> list[Field]:
    """What is left of ``fields``, and what is added, in order."""
    request = head(*fields)
    remove, add = forwarded_fields(mode, request, peer=peer, peer_is_trusted=trusted, scheme="https")
    return [field for field in fields if field[0].lower() not in remove] + list(add)


HOST = (b"Host", b"shop.example.com")
FOR, PROTO, XHOST = b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host"
OWN = [(FOR, b"10.0.0.1"), (PROTO, b"https"), (XHOST, b"shop.example.com")]
THEIRS = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-proto", b"http"), (b"x-forwarded-host", b"a.test")]
RFC7239 = (b"Forwarded", b"for=1.1.1.1")

FORWARDED = [
    pytest.param(APPEND, False, [], OWN, id="append-untrusted-none"),
    pytest.param(APPEND, False, [*THEIRS, RFC7239], OWN, id="append-untrusted"),
    pytest.param(APPEND, True, [], OWN, id="append-trusted-none"),
    pytest.param(APPEND, True, THEIRS, [*THEIRS[1:], (FOR, b"1.1.1.1, 10.0.0.1")], id="append-trusted"),
    pytest.param(
        APPEND,
        True,
        [(b"X-Forwarded-For", b"1.1.1.1"), (b"X-Forwarded-For", b"2.2.2.2, 3.3.3.3")],
        [(FOR, b"1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1"), *OWN[1:]],
        id="append-trusted-two-fields",
    ),
    pytest.param(APPEND, True, [RFC7239], [RFC7239, *OWN], id="append-trusted-forwarded"),
    pytest.param(APPEND, True, [THEIRS[1]], [THEIRS[1], OWN[0], OWN[2]], id="append-trusted-proto-alone"),
    pytest.param(REPLACE, False, [*THEIRS, RFC7239], OWN, id="replace-untrusted"),
    pytest.param(REPLACE, True, [*THEIRS, RFC7239], [RFC7239, *OWN], id="replace-trusted"),
    pytest.param(REPLACE, False, [], OWN, id="replace-none"),
    pytest.param(OFF, False, [*THEIRS, RFC7239], [*THEIRS, RFC7239], id="off-untrusted"),
    pytest.param(OFF, False, [], [], id="off-none"),
]


@pytest.mark.parametrize(("mode", "trusted", "came", "sent"), FORWARDED)
def test_forwarded_fields(mode: XForwarded, trusted: bool, came: list[Field], sent: list[Field]) -> None:
    assert forward(mode, [HOST, *came], trusted=trusted) == [HOST, *sent]


UNIX = [
    pytest.param(APPEND, False, THEIRS, OWN[1:], id="append-untrusted"),
    pytest.param(APPEND, False, [], OWN[1:], id="append-none"),
    pytest.param(APPEND, True, THEIRS, THEIRS, id="append-trusted"),
    pytest.param(APPEND, True, THEIRS[:1], [*THEIRS[:1], *OWN[1:]], id="append-trusted-for-alone"),
    pytest.param(REPLACE, True, THEIRS, OWN[1:], id="replace-trusted"),
]


@pytest.mark.parametrize(("mode", "trusted", "came", "sent"), UNIX)
def test_a_unix_peer_has_no_address_to_add(
    mode: XForwarded, trusted: bool, came: list[Field], sent: list[Field]
) -> None:
    assert forward(mode, [HOST, *came], peer="unix", trusted=trusted) == [HOST, *sent]


@pytest.mark.parametrize(
    ("peer", "text"),
    [("2001:db8::1", b"2001:db8::1"), ("fe80::1%eth0", b"fe80::1"), ("::FFFF:10.1.2.3", b"10.1.2.3")],
)
def test_addresses_are_written_plainly(peer: str, text: bytes) -> None:
    assert forward(APPEND, [HOST], peer=peer)[1] == (FOR, text)


def test_without_a_host_none_is_told() -> None:
    assert forward(APPEND, []) == OWN[:2]
    assert forward(APPEND, [], peer="unix") == [OWN[1]]


PROXIES = {"10.0.0.1", "10.0.0.2", "::1", "unix"}
ADDRESSES = [
    pytest.param([], "10.0.0.1", id="no-field"),
    pytest.param([b"1.1.1.1"], "1.1.1.1", id="one"),
    pytest.param([b"9.9.9.9, 1.1.1.1"], "1.1.1.1", id="right-most"),
    pytest.param([b"9.9.9.9, 1.1.1.1,10.0.0.2"], "1.1.1.1", id="behind-a-trusted-proxy"),
    pytest.param([b"1.1.1.1", b"10.0.0.2"], "1.1.1.1", id="two-fields"),
    pytest.param([b"10.0.0.2, 10.0.0.1"], "10.0.0.2", id="all-trusted"),
    pytest.param([b"1.1.1.1:4711"], "1.1.1.1", id="port"),
    pytest.param([b"2001:db8::1"], "2001:db8::1", id="ipv6"),
    pytest.param([b"[2001:db8::1]"], "2001:db8::1", id="ipv6-brackets"),
    pytest.param([b"5.5.5.5, [::1]:80"], "5.5.5.5", id="ipv6-port"),
    pytest.param([b"unknown"], "unknown", id="no-address"),
    pytest.param([b"1.1.1.1, unknown, 10.0.0.2"], "unknown", id="no-address-is-not-skipped"),
    pytest.param([b"unix"], "_unix", id="not-a-unix-peer"),
    pytest.param([b"[unix]"], "_unix", id="not-a-unix-peer-in-brackets"),
    pytest.param([b"unix:1"], "_unix", id="not-a-unix-peer-with-a-port"),
    pytest.param([b""], "10.0.0.1", id="empty"),
    pytest.param([b"1.1.1.1, ,"], "1.1.1.1", id="empty-elements"),
]


@pytest.mark.parametrize(("values", "address"), ADDRESSES)
def test_client_address_behind_trusted_proxies(values: list[bytes], address: str) -> None:
    request = head(*((b"X-Forwarded-For", value) for value in values))
    assert client_address(request, "10.0.0.1", True, PROXIES.__contains__) == address


def test_an_untrusted_peer_is_the_client() -> None:
    assert client_address(head(*THEIRS), "10.9.9.9", False, PROXIES.__contains__) == "10.9.9.9"


@given(st.lists(st.binary(max_size=30)))
def test_client_address_is_never_taken_for_a_unix_peer(values: list[bytes]) -> None:
    request = head(*((b"X-Forwarded-For", value) for value in values))
    assert client_address(request, "10.0.0.1", True, PROXIES.__contains__) != "unix"


SCHEMES = [
    pytest.param([], True, "http", id="none"),
    pytest.param([b"https"], True, "https", id="https"),
    pytest.param([b"HTTPS "], True, "https", id="upper-case"),
    pytest.param([b"https, http"], True, "https", id="first-element"),
    pytest.param([b"https", b"http"], True, "https", id="first-field"),
    pytest.param([b"wss"], True, "http", id="other"),
    pytest.param([b""], True, "http", id="empty"),
    pytest.param([b"https"], False, "http", id="untrusted"),
]


@pytest.mark.parametrize(("values", "trusted", "scheme"), SCHEMES)
def test_client_scheme(values: list[bytes], trusted: bool, scheme: str) -> None:
    request = head(*((b"X-Forwarded-Proto", value) for value in values))
    assert client_scheme(request, "http", trusted) == scheme


def test_a_trusted_proxy_may_say_http() -> None:
    assert client_scheme(head((PROTO, b"http")), "https", True) == "http"
