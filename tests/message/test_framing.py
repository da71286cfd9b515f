import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.framing import Framing, chunk, request_framing, response_framing, sent_framing
from proxy.message.head import Field, RequestHead, ResponseHead

LENGTH = (b"Content-Length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")


def request(*fields: Field, version: tuple[int, int] = (1, 1)) -> RequestHead:
    return RequestHead(b"POST", b"/", list(fields), version)


def response(*fields: Field, status: int = 200, version: tuple[int, int] = (1, 1)) -> ResponseHead:
    return ResponseHead(status, b"OK", list(fields), version)


REQUESTS = [
    pytest.param(request(), Framing.NONE, id="none"),
    pytest.param(request(LENGTH), Framing.LENGTH, id="length"),
    pytest.param(request(LENGTH, version=(1, 0)), Framing.LENGTH, id="length-1.0"),
    pytest.param(request(CHUNKED), Framing.CHUNKED, id="chunked"),
    pytest.param(request((b"TRANSFER-encoding", b" Chunked\t")), Framing.CHUNKED, id="chunked-odd-case"),
]


@pytest.mark.parametrize(("head", "framing"), REQUESTS)
def test_request_framing(head: RequestHead, framing: Framing) -> None:
    assert request_framing(head) is framing


UNSOUND = [
    pytest.param([CHUNKED, LENGTH], id="both"),
    pytest.param([LENGTH, LENGTH], id="two-lengths"),
    pytest.param([CHUNKED, CHUNKED], id="two-codings"),
    pytest.param([(b"Transfer-Encoding", b"gzip, chunked")], id="gzip-chunked"),
    pytest.param([(b"Transfer-Encoding", b"chunked, gzip")], id="chunked-gzip"),
    pytest.param([(b"Transfer-Encoding", b"identity")], id="identity"),
    pytest.param([(b"Transfer-Encoding", b"")], id="no-coding"),
    pytest.param([(b"Transfer-Encoding", b"chunked;q=1")], id="parameter"),
    pytest.param([(b"Transfer-Encoding", b"\x0bchunked")], id="vertical-tab"),
]


@pytest.mark.parametrize("fields", UNSOUND)
def test_a_message_that_two_parsers_read_in_two_ways_is_refused(fields: list[Field]) -> None:
    with pytest.raises(RefusedMessage) as caught:
        request_framing(request(*fields))
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    with pytest.raises(RefusedMessage) as caught:
        response_framing(response(*fields), b"GET")
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


def test_a_coding_in_http_1_0_is_refused() -> None:
    with pytest.raises(RefusedMessage):
        request_framing(request(CHUNKED, version=(1, 0)))
    with pytest.raises(RefusedMessage):
        response_framing(response(CHUNKED, version=(1, 0)), b"GET")


RESPONSES = [
    pytest.param(response(), b"GET", Framing.CLOSE, id="nothing"),
    pytest.param(response(LENGTH), b"GET", Framing.LENGTH, id="length"),
    pytest.param(response(CHUNKED), b"GET", Framing.CHUNKED, id="chunked"),
    pytest.param(response(LENGTH), b"HEAD", Framing.NONE, id="head-length"),
    pytest.param(response(CHUNKED), b"HEAD", Framing.NONE, id="head-chunked"),
    pytest.param(response(), b"HEAD", Framing.NONE, id="head"),
    pytest.param(response(status=204), b"GET", Framing.NONE, id="204"),
    pytest.param(response(LENGTH, status=204), b"GET", Framing.NONE, id="204-length"),
    pytest.param(response(LENGTH, status=304), b"GET", Framing.NONE, id="304-length"),
    pytest.param(response(CHUNKED, status=304), b"GET", Framing.NONE, id="304-chunked"),
    pytest.param(response(status=103), b"GET", Framing.NONE, id="103"),
    pytest.param(response(status=205), b"GET", Framing.CLOSE, id="205"),
    pytest.param(response(LENGTH, version=(1, 0)), b"GET", Framing.LENGTH, id="1.0-length"),
]


@pytest.mark.parametrize(("head", "method", "framing"), RESPONSES)
def test_response_framing(head: ResponseHead, method: bytes, framing: Framing) -> None:
    assert response_framing(head, method) is framing


SENT = [
    (Framing.NONE, (1, 1), Framing.NONE),
    (Framing.NONE, (1, 0), Framing.NONE),
    (Framing.LENGTH, (1, 1), Framing.LENGTH),
    (Framing.LENGTH, (1, 0), Framing.LENGTH),
    (Framing.CHUNKED, (1, 1), Framing.CHUNKED),
    (Framing.CHUNKED, (1, 0), Framing.CLOSE),
    (Framing.CLOSE, (1, 1), Framing.CHUNKED),
    (Framing.CLOSE, (1, 0), Framing.CLOSE),
]


@pytest.mark.parametrize(("received", "version", "sent"), SENT)
def test_sent_framing(received: Framing, version: tuple[int, int], sent: Framing) -> None:
    assert sent_framing(received, version) is sent


@given(st.binary(min_size=1, max_size=5000))
def test_a_chunk_says_its_size(data: bytes) -> None:
    size, _, rest = chunk(data).partition(b"\r\n")
    assert int(size, 16) == len(data)
    assert rest == data + b"\r\n"
