"""Requests larger than what one may cost (RFC 9112, 3 and 5.4; RFC 9110, 15.5.14)."""

from tests.attacks.cases import (
    Refused,
    RequestCase,
    chunked,
    get,
    post,
    seen,
    seen_chunked,
    seen_post,
    served,
)

SMALL = "limits: {header_bytes: 1KiB, headers: 10, request_body: 10B}"
LARGE = "RFC 6585, 5: 431"
LONG = "RFC 9110, 15.5.15: 414"
BODY = "RFC 9110, 15.5.14: 413"

CASES = [
    RequestCase("limit-target", LONG, get(line=b"GET /%b HTTP/1.1" % (b"x" * 2000)), Refused(414), SMALL),
    RequestCase(
        "limit-target-absolute",
        LONG,
        get(line=b"GET http://a.test/%b HTTP/1.1" % (b"x" * 2000)),
        Refused(414),
        SMALL,
    ),
    RequestCase("limit-target-endless", LONG, b"GET /" + b"x" * 2000, Refused(414), SMALL),
    RequestCase("limit-value", LARGE, get(b"X: " + b"y" * 2000), Refused(431), SMALL),
    RequestCase(
        "limit-value-endless",
        LARGE,
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: " + b"y" * 2000,
        Refused(431),
        SMALL,
    ),
    RequestCase("limit-name", LARGE, get(b"x" * 2000 + b": y"), Refused(431), SMALL),
    RequestCase(
        "limit-name-endless", LARGE, b"GET / HTTP/1.1\r\nHost: a.test\r\n" + b"x" * 2000, Refused(431), SMALL
    ),
    RequestCase("limit-method-endless", "RFC 9112, 3: 501", b"A" * 2000, Refused(501), SMALL),
    RequestCase(
        "limit-sum", LARGE, get(*[b"X-%d: %b" % (n, b"y" * 150) for n in range(8)]), Refused(431), SMALL
    ),
    RequestCase("limit-count", LARGE, get(*[b"X: y"] * 10), Refused(431), SMALL),
    RequestCase("limit-count-kept", LARGE, get(*[b"X: y"] * 9), served(seen(*[b"X: y"] * 9)), SMALL),
    RequestCase(
        "limit-count-framed",
        LARGE,
        post(b"Content-Length: 1", *[b"X: y"] * 9, body=b"x"),
        Refused(431),
        SMALL,
    ),
    RequestCase(
        "limit-host", "RFC 1035, 2.3.4", get(b"X: y").replace(b"a.test", b"a" * 900), Refused(400), SMALL
    ),
    RequestCase(
        "limit-body-kept",
        BODY,
        post(b"Content-Length: 10", body=b"0123456789"),
        served(seen_post(b"Content-Length: 10", body=b"0123456789")),
        SMALL,
    ),
    RequestCase("limit-body", BODY, post(b"Content-Length: 11", body=b"0123456789a"), Refused(413), SMALL),
    RequestCase("limit-body-announced", BODY, post(b"Content-Length: 11"), Refused(413), SMALL),
    RequestCase("limit-body-huge", BODY, post(b"Content-Length: 9223372036854775807"), Refused(413), SMALL),
    RequestCase(
        "limit-chunked-kept",
        BODY,
        chunked(b"a\r\n0123456789\r\n0\r\n\r\n"),
        served(seen_chunked(b"0123456789")),
        SMALL,
    ),
    RequestCase("limit-chunked", BODY, chunked(b"b\r\n0123456789a\r\n0\r\n\r\n"), Refused(413), SMALL),
    RequestCase(
        "limit-chunked-two", BODY, chunked(b"6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n"), Refused(413), SMALL
    ),
    # What comes with a piece of a body is dropped unread; what comes without one is counted.
    RequestCase(
        "limit-extension", LARGE, (chunked(b""), b"1;" + b"y" * 800, b"y" * 800), Refused(431), SMALL
    ),
    RequestCase(
        "limit-extensions",
        "CVE-2023-39326 (Go)",
        chunked(b"1;%b\r\nx\r\n" % (b"y" * 500) * 5 + b"0\r\n\r\n"),
        served(seen_chunked(b"x", b"x", b"x", b"x", b"x")),
        SMALL,
    ),
    RequestCase(
        "limit-chunk-size-digits", LARGE, (chunked(b""), b"0" * 800, b"0" * 800), Refused(431), SMALL
    ),
    RequestCase("limit-trailers", LARGE, chunked(b"0\r\nX: %b\r\n\r\n" % (b"y" * 2000)), Refused(431), SMALL),
    RequestCase(
        "limit-trailers-behind-body",
        LARGE,
        chunked(b"1\r\nx\r\n0\r\nX: %b\r\n\r\n" % (b"y" * 1020)),
        Refused(431),
        SMALL,
    ),
    RequestCase(
        "limit-trailer-count", LARGE, chunked(b"0\r\n" + b"X: y\r\n" * 11 + b"\r\n"), Refused(431), SMALL
    ),
    RequestCase("limit-blank-lines", "RFC 9112, 2.2", b"\r\n" * 1000 + get(), served(seen()), SMALL),
]
