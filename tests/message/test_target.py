import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.head import RequestHead
from proxy.message.target import normalize_authority, read_target

LOCAL = "127.0.0.1:8080"


def head(
    target: bytes, *hosts: bytes, method: bytes = b"GET", version: tuple[int, int] = (1, 1)
) -> RequestHead:
    return RequestHead(method, target, [(b"Host", host) for host in hosts], version)


AUTHORITIES = [
    (b"a.test", "http", "a.test"),
    (b"A.Test", "http", "a.test"),
    (b"a.test:80", "http", "a.test"),
    (b"a.test:443", "https", "a.test"),
    (b"a.test:443", "http", "a.test:443"),
    (b"a.test:80", "https", "a.test:80"),
    (b"a.test:", "http", "a.test"),
    (b"a.test:8080", "http", "a.test:8080"),
    (b"a.test:65535", "http", "a.test:65535"),
    (b"127.0.0.1:9", "http", "127.0.0.1:9"),
    (b"[::1]", "http", "[::1]"),
    (b"[2001:DB8::1]:80", "http", "[2001:db8::1]"),
    (b"[::1]:81", "http", "[::1]:81"),
    (b"a_b.test", "http", "a_b.test"),
    (b"a%C3%A4.test", "http", "a%c3%a4.test"),
    (b"localhost", "http", "localhost"),
]


@pytest.mark.parametrize(("authority", "scheme", "normal"), AUTHORITIES)
def test_normalize_authority(authority: bytes, scheme: str, normal: str) -> None:
    assert normalize_authority(authority, scheme) == normal


BAD_AUTHORITIES = [
    b"",
    b":80",
    b"a b",
    b"user@a.test",
    b"a.test/",
    b"a.test?",
    b"a.test#",
    b"a.test\\",
    b"a.test:x",
    b"a.test:-1",
    b"a.test:65536",
    b"a.test:99999",
    b"a.test:000080",
    b"a.test:80:80",
    b"::1",
    b"[::1",
    b"[::1]x",
    b"[a.test]",
    b"a%zz",
    b"a%4",
    b"a\xe4.test",
    b"a\0",
    b"a\n",
    b"a.test, b.test",
]


@pytest.mark.parametrize("authority", BAD_AUTHORITIES)
def test_what_is_no_authority_is_refused(authority: bytes) -> None:
    with pytest.raises(ValueError, match=r"host|port"):
        normalize_authority(authority, "http")
    with pytest.raises(RefusedMessage) as caught:
        read_target(head(b"/", authority), "http", LOCAL)
    assert caught.value.kind is ErrorKind.BAD_REQUEST


ORIGIN_FORMS = [
    b"/",
    b"/?",
    b"//",
    b"/a?b=c&d",
    b"/%2F%zz",
    b'/;a|b^{}[]"<>\\`',
    b"/http://b/",
    b"/*",
    b"/@:",
]


@pytest.mark.parametrize("target", ORIGIN_FORMS)
def test_a_path_is_left_as_it_came(target: bytes) -> None:
    assert read_target(head(target, b"A.test:80"), "http", LOCAL) == ("a.test", target)


ABSOLUTE_FORMS = [
    (b"http://a.test/b?c", b"/b?c"),
    (b"HTTP://A.TEST:80/b", b"/b"),
    (b"https://a.test/b", b"/b"),
    (b"http://a.test", b"/"),
    (b"http://a.test?b", b"/?b"),
    (b"http://a.test/", b"/"),
    (b"http://a.test//b", b"//b"),
    (b"http://a.test/http://b.test/", b"/http://b.test/"),
]


@pytest.mark.parametrize(("target", "path"), ABSOLUTE_FORMS)
def test_an_absolute_target_becomes_a_path(target: bytes, path: bytes) -> None:
    assert read_target(head(target, b"a.test"), "http", LOCAL) == ("a.test", path)


def test_an_absolute_target_names_the_host_that_http_1_0_left_out() -> None:
    assert read_target(head(b"http://b.test:81/", version=(1, 0)), "http", LOCAL) == ("b.test:81", b"/")


@pytest.mark.parametrize("target", [b"*", b"http://a.test"])
def test_options_may_ask_about_the_server(target: bytes) -> None:
    assert read_target(head(target, b"a.test", method=b"OPTIONS"), "http", LOCAL) == ("a.test", b"*")


def test_http_1_0_may_leave_host_out() -> None:
    assert read_target(head(b"/", version=(1, 0)), "http", LOCAL) == (LOCAL, b"/")


REFUSED = [
    pytest.param(head(b"/"), id="no-host"),
    pytest.param(head(b"/", b"a.test", b"a.test"), id="two-hosts"),
    pytest.param(head(b"/", b"a.test", b"b.test", version=(1, 0)), id="two-hosts-1.0"),
    pytest.param(head(b"*", b"a.test"), id="asterisk-with-get"),
    pytest.param(head(b"", b"a.test"), id="empty"),
    pytest.param(head(b"a", b"a.test"), id="no-slash"),
    pytest.param(head(b"a.test:80", b"a.test"), id="authority-form"),
    pytest.param(head(b"/a b", b"a.test"), id="space"),
    pytest.param(head(b"/a#b", b"a.test"), id="fragment"),
    pytest.param(head(b"/\x7f", b"a.test"), id="delete"),
    pytest.param(head(b"/\x00", b"a.test"), id="nul"),
    pytest.param(head(b"/a\n", b"a.test"), id="line-feed"),
    pytest.param(head(b"/\xff", b"a.test"), id="non-ascii"),
    pytest.param(head(b"http://a.test/\xff", b"a.test"), id="absolute-non-ascii"),
    pytest.param(head(b"http://a.test/#", b"a.test"), id="absolute-fragment"),
    pytest.param(head(b"http://a.test\\@b.test/", b"a.test"), id="backslash"),
    pytest.param(head(b"http://b.test/", b"a.test"), id="another-host"),
    pytest.param(head(b"http://a.test:81/", b"a.test"), id="another-port"),
    pytest.param(head(b"http://u@a.test/", b"a.test"), id="user"),
    pytest.param(head(b"http:///", b"a.test"), id="no-authority"),
    pytest.param(head(b"http:/a", b"a.test"), id="one-slash"),
    pytest.param(head(b"ftp://a.test/", b"a.test"), id="scheme"),
    pytest.param(head(b"://a.test/", b"a.test"), id="no-scheme"),
]


@pytest.mark.parametrize("request_head", REFUSED)
def test_a_target_that_cannot_be_read_one_way_is_refused(request_head: RequestHead) -> None:
    with pytest.raises(RefusedMessage) as caught:
        read_target(request_head, "http", LOCAL)
    assert caught.value.kind is ErrorKind.BAD_REQUEST


@given(st.binary(max_size=30), st.binary(max_size=20), st.sampled_from([b"GET", b"OPTIONS"]))
def test_any_bytes_are_read_or_refused(target: bytes, host: bytes, method: bytes) -> None:
    try:
        authority, path = read_target(head(target, host, method=method), "http", LOCAL)
    except RefusedMessage as refused:
        assert refused.kind is ErrorKind.BAD_REQUEST
    else:
        assert path == b"*" or path.startswith(b"/")
        assert path.isascii()
        assert authority == authority.lower()


@given(st.text("!\"$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~").map(str.encode))
def test_every_visible_character_but_the_fragments_may_stand_in_a_path(path: bytes) -> None:
    assert read_target(head(b"/" + path, b"a.test"), "http", LOCAL)[1] == b"/" + path
