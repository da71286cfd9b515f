"""What hides behind, between or inside requests that are good by themselves."""

from tests.attacks.cases import (
    GET,
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

CLOSE = "RFC 9112, 9.6: nothing follows a request that closes"
PIPELINE = "RFC 9112, 9.3.2: pipelining"
HOP = "RFC 9110, 7.6.1: Connection"
OFFER = "RFC 9110, 7.8: Upgrade"
H2C = "RFC 9113, 3.1: h2c smuggling"
EXPECT = "RFC 9110, 10.1.1: Expect"
ALIKE = "CGI, WSGI: names that differ by _ for -"
TRACE = "W3C Trace Context, 3.2: one traceparent"

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECOND = b"GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n"
SEEN_SECOND = seen(line=b"GET /second HTTP/1.1")
END = b"0\r\n\r\n"
STRIP = "tracing: {sample_rate: 0, invalid: strip, rules: [{match: /}]}"


def _alike(name: bytes) -> RequestCase:
    return RequestCase(f"alike-{name.decode()}", ALIKE, get(name + b": 1"), served(seen()))


def _nominated(name: bytes, value: bytes = b"1") -> RequestCase:
    line = name + b": " + value
    return RequestCase(
        f"nominated-{name.decode().lower()}", HOP, get(b"Connection: " + name, line), served(seen(line))
    )


def _hidden_lines(blank: bytes) -> bytes:
    head = blank + b"POST / HTTP/1.1\r\nHost: a.test\r\nX-Pad: %b\r\nContent-Length: 200\r\n\r\n" % (
        b"a" * 80
    )
    hidden = b"GET /evil HTTP/1.1\r\nHost: b.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + (b"x" * (200 - len(head)) + hidden).ljust(200, b"y")


def _hidden(id: str, blank: bytes) -> RequestCase:
    data = _hidden_lines(blank)
    body = data[-200:]
    return RequestCase(
        id,
        "a place in one read, counted wrong",
        data + get(b"X-A: b", b"X-C: d", line=b"GET /second HTTP/1.1"),
        served(
            seen_post(b"X-Pad: " + b"a" * 80, b"Content-Length: 200", body=body),
            seen(b"X-A: b", b"X-C: d", line=b"GET /second HTTP/1.1"),
        ),
    )


CLOSING = [
    RequestCase("close-then-request", CLOSE, get(b"Connection: close") + SECOND, served(seen(), closes=True)),
    RequestCase(
        "close-then-request-later", CLOSE, (get(b"Connection: close"), SECOND), served(seen(), closes=True)
    ),
    RequestCase(
        "close-in-list", CLOSE, get(b"Connection: keep-alive, Close") + SECOND, served(seen(), closes=True)
    ),
    RequestCase(
        "close-in-second-field",
        CLOSE,
        get(b"Connection: keep-alive", b"Connection: close") + SECOND,
        served(seen(), closes=True),
    ),
    RequestCase(
        "close-then-garbage",
        CLOSE,
        get(b"Connection: close") + b"\x00\xff\r\n" * 5,
        served(seen(), closes=True),
    ),
    RequestCase(
        "close-with-body",
        CLOSE,
        post(b"Connection: close", b"Content-Length: 5", body=b"hello") + SECOND,
        served(seen_post(b"Content-Length: 5", body=b"hello"), closes=True),
    ),
    RequestCase(
        "close-with-chunks",
        CLOSE,
        chunked(b"3\r\nabc\r\n" + END, b"Connection: close") + SECOND,
        served(seen_chunked(b"abc"), closes=True),
    ),
    RequestCase("close-http-1.0", CLOSE, get(line=b"GET / HTTP/1.0") + SECOND, served(seen(), closes=True)),
    RequestCase(
        "close-http-1.0-later", CLOSE, (get(line=b"GET / HTTP/1.0"), SECOND), served(seen(), closes=True)
    ),
    RequestCase(
        "close-http-1.0-body",
        CLOSE,
        post(b"Content-Length: 5", body=b"hello", line=b"POST / HTTP/1.0") + SECOND,
        served(seen_post(b"Content-Length: 5", body=b"hello"), closes=True),
    ),
    RequestCase(
        "close-behind-a-good-one",
        CLOSE,
        GET + get(b"Connection: close") + SECOND,
        served(seen(), seen(), closes=True),
    ),
    RequestCase("refused-then-request", "RFC 9112, 2.2", b"GET / HTTP/1.1\r\n\r\n" + SECOND, Refused()),
    RequestCase(
        "refused-behind-a-good-one",
        "RFC 9112, 2.2",
        GET + b"GET / HTTP/1.1\r\n\r\n" + SECOND,
        Refused(after=(seen(),)),
    ),
    RequestCase(
        "refused-method-then-request", "RFC 9110, 9.1", get(line=b"TRACE / HTTP/1.1") + SECOND, Refused(501)
    ),
    RequestCase(
        "connect-then-request",
        "RFC 9110, 9.3.6",
        b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n" + SECOND,
        Refused(501),
    ),
]

PIPELINES = [
    RequestCase("pipeline", PIPELINE, GET + SECOND, served(seen(), SEEN_SECOND)),
    RequestCase("pipeline-blank-line", "RFC 9112, 2.2", GET + b"\r\n" + SECOND, served(seen(), SEEN_SECOND)),
    RequestCase(
        "pipeline-behind-length",
        PIPELINE,
        post(b"Content-Length: 5", body=b"hello") + SECOND,
        served(seen_post(b"Content-Length: 5", body=b"hello"), SEEN_SECOND),
    ),
    RequestCase(
        "pipeline-behind-chunks",
        PIPELINE,
        chunked(b"3\r\nabc\r\n" + END) + SECOND,
        served(seen_chunked(b"abc"), SEEN_SECOND),
    ),
    RequestCase(
        "pipeline-body-is-a-request",
        PIPELINE,
        post(b"Content-Length: %d" % len(SECOND), body=SECOND) + GET,
        served(seen_post(b"Content-Length: %d" % len(SECOND), body=SECOND), seen()),
    ),
    RequestCase(
        "pipeline-chunk-is-a-request",
        PIPELINE,
        chunked(b"%x\r\n%b\r\n" % (len(SECOND), SECOND) + END) + GET,
        served(seen_chunked(SECOND), seen()),
    ),
    RequestCase(
        "pipeline-chunk-looks-like-the-end",
        PIPELINE,
        chunked(b"5\r\n0\r\n\r\n\r\n" + END) + GET,
        served(seen_chunked(b"0\r\n\r\n"), seen()),
    ),
    RequestCase(
        "pipeline-split-inside-a-head",
        PIPELINE,
        (GET + SECOND[:9], SECOND[9:]),
        served(seen(), SEEN_SECOND),
    ),
    RequestCase(
        "pipeline-split-inside-a-body",
        PIPELINE,
        (post(b"Content-Length: 5", body=b"he"), b"llo" + SECOND),
        served(seen_post(b"Content-Length: 5", body=b"hello"), SEEN_SECOND),
    ),
    _hidden("body-where-a-head-is-awaited", b"\r\n"),
    _hidden("body-where-a-head-is-awaited-2", b"\r\n\r\n"),
    RequestCase(
        "blank-lines-between",
        "RFC 9112, 2.2",
        post(b"Content-Length: 5", body=b"hello") + b"\r\n\r\n" + SECOND,
        served(seen_post(b"Content-Length: 5", body=b"hello"), SEEN_SECOND),
    ),
]

CONNECTIONS = [
    RequestCase("hop-named", HOP, get(b"Connection: x-a", b"X-A: 1", b"X-B: 2"), served(seen(b"X-B: 2"))),
    RequestCase("hop-keep-alive", HOP, get(b"Keep-Alive: timeout=5", b"X: y"), served(seen(b"X: y"))),
    RequestCase("hop-proxy-connection", HOP, get(b"Proxy-Connection: keep-alive"), served(seen())),
    RequestCase("hop-te", HOP, get(b"TE: trailers, chunked"), served(seen())),
    RequestCase(
        "hop-proxy-connection-then-request",
        CLOSE,
        get(b"Proxy-Connection: close") + SECOND,
        served(seen(), closes=True),
    ),
    RequestCase(
        "hop-proxy-connection-disagrees",
        CLOSE,
        get(b"Connection: keep-alive", b"Proxy-Connection: foo, Close") + SECOND,
        served(seen(), closes=True),
    ),
    RequestCase("hop-empty", HOP, get(b"Connection:"), served(seen())),
    RequestCase("hop-commas", HOP, get(b"Connection: ,,, ,"), served(seen())),
    RequestCase("hop-bad-option", HOP, get(b"Connection: @, x y, \xff"), served(seen())),
    RequestCase(
        "hop-two-fields",
        HOP,
        get(b"Connection: x-a", b"connection: x-b", b"X-A: 1", b"X-B: 2"),
        served(seen()),
    ),
    _nominated(b"traceparent", TRACEPARENT),
    _nominated(b"tracestate", b"a=b"),
    _nominated(b"baggage", b"a=b"),
    _nominated(b"b3", b"0"),
    _nominated(b"X-B3-TraceId"),
    _nominated(b"x-datadog-trace-id"),
    _nominated(b"X-Forwarded-Port"),
    RequestCase("nominated-host", HOP, get(b"Connection: host"), served(seen())),
    RequestCase(
        "nominated-all",
        "hop-by-hop abuse",
        get(
            b"Connection: close, Host, X-Forwarded-For, X-Forwarded-Host, traceparent",
            b"traceparent: " + TRACEPARENT,
        ),
        served(seen(b"traceparent: " + TRACEPARENT), closes=True),
    ),
    RequestCase(
        "nominated-cookie",
        "hop-by-hop abuse: the client may drop what is its own",
        get(b"Connection: cookie", b"Cookie: a=b"),
        served(seen()),
    ),
    RequestCase(
        "x-forwarded-for-spoofed",
        "RFC 7239, 8.1",
        get(
            b"X-Forwarded-For: 10.0.0.1",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Host: b.test",
            b"Forwarded: for=10.0.0.1",
        ),
        served(seen()),
    ),
    RequestCase(
        "x-forwarded-for-spoofed-twice",
        "RFC 7239, 8.1",
        get(b"x-forwarded-for: 10.0.0.1", b"X-FORWARDED-FOR: 10.0.0.2"),
        served(seen()),
    ),
    _alike(b"X_Forwarded_For"),
    _alike(b"x-forwarded_for"),
    _alike(b"X_Forwarded-Proto"),
    _alike(b"X_FORWARDED_HOST"),
    _alike(b"Content_Length"),
    _alike(b"Transfer_Encoding"),
    _alike(b"transfer-encoding_".replace(b"-encoding_", b"_encoding")),
    _alike(b"Keep_Alive"),
    _alike(b"Proxy_Connection"),
    _alike(b"X_B3_TraceId"),
    _alike(b"x_datadog_trace_id"),
]

OFFERS = [
    RequestCase(
        "h2c",
        H2C,
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ"),
        served(seen()),
    ),
    RequestCase(
        "h2c-settings-not-named",
        H2C,
        get(b"Connection: Upgrade", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ"),
        served(seen()),
    ),
    RequestCase("h2c-not-named", H2C, get(b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ"), served(seen())),
    RequestCase("h2c-case", H2C, get(b"connection: UPGRADE", b"upgrade: H2C"), served(seen())),
    RequestCase("h2c-among-others", H2C, get(b"Connection: Upgrade", b"Upgrade: h2c, foo"), served(seen())),
    RequestCase(
        "h2c-among-others-last", H2C, get(b"Connection: Upgrade", b"Upgrade: foo/1, h2c"), served(seen())
    ),
    RequestCase("h2c-versioned", H2C, get(b"Connection: Upgrade", b"Upgrade: h2c/2"), served(seen())),
    RequestCase("h2", H2C, get(b"Connection: Upgrade", b"Upgrade: h2"), served(seen())),
    RequestCase(
        "h2c-then-preface",
        H2C,
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ")
        + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        Refused(after=(seen(),)),
    ),
    RequestCase(
        "h2c-then-request",
        H2C,
        get(b"Connection: Upgrade", b"Upgrade: h2c") + SECOND,
        served(seen(), SEEN_SECOND),
    ),
    RequestCase(
        "h2c-with-body",
        H2C,
        post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(SECOND), body=SECOND),
        served(seen_post(b"Content-Length: %d" % len(SECOND), body=SECOND)),
    ),
    RequestCase(
        "offer-between-requests",
        "RFC 9112, 9.3.2: answers in the order of the requests",
        GET + get(b"Connection: upgrade", b"Upgrade: foo") + SECOND,
        served(
            seen(),
            seen().removesuffix(b"\r\n") + b"Connection: Upgrade\r\nUpgrade: foo\r\n\r\n",
            SEEN_SECOND,
        ),
    ),
    RequestCase(
        "offer-with-length-then-request",
        OFFER,
        post(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: %d" % len(SECOND), body=SECOND)
        + GET,
        served(seen_post(b"Content-Length: %d" % len(SECOND), body=SECOND), seen()),
    ),
    RequestCase(
        "offer-with-chunks-then-request",
        OFFER,
        chunked(b"%x\r\n%b\r\n" % (len(SECOND), SECOND) + END, b"Connection: Upgrade", b"Upgrade: websocket")
        + GET,
        served(seen_chunked(SECOND), seen()),
    ),
    RequestCase(
        "offer-in-proxy-connection",
        "llhttp reads Proxy-Connection as Connection",
        post(b"Proxy-Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(SECOND), body=SECOND)
        + GET,
        served(seen_post(b"Content-Length: %d" % len(SECOND), body=SECOND), seen()),
    ),
    RequestCase(
        "offer-both-framings",
        OFFER,
        post(
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            body=END,
        ),
        Refused(),
    ),
    RequestCase(
        "offer-bad-chunk",
        OFFER,
        chunked(b"0x5\r\nhello\r\n" + END, b"Connection: Upgrade", b"Upgrade: websocket"),
        Refused(),
    ),
    RequestCase(
        "offer-bad-length",
        OFFER,
        post(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: +5", body=b"hello"),
        Refused(),
    ),
    RequestCase(
        "offer-http-1.0",
        "RFC 9110, 7.8: no Upgrade in HTTP/1.0",
        get(b"Connection: Upgrade", b"Upgrade: h2c", line=b"GET / HTTP/1.0"),
        served(seen(), closes=True),
    ),
]

EXPECTS = [
    RequestCase(
        "expect",
        EXPECT,
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
        served(seen_post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello")),
    ),
    RequestCase(
        "expect-without-body", EXPECT, get(b"Expect: 100-continue"), served(seen(b"Expect: 100-continue"))
    ),
    RequestCase(
        "expect-obfuscated",
        "CVE-2025-32094 (Akamai): an obfuscated Expect",
        post(b"Expect: y 100-continue", b"Content-Length: 5", body=b"hello"),
        served(seen_post(b"Expect: y 100-continue", b"Content-Length: 5", body=b"hello")),
    ),
    RequestCase(
        "expect-twice",
        EXPECT,
        post(b"Expect: 100-continue", b"Expect: x", b"Content-Length: 5", body=b"hello"),
        served(seen_post(b"Expect: 100-continue", b"Expect: x", b"Content-Length: 5", body=b"hello")),
    ),
    RequestCase(
        "expect-http-1.0",
        EXPECT,
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello", line=b"POST / HTTP/1.0"),
        served(seen_post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"), closes=True),
    ),
]

TRACES = [
    RequestCase(
        "traceparent-twice",
        TRACE,
        get(b"traceparent: " + TRACEPARENT, b"TraceParent: " + TRACEPARENT.replace(b"0af", b"1af")),
        served(seen()),
        config=STRIP,
    ),
    RequestCase(
        "traceparent-underscore",
        ALIKE,
        get(b"traceparent: " + TRACEPARENT, b"trace_parent: x", b"Trace-Parent: y"),
        served(seen(b"traceparent: " + TRACEPARENT, b"trace_parent: x", b"Trace-Parent: y")),
        config=STRIP,
    ),
    RequestCase(
        "traceparent-untrusted",
        "W3C Trace Context, 7: a stranger's context",
        get(b"TRACEPARENT: " + TRACEPARENT, b"Tracestate: a=b", b"Baggage: c=d", b"X_B3_TraceId: 1"),
        served(seen()),
        config="tracing: {sample_rate: 0, trust: none, untrusted: strip, rules: [{match: /}]}",
    ),
    RequestCase(
        "traceparent-untrusted-unmatched",
        "W3C Trace Context, 7: a stranger's context",
        get(b"TraceParent: " + TRACEPARENT, b"tracestate: a=b", b"baggage: c=d"),
        served(seen()),
        config="tracing: {trust: none}",
    ),
    RequestCase(
        "traceparent-nominated-and-untrusted",
        HOP,
        get(b"Connection: traceparent, x-a", b"traceparent: " + TRACEPARENT, b"X-A: 1"),
        served(seen()),
        config="tracing: {trust: none}",
    ),
]

CASES = [*CLOSING, *PIPELINES, *CONNECTIONS, *OFFERS, *EXPECTS, *TRACES]
