import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import GUARDED
from proxy.message.head import PlainRequestHead
from proxy.message.lines import encode_lines, parse_fields
from proxy.message.plain import KEPT_BYTES, PlainRequests, find_plain_response

READ_IN_REQUESTS = sorted(
    (GUARDED - {b"host", b"traceparent", b"tracestate", b"content-length"}) | {b"expect", b"content_length"}
)
HOST = (b"Host", b"a.test")


def request(*fields: tuple[bytes, bytes]) -> bytes:
    return b"GET / HTTP/1.1" + encode_lines(fields) + b"\r\n\r\n"


def response(*fields: tuple[bytes, bytes], start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return start + encode_lines(fields) + b"\r\n\r\nbody"


def find(data: bytes) -> PlainRequestHead | None:
    return PlainRequests().find(data)


def test_a_plain_request_keeps_its_lines() -> None:
    head = find(b"GET /a?b HTTP/1.1\r\nHOST:\t a.test \r\nX-Odd:v\r\n\r\n")
    assert head is not None
    assert (head.method, head.target, head.version) == (b"GET", b"/a?b", (1, 1))
    assert (head.lines, head.host) == (b"\r\nHOST:\t a.test \r\nX-Odd:v", b"a.test")


def test_the_same_fields_again_belong_to_the_request_they_came_with() -> None:
    requests = PlainRequests()
    fields = encode_lines([HOST, (b"a", b"b")]) + b"\r\n\r\n"
    for line in (b"GET /a HTTP/1.1", b"HEAD /b HTTP/1.1", b"GET /a HTTP/1.1"):
        head = requests.find(line + fields)
        assert head is not None
        assert line == b"%b %b HTTP/1.1" % (head.method, head.target)
        assert head.fields == [HOST, (b"a", b"b")]
    assert requests.find(fields) is None
    assert requests.find(b"GET /a HTTP/1.1" + fields + b"\r\n") is None
    assert requests.find(b"GET /a HTTP/1.1\r\nTE: x" + fields) is None
    other = requests.find(b"GET /a HTTP/1.1\r\nc: d" + fields)
    assert other is not None
    assert other.names == [b"c", b"host", b"a"]


@pytest.mark.parametrize("line", [(b"Connection", b"keep-alive"), (b"connection", b"Keep-Alive")])
@pytest.mark.parametrize("context", [(), ((b"traceparent", b"1"),)], ids=["", "context"])
def test_what_keeps_the_connection_goes_and_is_no_mark(
    line: tuple[bytes, bytes], context: tuple[tuple[bytes, bytes], ...]
) -> None:
    requests = PlainRequests()
    others = [HOST, (b"a", b"b")]
    for place in (0, 0, 1, 2):
        head = requests.find(request(*others[:place], line, *others[place:], *context))
        assert head is not None
        assert head.fields == [*others, *context]
        assert head.bare == encode_lines(others)


@pytest.mark.parametrize(
    "value", [b"close", b"keep-alive, te", b"keep-alives", b" keep-alive", b"keep-alive ", b"upgrade"]
)
def test_what_else_a_connection_field_says_is_read(value: bytes) -> None:
    assert find(request(HOST, (b"Connection", value))) is None
    assert find(request((b"Connection", value), HOST)) is None
    assert find(request((b"Connection", b"keep-alive"), HOST, (b"Connection", value))) is None
    assert find(request((b"Connection", b"keep-alive"), HOST, (b"Connection", b"keep-alive"))) is None


def test_a_plain_request_may_have_a_body() -> None:
    requests = PlainRequests()
    for body in (b"hello", b"hullo", b"\r\n\r\nx", b"x\r\n\r\n"):
        length = (b"content-length", b"%d" % len(body))
        head = requests.find(request(HOST, (b"Content-Type", b"text/plain"), length) + body)
        assert head is not None
        assert head.length == len(body)
        assert head.names == [b"host", b"content-type", b"content-length"]
    empty = find(request(HOST, (b"Content-Length", b"0")))
    assert empty is not None
    assert empty.length == 0


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="no-length"),
        pytest.param([b"3"], id="short"),
        pytest.param([b"5"], id="long"),
        pytest.param([b"4", b"4"], id="twice"),
        pytest.param([b"+4"], id="sign"),
        pytest.param([b"4, 4"], id="list"),
        pytest.param([b"0x4"], id="hex"),
        pytest.param([b""], id="empty"),
        pytest.param([b"9" * 5000], id="endless"),
    ],
)
def test_a_body_that_is_not_what_the_head_says_is_not_plain(fields: list[bytes]) -> None:
    assert find(request(HOST, *[(b"Content-Length", value) for value in fields]) + b"body") is None
    plain = response(*[(b"Content-Length", value) for value in fields])
    assert find_plain_response(plain) is None


def test_long_fields_are_not_kept() -> None:
    requests = PlainRequests()
    long = (b"a", b"x" * KEPT_BYTES)
    head = requests.find(request(HOST, long))
    assert head is not None
    assert head.names == [b"host", b"a"]
    assert requests._kept is None


PARENT, STATE = (b"traceparent", b"00-1-2-01"), (b"tracestate", b"a=b, c=d ")


@pytest.mark.parametrize(
    "context",
    [(PARENT,), (STATE,), (PARENT, STATE), (STATE, PARENT)],
    ids=["parent", "state", "both", "turned"],
)
@pytest.mark.parametrize("place", range(3))
def test_a_plain_request_may_have_a_context(context: tuple[tuple[bytes, bytes], ...], place: int) -> None:
    others = [HOST, (b"a", b"b")]
    fields = [*others[:place], *context, *others[place:]]
    head = find(request(*fields))
    assert head is not None
    assert head.fields == fields
    assert head.bare == encode_lines(others)
    assert head.context is not None
    assert head.context.fields == sorted(context)
    assert (head.context.get(b"traceparent"), head.context.get(b"tracestate")) == (
        PARENT[1] if PARENT in context else None,
        b"a=b, c=d" if STATE in context else None,
    )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param((PARENT, PARENT), id="two-parents"),
        pytest.param((STATE, STATE), id="two-states"),
        pytest.param((PARENT, (b"Traceparent", b"1")), id="odd-case"),
        pytest.param(((b"trace-parent", b"1"),), id="alike"),
        pytest.param(((b"tracestatex", b"1"),), id="longer"),
        pytest.param((PARENT, (b"b3", b"0")), id="b3-too"),
        pytest.param((PARENT, (b"baggage", b"a=b")), id="baggage-too"),
    ],
)
def test_any_other_context_is_not_plain(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    assert find(request(HOST, *fields)) is None
    assert find(request(*fields, HOST)) is None


def test_a_context_behind_the_end_of_a_request_is_none_of_it() -> None:
    assert find(request(HOST) + b"traceparent: 1\r\n\r\n") is None
    assert find(request(HOST) + b"traceparent: 1\r\na: b\r\n\r\n") is None
    requests = PlainRequests()
    assert requests.find(request(HOST)) is not None
    assert requests.find(request(HOST) + b"\r\ntraceparent: 1\r\n\r\n") is None


@pytest.mark.parametrize("name", READ_IN_REQUESTS, ids=bytes.decode)
@pytest.mark.parametrize("change", [bytes.lower, bytes.upper, lambda name: name.replace(b"-", b"_")])
def test_no_field_that_is_read_here_is_in_a_plain_request(name: bytes, change: object) -> None:
    assert callable(change)
    assert find(request(HOST, (change(name), b"1"))) is None
    assert find(request((change(name), b"1"), HOST)) is None


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
        pytest.param(b"CONNECT" + request(HOST)[3:], id="connect"),
        pytest.param(b"get" + request(HOST)[3:], id="unknown-method"),
        pytest.param(request(HOST).replace(b"/1.1", b"/1.0"), id="version-1.0"),
        pytest.param(request(HOST).replace(b" / ", b" /  "), id="two-spaces"),
        pytest.param(request(HOST).replace(b" / ", b"  / "), id="two-spaces-before"),
        pytest.param(request(HOST).replace(b" / ", b" "), id="no-target"),
    ],
)
def test_what_is_no_plain_request(data: bytes) -> None:
    assert find(data) is None


def found(data: bytes) -> tuple[int, bytes, bytes] | None:
    head = find_plain_response(data)
    return None if head is None else (head.status, head.phrase, head.lines)


def test_a_plain_response_keeps_its_lines_but_for_keep_alive() -> None:
    length = (b"Content-Length", b"4")
    plain = (200, b"OK", b"\r\nContent-Length: 4\r\na: b")
    assert found(response(length, (b"a", b"b"))) == plain
    kept = (b"Connection", b"keep-alive")
    for fields in ((kept, length, (b"a", b"b")), (length, kept, (b"a", b"b")), (length, (b"a", b"b"), kept)):
        assert found(response(*fields)) == plain


@pytest.mark.parametrize("phrase", [b" ", b" Not  So \xff"], ids=["empty", "odd"])
def test_a_plain_response_keeps_its_phrase(phrase: bytes) -> None:
    plain = found(response((b"Content-Length", b"4"), start=b"HTTP/1.1 404" + phrase))
    assert plain == (404, phrase[1:], b"\r\nContent-Length: 4")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(response(), id="no-length"),
        pytest.param(response((b"Content-Length", b"4"), (b"content-length", b"4")), id="two-lengths"),
        pytest.param(response((b"Content-Length", b"4"), (b"Connection", b"close")), id="close"),
        pytest.param(response((b"Content-Length", b"4"), (b"Connection", b"keep-alive, x")), id="named"),
        pytest.param(response((b"Content-Length", b"4"), (b"Upgrade", b"x")), id="upgrade"),
        pytest.param(response((b"Transfer-Encoding", b"chunked")), id="chunked"),
        pytest.param(response((b"Content-Length", b"3")), id="longer"),
        pytest.param(response((b"Content-Length", b"5")), id="not-all-there"),
        pytest.param(response((b"Content-Length", b"+4")), id="sign"),
        pytest.param(response((b"Content-Length", b"4,4")), id="list"),
        pytest.param(response((b"Content-Length", b"4"), *[(b"Connection", b"keep-alive")] * 2), id="twice"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.1 204 x"), id="204"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.1 304 x"), id="304"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.1 200"), id="no-phrase"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.1 103 x"), id="interim"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.1 099 x"), id="no-status"),
        pytest.param(response((b"Content-Length", b"4"), start=b"HTTP/1.0 200 OK"), id="version-1.0"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", id="not-whole"),
    ],
)
def test_what_is_no_plain_response(data: bytes) -> None:
    assert find_plain_response(data) is None


NAMES = st.sampled_from(
    [b"Accept", b"X-A", b"cookie", b"Origin", b"Via", b"Host", b"b3", b"X_B3_TraceId", b"Te"]
)
VALUES = st.sampled_from([b"", b"a", b" a: b ", b"\xff", b"Host: x", b"\ttraceparent: 1"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_a_plain_head_says_what_its_lines_say(fields: list[tuple[bytes, bytes]]) -> None:
    data = request(*fields)
    head = find(data)
    names = [name.lower() for name, _ in fields]
    if head is None:
        assert names.count(b"host") != 1 or {b"b3", b"x_b3_traceid", b"te"} & set(names)
        return
    assert head.names == names
    assert head.present == set(names)
    assert head.fields == [(name, value.lstrip(b" \t")) for name, value in fields]
    assert head.get(b"host") == head.host


def test_a_plain_head_has_no_other_attributes() -> None:
    head = find_plain_response(response((b"Content-Length", b"4")))
    assert head is not None
    assert head.fields == [(b"Content-Length", b"4")]
    assert not hasattr(head, "nothing")


def test_a_response_head_is_encoded_with_the_lines_it_is_given() -> None:
    head = find_plain_response(response((b"Content-Length", b"4"), (b"Connection", b"keep-alive")))
    assert head is not None
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    assert head.encode(head.lines) == head.encode(head.lines) == sent
    assert head.encode(b"\r\na: b") == b"HTTP/1.1 200 OK\r\na: b\r\n\r\n"


class Collected:
    """What llhttp says of the bytes it is fed."""

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = 0

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete += 1


CONTEXT = [b"\r\ntraceparent: 00-1", b"\r\ntracestate: a=b", b"\r\nTraceparent: 2"]
LINES = [b"GET", b"PUT", b"CONNECT", b" ", b"  ", b"/", b"/a?b=%20", b"http://a.test/", b"*", b" HTTP/1.1"]
KEPT = [b"\r\nConnection: keep-alive", b"\r\nconnection: close"]
BODIES = [b"\r\nContent-Length: 4", b"\r\ncontent-length: 4", b"\r\n\r\nbody", b"\r\n\r\nbodies"]
ENDS = [b" HTTP/1.0", b"\r\n", b"\n", b"\r\nHost: a", b"\r\nHost:b", b"\r\nA: b", b"\t", b"\0", b"#", b"\xff"]
PIECES = st.sampled_from([*LINES, *ENDS, *CONTEXT, *KEPT, *BODIES])


@given(
    st.lists(PIECES, max_size=9).map(lambda pieces: [b"GET / HTTP/1.1", b"\r\nHost: a", *pieces])
    | st.lists(PIECES, max_size=9)
)
def test_the_wire_parser_reads_a_plain_request_alike_or_refuses_it(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    if b"\r\n\r\n" not in data:
        data += b"\r\n\r\n"
    head = find(data)
    if head is None:
        return
    collected = Collected()
    parser = httptools.HttpRequestParser(collected)
    try:
        parser.feed_data(data)
    except httptools.HttpParserError:
        return
    assert collected.complete == 1
    assert collected.body == data[len(data) - head.length :]
    assert (parser.get_method(), parser.get_http_version()) == (head.method, "1.1")
    kept = (b"Connection", b"keep-alive")
    assert (collected.target, [field for field in collected.fields if field != kept]) == (
        head.target,
        head.fields,
    )
    assert (b"connection", b"close") not in collected.fields
    context = [field for field in collected.fields if field[0] in (b"traceparent", b"tracestate")]
    assert sorted(context) == (head.context.fields if head.context is not None else [])
    others = [field for field in collected.fields if field not in (*context, kept)]
    assert others == parse_fields(head.bare)
