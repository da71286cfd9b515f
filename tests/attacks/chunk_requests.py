"""Chunked requests whose chunks, extensions or trailers two readers could see differently (RFC 9112, 7.1)."""

from tests.attacks.cases import Refused, RequestCase, chunked, seen, seen_chunked, served

SIZE = "RFC 9112, 7.1: chunk-size = 1*HEXDIG"
LINE = "RFC 9112, 7.1: chunk lines end in CRLF"
EXTENSION = "RFC 9112, 7.1.1: chunk-ext"
TRAILER = "RFC 9112, 7.1.2; RFC 9110, 6.5.1"
TERM_EXT = "CVE-2025-55315 and kin: TERM.EXT, EXT.TERM"

END = b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n"
#: A second request, whose first line starts where a lenient reader ends the body.
SECOND = b"GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n"


def _refused(id: str, body: bytes, source: str) -> RequestCase:
    return RequestCase(f"chunk-{id}", source, chunked(body), Refused())


def _hello(id: str, body: bytes, source: str) -> RequestCase:
    return RequestCase(f"chunk-{id}", source, chunked(body), served(seen_chunked(b"hello")))


def _trailer(id: str, line: bytes, kept: bytes = b"") -> RequestCase:
    body = HELLO + b"0\r\n" + line + b"\r\n\r\n"
    return RequestCase(f"trailer-{id}", TRAILER, chunked(body), served(seen_chunked(b"hello", trailers=kept)))


SIZES = [
    _hello("size", HELLO + END, SIZE),
    _hello("size-leading-zeros", b"0005\r\nhello\r\n000\r\n\r\n", SIZE),
    RequestCase(
        "chunk-size-upper-case",
        SIZE,
        chunked(b"A\r\n0123456789\r\n" + END),
        served(seen_chunked(b"0123456789")),
    ),
    _refused("size-empty", b"\r\nhello\r\n" + END, SIZE),
    _refused("size-0x", b"0x5\r\nhello\r\n" + END, SIZE),
    _refused("size-0X", b"0X5\r\nhello\r\n" + END, SIZE),
    _refused("size-plus", b"+5\r\nhello\r\n" + END, SIZE),
    _refused("size-minus", b"-5\r\nhello\r\n" + END, SIZE),
    _refused("size-minus-zero", b"-0\r\n\r\n", SIZE),
    _refused("size-underscore", b"0_5\r\nhello\r\n" + END, "int() of Python"),
    _refused("size-letter", b"g\r\nhello\r\n" + END, SIZE),
    _refused("size-quoted", b'"5"\r\nhello\r\n' + END, SIZE),
    _refused("size-comma", b"5,\r\nhello\r\n" + END, SIZE),
    _refused("size-point", b"5.0\r\nhello\r\n" + END, SIZE),
    _refused("size-full-width", "\uff15\r\nhello\r\n".encode() + END, "int() of Python"),
    _refused("size-nul", b"5\x00\r\nhello\r\n" + END, SIZE),
    _refused("size-space-before", b" 5\r\nhello\r\n" + END, SIZE),
    _refused("size-tab-before", b"\t5\r\nhello\r\n" + END, SIZE),
    _refused(
        "size-space-behind", b"5 \r\nhello\r\n" + END, "CVE-2022-24766 (mitmproxy): white space behind a size"
    ),
    _refused("size-tab-behind", b"5\t\r\nhello\r\n" + END, SIZE),
    _refused("size-vt-behind", b"5\x0b\r\nhello\r\n" + END, SIZE),
    _refused("size-space-inside", b"0 5\r\nhello\r\n" + END, SIZE),
    _refused(
        "size-64-bits",
        b"10000000000000005\r\nhello\r\n" + END,
        "CVE-2013-2028 (nginx): a size that overflows",
    ),
    _refused("size-65-bits", b"fffffffffffffffff\r\nhello\r\n" + END, SIZE),
    _refused("size-32-bits-wrap", b"100000000000000000005\r\nhello\r\n" + END, SIZE),
    _refused("size-too-short", b"3\r\nhello\r\n" + END, SIZE),
    _refused("last-space", HELLO + b"0 \r\n\r\n", SIZE),
]

LINES = [
    _refused("lf-behind-size", b"5\nhello\r\n" + END, LINE),
    _refused("cr-behind-size", b"5\rhello\r\n" + END, LINE),
    _refused("cr-cr-lf-behind-size", b"5\r\r\nhello\r\n" + END, LINE),
    _refused("no-end-behind-data", b"5\r\nhello0\r\n\r\n", LINE),
    _refused("lf-behind-data", b"5\r\nhello\n" + END, LINE),
    _refused("cr-behind-data", b"5\r\nhello\r" + END, LINE),
    _refused("two-bytes-behind-data", b"5\r\nhelloXX" + END, "two bytes taken for CRLF unseen"),
    _refused("lf-lf-behind-data", b"5\r\nhello\n\n" + END, "two bytes taken for CRLF unseen"),
    _refused("lf-cr-behind-data", b"5\r\nhello\n\r" + END, "two bytes taken for CRLF unseen"),
    _refused("cr-x-behind-data", b"5\r\nhello\rX" + END, "two bytes taken for CRLF unseen"),
    _refused("blank-line-behind-data", b"5\r\nhello\r\n\r\n" + END, LINE),
    _refused("lf-behind-last", HELLO + b"0\n\r\n", LINE),
    _refused("lf-ends-body", HELLO + b"0\r\n\n", LINE),
    _refused("lf-lf-ends-body", HELLO + b"0\n\n", LINE),
    _refused("cr-ends-body", HELLO + b"0\r\n\rX", "CVE-2025-23167 (llhttp)"),
    _refused("missing-last-line", HELLO + b"0\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", LINE),
]

EXTENSIONS = [
    _hello("ext", b"5;a\r\nhello\r\n" + END, EXTENSION),
    _hello("ext-value", b"5;a=b;c=d\r\nhello\r\n0;e\r\n\r\n", EXTENSION),
    _hello("ext-quoted", b'5;a="b;c"\r\nhello\r\n' + END, EXTENSION),
    _hello("ext-quoted-pair", b'5;a="\\""\r\nhello\r\n' + END, EXTENSION),
    _refused("ext-lf", b"5;a\nhello\r\n" + END, TERM_EXT),
    _refused("ext-lf-inside", b"5;a\nb\r\nhello\r\n" + END, TERM_EXT),
    _refused("ext-cr", b"5;a\rb\r\nhello\r\n" + END, TERM_EXT),
    _refused("ext-cr-cr", b"5;a\r\r\nhello\r\n" + END, TERM_EXT),
    _refused("ext-only-lf", b"5;\n" + b"hello\r\n" + END, TERM_EXT),
    _refused("ext-only-cr", b"5;\rhello\r\n" + END, TERM_EXT),
    _refused("ext-empty", b"5;\r\nhello\r\n" + END, EXTENSION),
    _refused("ext-two-empty", b"5;;\r\nhello\r\n" + END, EXTENSION),
    _refused("ext-nul", b"5;a\x00\r\nhello\r\n" + END, EXTENSION),
    _refused("ext-control", b"5;a=\x01\r\nhello\r\n" + END, EXTENSION),
    _refused("ext-non-ascii", b"5;a=\xff\r\nhello\r\n" + END, EXTENSION),
    _refused("ext-space-inside", b"5;a b\r\nhello\r\n" + END, EXTENSION),
    _refused("ext-space-before", b"5 ;a\r\nhello\r\n" + END, EXTENSION),
    _refused("ext-quote-open", b'5;a="\r\nhello\r\n' + END, "a quoted string that runs over the line"),
    _refused(
        "ext-quote-over-lines",
        b'5;a="\r\nhello\r\n0\r\n\r\n"\r\n' + END,
        "a quoted string that runs over the line",
    ),
    _refused("ext-quoted-cr-lf", b'5;a="x\r\n"\r\nhello\r\n' + END, EXTENSION),
    _refused("ext-quoted-lf", b'5;a="x\n"\r\nhello\r\n' + END, EXTENSION),
    _refused("ext-quoted-pair-cr", b'5;a="\\\r\n"\r\nhello\r\n' + END, EXTENSION),
    _refused("ext-behind-quote", b'5;a="b"c\r\nhello\r\n' + END, EXTENSION),
    RequestCase(
        "chunk-term-ext",
        TERM_EXT,
        # Who ends the extension at LF reads a chunk of 0x30 bytes that hides the second request.
        chunked(b"2;\nxx\r\n30\r\n" + END + SECOND + b"\r\n" + END),
        Refused(),
    ),
    RequestCase(
        "chunk-ext-term",
        TERM_EXT,
        chunked(b"5;a\r\nhello\r\n2;\nxx\r\n22\r\nc\r\n" + END + SECOND + END),
        Refused(),
    ),
    RequestCase(
        "chunk-term-spill",
        "TERM.SPILL, SPILL.TERM",
        chunked(b"5\r\nAAAAAXX2\r\n45\r\n" + END + SECOND + END),
        Refused(),
    ),
    RequestCase(
        "chunk-spill-one",
        "ONE.TWO",
        chunked(b"5\r\nAAAAA\n2\r\n45\r\n" + END + SECOND + END),
        Refused(),
    ),
    _refused("ext-last-lf", HELLO + b"0;a\n\r\n", TERM_EXT),
    _refused("ext-last-cr", HELLO + b"0;a\rb\r\n\r\n", TERM_EXT),
]

TRAILERS = [
    _trailer("harmless", b"X-Sum: 1", b"X-Sum: 1\r\n"),
    _trailer("host", b"Host: b.test"),
    _trailer("authorization", b"Authorization: Basic eDp5"),
    _trailer("proxy-authorization", b"Proxy-Authorization: Basic eDp5"),
    _trailer("cookie", b"Cookie: sid=1"),
    _trailer("traceparent", b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    _trailer("tracestate", b"Tracestate: a=b"),
    _trailer("baggage", b"BAGGAGE: a=b"),
    _trailer("b3", b"b3: 0"),
    _trailer("x-b3", b"X-B3-Sampled: 1"),
    _trailer("x-datadog", b"x-datadog-trace-id: 1"),
    _trailer("forwarded", b"Forwarded: for=10.0.0.1"),
    _trailer("x-forwarded-for", b"X-Forwarded-For: 10.0.0.1"),
    _trailer("x-forwarded-for-disguised", b"X_Forwarded_For: 10.0.0.1"),
    _trailer("x-real-ip", b"X-Real-IP: 10.0.0.1"),
    _trailer("keep-alive", b"Keep-Alive: timeout=5"),
    _trailer("upgrade", b"Upgrade: h2c"),
    _trailer("te", b"TE: trailers"),
    _trailer("expect", b"Expect: 100-continue"),
    _trailer("content-type", b"Content-Type: text/html"),
    _trailer("content-encoding", b"Content-Encoding: gzip"),
    _trailer("content-length-disguised", b"Content_Length: 5"),
    _trailer("transfer-encoding-disguised", b"Transfer_Encoding: chunked"),
    _trailer("if-none-match", b"If-None-Match: x"),
    _trailer("set-cookie", b"Set-Cookie: sid=1"),
    _refused("trailer-connection", HELLO + b"0\r\nConnection: close\r\n\r\n", TRAILER),
    _refused("trailer-proxy-connection", HELLO + b"0\r\nproxy-connection: upgrade\r\n\r\n", TRAILER),
    _refused("trailer-content-length", HELLO + b"0\r\nContent-Length: 5\r\n\r\n", TRAILER),
    _refused("trailer-transfer-encoding", HELLO + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", TRAILER),
    _refused("trailer-no-colon", HELLO + b"0\r\nX\r\n\r\n", TRAILER),
    _refused("trailer-space-before-colon", HELLO + b"0\r\nX : y\r\n\r\n", TRAILER),
    _refused("trailer-folded", HELLO + b"0\r\nX: y\r\n z\r\n\r\n", TRAILER),
    _refused("trailer-nul", HELLO + b"0\r\nX: y\x00\r\n\r\n", TRAILER),
    _refused("trailer-lf", HELLO + b"0\r\nX: y\n\r\n", TRAILER),
    _refused("trailer-cr", HELLO + b"0\r\nX: y\rz\r\n\r\n", TRAILER),
    _refused("trailer-no-name", HELLO + b"0\r\n: y\r\n\r\n", TRAILER),
    RequestCase(
        "trailer-announced",
        TRAILER,
        chunked(HELLO + b"0\r\nHost: b\r\n\r\n", b"Trailer: Host"),
        served(
            seen(b"Trailer: Host", line=b"POST / HTTP/1.1").removesuffix(b"\r\n")
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + HELLO
            + END
        ),
    ),
]

CASES = [*SIZES, *LINES, *EXTENSIONS, *TRAILERS]
