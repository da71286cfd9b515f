"""Addresses to listen on, and targets to send to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.addresses import (
    Address,
    Scheme,
    Target,
    TcpAddress,
    UnixAddress,
    parse_address,
    parse_target,
)

ADDRESSES = [
    pytest.param("127.0.0.1:8080", TcpAddress("127.0.0.1", 8080), id="ipv4"),
    pytest.param("localhost:0", TcpAddress("localhost", 0), id="any-free-port"),
    pytest.param("[::1]:8080", TcpAddress("::1", 8080), id="ipv6"),
    pytest.param("Example.COM:80", TcpAddress("example.com", 80), id="lower-case"),
    pytest.param("unix:/run/t.sock", UnixAddress("/run/t.sock"), id="unix"),
    pytest.param("unix:///run/t.sock", UnixAddress("/run/t.sock"), id="unix-url"),
]


@pytest.mark.parametrize(("text", "address"), ADDRESSES)
def test_address(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


NOT_ADDRESSES = [
    "",
    "8080",
    ":8080",
    "*:8080",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:x",
    "127.0.0.1:65536",
    "::1:8080",
    "[::1]",
    "[::g]:80",
    "a b:80",
    "http://a:80",
    "unix:",
    "unix:a",
    "unix:/" + "a" * 107,
    "-a:80",
    "a..b:80",
]


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_not_an_address(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_address(text)


TARGETS = [
    pytest.param("http://a", Scheme.HTTP, TcpAddress("a", 80), "a", id="default-port"),
    pytest.param("https://a", Scheme.HTTPS, TcpAddress("a", 443), "a", id="default-port-of-https"),
    pytest.param("http://a:9000/", Scheme.HTTP, TcpAddress("a", 9000), "a:9000", id="slash"),
    pytest.param("https://[::1]:80", Scheme.HTTPS, TcpAddress("::1", 80), "[::1]:80", id="ipv6"),
    pytest.param("unix:/a.sock", Scheme.HTTP, UnixAddress("/a.sock"), "localhost", id="unix"),
]


@pytest.mark.parametrize(("text", "scheme", "address", "authority"), TARGETS)
def test_target(text: str, scheme: Scheme, address: Address, authority: str) -> None:
    target = parse_target(text)
    assert target == Target(scheme, address)
    assert target.authority == authority
    assert parse_target(str(target)) == target


NOT_TARGETS = ["", "a", "a:80", "http:/a", "http://", "http://a/b", "http://a?b", "http://a#b", "http://u@a"]


@pytest.mark.parametrize(
    "text", [*NOT_TARGETS, "HTTP://a", "ftp://a", "http://a:0", "http://a:99999", "unix:a"]
)
def test_not_a_target(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|leave it out"):
        parse_target(text)


LOOPBACK = [
    pytest.param("127.0.0.1:1", True, id="ipv4"),
    pytest.param("127.8.0.1:1", True, id="all-of-127"),
    pytest.param("[::1]:1", True, id="ipv6"),
    pytest.param("localhost:1", True, id="name"),
    pytest.param("unix:/a", True, id="unix"),
    pytest.param("0.0.0.0:1", False, id="any"),
    pytest.param("[::]:1", False, id="any-ipv6"),
    pytest.param("10.0.0.1:1", False, id="network"),
    pytest.param("127.example.com:1", False, id="name-that-starts-so"),
]


@pytest.mark.parametrize(("text", "loopback"), LOOPBACK)
def test_loopback(text: str, loopback: bool) -> None:
    assert parse_address(text).loopback is loopback


@given(st.text(alphabet="ab.:[]/1*-@ %é"))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for parse in (parse_address, parse_target):
        try:
            assert str(parse(text))
        except ValueError as error:
            assert str(error)
