import h11
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.encode import encode_request_head, encode_response_head, encode_trailers
from proxy.message.lines import encode_lines

NAMES = st.text("abcXYZ019-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(str.encode)
VALUES = st.lists(st.sampled_from([b"a", b"\xff", b" ", b"\t", b",", b":", b'"']), max_size=12).map(b"".join)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def test_a_request_head() -> None:
    fields = [(b"Host", b"a.test"), (b"x-ODD", b""), (b"x-odd", b" v ")]
    assert encode_request_head(b"GET", b"/a?b", encode_lines(fields)) == (
        b"GET /a?b HTTP/1.1\r\nHost: a.test\r\nx-ODD: \r\nx-odd:  v \r\n\r\n"
    )


def test_heads_without_fields() -> None:
    assert encode_request_head(b"GET", b"/", b"") == b"GET / HTTP/1.1\r\n\r\n"
    assert encode_response_head(200, b"", b"") == b"HTTP/1.1 200 \r\n\r\n"


def test_a_response_head() -> None:
    assert encode_response_head(404, b"Not \xff", b"\r\nA: b") == b"HTTP/1.1 404 Not \xff\r\nA: b\r\n\r\n"


def test_fields_end_without_a_blank_line() -> None:
    assert encode_trailers([(b"A", b"b"), (b"a", b"")]) == b"A: b\r\na: \r\n"
    assert encode_trailers([]) == b""


@given(FIELDS)
def test_another_parser_reads_what_was_encoded(fields: list[tuple[bytes, bytes]]) -> None:
    fields = [field for field in fields if field[0].lower() not in (b"host", b"connection", b"upgrade")]
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(encode_request_head(b"GET", b"/", encode_lines([(b"Host", b"a"), *fields])))
    event = reader.next_event()
    assert isinstance(event, h11.Request)
    assert event.headers.raw_items()[1:] == [(name, value.strip(b" \t")) for name, value in fields]
