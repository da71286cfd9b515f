import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import GUARDED
from proxy.message.head import PlainRequestHead, PlainResponseHead
from proxy.message.lines import encode_lines
from proxy.message.plain import split_plain_request, split_plain_response

READ_IN_REQUESTS = sorted((GUARDED - {b"host"}) | {b"expect"})
HOST = (b"Host", b"a.test")


def request(*fields: tuple[bytes, bytes]) -> bytes:
    return b"GET / HTTP/1.1" + encode_lines(fields) + b"\r\n\r\n"


def response(*fields: tuple[bytes, bytes], start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return start + encode_lines(fields) + b"\r\n\r\nbody"


def test_a_plain_request_keeps_its_lines() -> None:
    data = b"GET /a HTTP/1.1\r\nHOST:\t a.test \r\nX-Odd:v\r\n\r\n"
    assert split_plain_request(data) == (b"\r\nHOST:\t a.test \r\nX-Odd:v", b"a.test")


@pytest.mark.parametrize("name", READ_IN_REQUESTS, ids=bytes.decode)
@pytest.mark.parametrize("change", [bytes.lower, bytes.upper, lambda name: name.replace(b"-", b"_")])
def test_no_field_that_is_read_here_is_in_a_plain_request(name: bytes, change: object) -> None:
    assert callable(change)
    assert split_plain_request(request(HOST, (change(name), b"1"))) is None
    assert split_plain_request(request((change(name), b"1"), HOST)) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no-fields"),
        pytest.param(request((b"Accept", b"*/*")), id="no-host"),
        pytest.param(request(HOST, HOST), id="two-hosts"),
        pytest.param(request(HOST) + request(HOST), id="two-requests"),
        pytest.param(request(HOST)[:-2], id="not-whole"),
        pytest.param(b"\r\n" + request(HOST), id="blank-line-first"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_plain_request(data: bytes) -> None:
    assert split_plain_request(data) is None


def test_a_plain_response_keeps_its_lines_but_for_keep_alive() -> None:
    length = (b"Content-Length", b"4")
    plain = (b"OK", b"\r\nContent-Length: 4\r\na: b")
    assert split_plain_response(response(length, (b"a", b"b"))) == plain
    kept = (b"Connection", b"keep-alive")
    for fields in ((kept, length, (b"a", b"b")), (length, kept, (b"a", b"b")), (length, (b"a", b"b"), kept)):
        assert split_plain_response(response(*fields)) == plain


@pytest.mark.parametrize("phrase", [b"", b" ", b" Not  So \xff"], ids=["none", "empty", "odd"])
def test_a_plain_response_keeps_its_phrase(phrase: bytes) -> None:
    plain = split_plain_response(response((b"Content-Length", b"4"), start=b"HTTP/1.1 404" + phrase))
    assert plain == (phrase[1:], b"\r\nContent-Length: 4")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(response(), id="no-length"),
        pytest.param(response((b"Content-Length", b"4"), (b"content-length", b"4")), id="two-lengths"),
        pytest.param(response((b"Content-Length", b"4"), (b"Connection", b"close")), id="close"),
        pytest.param(response((b"Content-Length", b"4"), (b"Connection", b"keep-alive, x")), id="named"),
        pytest.param(response((b"Content-Length", b"4"), (b"Upgrade", b"x")), id="upgrade"),
        pytest.param(response((b"Transfer-Encoding", b"chunked")), id="chunked"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.1 103 x"), id="interim"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.1 099 x"), id="no-status"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.0 200 OK"), id="version-1.0"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", id="not-whole"),
    ],
)
def test_what_is_no_plain_response(data: bytes) -> None:
    assert split_plain_response(data) is None


NAMES = st.sampled_from(
    [b"Accept", b"X-A", b"cookie", b"Origin", b"Via", b"Host", b"b3", b"X_B3_TraceId", b"Te"]
)
VALUES = st.sampled_from([b"", b"a", b" a: b ", b"\xff", b"Host: x", b"\ttraceparent: 1"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_a_plain_head_says_what_its_lines_say(fields: list[tuple[bytes, bytes]]) -> None:
    data = request(*fields)
    plain = split_plain_request(data)
    names = [name.lower() for name, _ in fields]
    if plain is None:
        assert names.count(b"host") != 1 or {b"b3", b"x_b3_traceid", b"te"} & set(names)
        return
    head = PlainRequestHead(b"GET", b"/", *plain, (1, 1))
    assert head.names == names
    assert head.present == set(names)
    assert head.fields == [(name, value.lstrip(b" \t")) for name, value in fields]
    assert head.get(b"host") == head.host


def test_a_plain_head_has_no_other_attributes() -> None:
    head = PlainResponseHead(200, b"OK", b"\r\na: b")
    assert head.fields == [(b"a", b"b")]
    assert not hasattr(head, "nothing")
