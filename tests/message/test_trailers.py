import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.trailers import safe_trailers

KEPT = [
    b"Grpc-Status",
    b"grpc-message",
    b"Server-Timing",
    b"Digest",
    b"ETag",
    b"X-Checksum",
    b"Expires",
    b"X",
]
DROPPED = [
    b"Transfer-Encoding",
    b"content-length",
    b"Content-Encoding",
    b"Content-Type",
    b"Content-Range",
    b"Host",
    b"Connection",
    b"Keep-Alive",
    b"Proxy-Connection",
    b"TE",
    b"Trailer",
    b"Upgrade",
    b"Expect",
    b"Range",
    b"Max-Forwards",
    b"Cache-Control",
    b"Age",
    b"Authorization",
    b"Proxy-Authorization",
    b"Cookie",
    b"SET-COOKIE",
    b"Forwarded",
    b"X-Forwarded-For",
    b"x_forwarded_for",
    b"X-Forwarded-Anything",
    b"traceparent",
    b"TraceState",
    b"baggage",
    b"b3",
    b"X-B3-TraceId",
    b"x-datadog-trace-id",
    b"x_datadog_tags",
    b"Content_Length",
]


@pytest.mark.parametrize("name", KEPT)
def test_trailers_that_tell_about_the_body_stay(name: bytes) -> None:
    assert safe_trailers([(name, b"v")]) == [(name, b"v")]


@pytest.mark.parametrize("name", DROPPED)
def test_trailers_that_change_how_the_message_is_read_go(name: bytes) -> None:
    assert safe_trailers([(b"A", b"1"), (name, b"v"), (b"a", b"2")]) == [(b"A", b"1"), (b"a", b"2")]


@given(st.lists(st.tuples(st.sampled_from([*KEPT, *DROPPED]), st.binary(max_size=4))))
def test_order_case_repeats_and_values_stay(trailers: list[tuple[bytes, bytes]]) -> None:
    assert safe_trailers(trailers) == [field for field in trailers if field[0] in KEPT]
