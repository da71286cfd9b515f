"""What a broken or hostile upstream answers, and what the client may see of it (RFC 9112, 4 to 7)."""

from tests.attacks.cases import GET, OK, Aborted, BadGateway, Outcome, Passed, ResponseCase

HEAD = b"HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"
HTTP_1_0 = b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"
END = b"0\r\n\r\n"

BOTH = "RFC 9112, 6.1: Content-Length beside Transfer-Encoding"
CODINGS = "RFC 9112, 6.1: codings"
LENGTHS = "RFC 9110, 8.6: Content-Length = 1*DIGIT"
SHORT = "RFC 9112, 8: incomplete messages"
CHUNKS = "RFC 9112, 7.1"
STATUS_LINE = "RFC 9112, 4: status-line"
FIELDS = "RFC 9112, 5"
MORE = "RFC 9112, 9.3: bytes behind a response; response queue poisoning"
NO_BODY = "RFC 9112, 6.3: 1xx, 204, 304, HEAD"
INTERIM = "RFC 9110, 15.2"
LIMITS = "no head without bound"

CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _ok(*lines: bytes, body: bytes = b"", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([line, *lines, b"", body])


def _bad(id: str, source: str, sent: bytes, *, end: str = "open", request: bytes = GET) -> ResponseCase:
    return ResponseCase(id, source, sent, BadGateway(), end, request)


def _reset(id: str, source: str, sent: bytes, end: str = "close") -> ResponseCase:
    # A POST is not sent again.
    return ResponseCase(id, source, sent, BadGateway("upstream_reset"), end, POST)


def _cut(id: str, source: str, sent: bytes, received: bytes, end: str = "open") -> ResponseCase:
    return ResponseCase(id, source, sent, Aborted(received), end)


def _passed(
    id: str,
    source: str,
    sent: bytes,
    received: bytes | None = None,
    *,
    reused: bool = False,
    end: str = "open",
    request: bytes = GET,
) -> ResponseCase:
    outcome: Outcome = Passed(sent if received is None else received, reused)
    return ResponseCase(id, source, sent, outcome, end, request)


FRAMINGS = [
    _passed("length", "RFC 9112, 6.3", OK, reused=True),
    _passed("chunked", "RFC 9112, 6.3", CHUNKED_HEAD + b"2\r\nok\r\n" + END, reused=True),
    _bad("cl-te", BOTH, _ok(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END)),
    _bad("te-cl", BOTH, _ok(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=END)),
    _bad("cl-0-te", BOTH, _ok(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=END)),
    _bad("cl-te-identity", BOTH, _ok(b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"hello")),
    _bad("cl-te-head", BOTH, _ok(b"Content-Length: 5", b"Transfer-Encoding: chunked"), request=HEAD),
    _bad(
        "cl-te-204", BOTH, _ok(b"Content-Length: 5", b"Transfer-Encoding: chunked", line=b"HTTP/1.1 204 No")
    ),
    _bad("te-gzip", CODINGS, _ok(b"Transfer-Encoding: gzip", body=b"x"), end="close"),
    _bad("te-gzip-chunked", CODINGS, _ok(b"Transfer-Encoding: gzip, chunked", body=END)),
    _bad("te-chunked-gzip", CODINGS, _ok(b"Transfer-Encoding: chunked, gzip", body=END), end="close"),
    _bad("te-chunked-twice", CODINGS, _ok(b"Transfer-Encoding: chunked, chunked", body=END)),
    _bad(
        "te-two-fields", CODINGS, _ok(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=END)
    ),
    _bad("te-identity", CODINGS, _ok(b"Transfer-Encoding: identity", body=b"x"), end="close"),
    _bad("te-unknown", CODINGS, _ok(b"Transfer-Encoding: xchunked", body=END)),
    _bad("te-empty", CODINGS, _ok(b"Transfer-Encoding:", body=END), end="close"),
    _bad("te-vt", CODINGS, _ok(b"Transfer-Encoding: \x0bchunked", body=END)),
    _bad("te-space-before-colon", FIELDS, _ok(b"Transfer-Encoding : chunked", body=END)),
    _bad(
        "te-http-1.0", "RFC 9112, 6.1", _ok(b"Transfer-Encoding: chunked", body=END, line=b"HTTP/1.0 200 OK")
    ),
    _passed(
        "te-underscore",
        "CGI look-alike",
        _ok(b"Transfer_Encoding: chunked", b"Content-Length: 2", body=b"ok"),
        reused=True,
    ),
    _bad("length-plus", LENGTHS, _ok(b"Content-Length: +2", body=b"ok")),
    _bad("length-minus", LENGTHS, _ok(b"Content-Length: -2", body=b"ok")),
    _bad("length-hex", LENGTHS, _ok(b"Content-Length: 0x2", body=b"ok")),
    _bad("length-space-inside", LENGTHS, _ok(b"Content-Length: 2 2", body=b"ok")),
    _bad("length-list", LENGTHS, _ok(b"Content-Length: 2, 2", body=b"ok")),
    _bad("length-list-differing", LENGTHS, _ok(b"Content-Length: 2, 3", body=b"ok")),
    _bad("length-empty", LENGTHS, _ok(b"Content-Length:", body=b"ok")),
    _bad("length-letters", LENGTHS, _ok(b"Content-Length: two", body=b"ok")),
    _bad("length-underscore", LENGTHS, _ok(b"Content-Length: 0_2", body=b"ok")),
    _bad("length-arabic", LENGTHS, _ok("Content-Length: \u0662".encode(), body=b"ok")),
    _bad("length-vt", LENGTHS, _ok(b"Content-Length: 2\x0b", body=b"ok")),
    _bad("length-over-64-bits", LENGTHS, _ok(b"Content-Length: 18446744073709551618", body=b"ok")),
    _bad("length-63-bits", LENGTHS, _ok(b"Content-Length: 9223372036854775808", body=b"ok")),
    _bad("length-twice", LENGTHS, _ok(b"Content-Length: 2", b"Content-Length: 2", body=b"ok")),
    _bad("length-differing", LENGTHS, _ok(b"Content-Length: 2", b"Content-Length: 3", body=b"ok")),
    _bad("length-differing-case", LENGTHS, _ok(b"Content-Length: 2", b"content-length: 3", body=b"ok")),
    _bad("length-differing-head", LENGTHS, _ok(b"Content-Length: 2", b"Content-Length: 3"), request=HEAD),
    _bad("length-space-before-colon", FIELDS, _ok(b"Content-Length : 2", body=b"ok")),
    _bad("length-folded", FIELDS, _ok(b"Content-Length:", b" 2", body=b"ok")),
]

ENDS = [
    _reset("nothing", SHORT, b""),
    _reset("nothing-reset", SHORT, b"", end="reset"),
    _reset("half-a-status-line", SHORT, b"HTTP/1.1 20"),
    _reset("half-a-head", SHORT, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
    _reset("half-a-head-reset", SHORT, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", end="reset"),
    _reset("interim-alone", SHORT, b"HTTP/1.1 100 Continue\r\n"),
    _cut(
        "length-short",
        SHORT,
        _ok(b"Content-Length: 9", body=b"some"),
        _ok(b"Content-Length: 9", body=b"some"),
        "close",
    ),
    _cut(
        "length-short-reset",
        SHORT,
        _ok(b"Content-Length: 9", body=b"some"),
        _ok(b"Content-Length: 9", body=b"some"),
        "reset",
    ),
    _cut("length-none-came", SHORT, _ok(b"Content-Length: 9"), _ok(b"Content-Length: 9"), "close"),
    _cut("chunked-no-end", SHORT, CHUNKED_HEAD + b"4\r\nsome\r\n", CHUNKED_HEAD + b"4\r\nsome\r\n", "close"),
    _cut(
        "chunked-half-end",
        SHORT,
        CHUNKED_HEAD + b"4\r\nsome\r\n0\r\n",
        CHUNKED_HEAD + b"4\r\nsome\r\n",
        "close",
    ),
    _cut(
        "chunked-half-a-chunk", SHORT, CHUNKED_HEAD + b"9\r\nsome", CHUNKED_HEAD + b"4\r\nsome\r\n", "close"
    ),
    _cut("chunked-nothing", SHORT, CHUNKED_HEAD, CHUNKED_HEAD, "close"),
    _cut(
        "chunked-half-trailers",
        SHORT,
        CHUNKED_HEAD + b"1\r\nx\r\n0\r\nX: y\r\n",
        CHUNKED_HEAD + b"1\r\nx\r\n",
        "close",
    ),
    _cut("chunked-reset", SHORT, CHUNKED_HEAD + b"4\r\nsome\r\n", CHUNKED_HEAD + b"4\r\nsome\r\n", "reset"),
    _passed(
        "until-close",
        "RFC 9112, 6.3",
        _ok(b"X: y", body=b"some"),
        _ok(b"X: y", b"Transfer-Encoding: chunked", body=b"4\r\nsome\r\n" + END),
        end="close",
    ),
    _cut(
        "until-close-reset",
        SHORT,
        _ok(b"X: y", body=b"some"),
        _ok(b"X: y", b"Transfer-Encoding: chunked", body=b"4\r\nsome\r\n"),
        "reset",
    ),
    _passed(
        "until-close-http-1.0",
        "RFC 9112, 6.3",
        _ok(body=b"some", line=b"HTTP/1.0 200 OK"),
        _ok(b"Transfer-Encoding: chunked", body=b"4\r\nsome\r\n" + END),
        end="close",
    ),
    _passed(
        "until-close-holds-a-response",
        "RFC 9112, 6.3; response splitting",
        _ok(b"X: y", body=OK),
        _ok(b"X: y", b"Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n" % (len(OK), OK) + END),
        end="close",
    ),
    _cut(
        "length-short-to-http-1.0",
        SHORT,
        _ok(b"Content-Length: 9", body=b"some"),
        _ok(b"Content-Length: 9", body=b"some"),
        "close",
    ),
]

FAULTS_IN_CHUNKS = [
    ("size-0x", b"0x2\r\nok\r\n" + END),
    ("size-plus", b"+2\r\nok\r\n" + END),
    ("size-minus", b"-2\r\nok\r\n" + END),
    ("size-empty", b"\r\nok\r\n" + END),
    ("size-letter", b"g\r\nok\r\n" + END),
    ("size-underscore", b"0_2\r\nok\r\n" + END),
    ("size-space-before", b" 2\r\nok\r\n" + END),
    ("size-space-behind", b"2 \r\nok\r\n" + END),
    ("size-overflow", b"fffffffffffffffff\r\nok\r\n" + END),
    ("lf-behind-size", b"2\nok\r\n" + END),
    ("cr-behind-size", b"2\rok\r\n" + END),
    ("ext-lf", b"2;a\nok\r\n" + END),
    ("ext-cr", b"2;a\rb\r\nok\r\n" + END),
    ("ext-nul", b"2;a\x00\r\nok\r\n" + END),
    ("ext-quote-over-lines", b'2;a="\r\nok\r\n"\r\n' + END),
    ("lf-ends-body", b"0\n\n"),
    ("lf-ends-body-2", b"0\r\n\n"),
    ("trailer-no-colon", b"0\r\nX\r\n\r\n"),
    ("trailer-nul", b"0\r\nX: \x00\r\n\r\n"),
    ("trailer-folded", b"0\r\nX: y\r\n z\r\n\r\n"),
    ("trailer-content-length", b"0\r\nContent-Length: 2\r\n\r\n"),
    ("response-for-a-chunk", OK),
    ("too-long", b"2\r\nokX\r\n" + END),
    ("no-line-end", b"2\r\nok0\r\n\r\n"),
    ("lf-behind-data", b"2\r\nok\n" + END),
    ("two-bytes-behind-data", b"2\r\nokXX" + END),
    ("trailers-large", b"0\r\nX: " + b"y" * 40_000 + b"\r\n\r\n"),
]
BEGUN = CHUNKED_HEAD + b"1\r\nx\r\n"
CHUNK_FAULTS = [
    *[_bad(f"chunk-{id}", CHUNKS, BEGUN + body) for id, body in FAULTS_IN_CHUNKS],
    *[
        # What is good of a read is passed on before the reset.
        ResponseCase(f"chunk-{id}-later", CHUNKS, (BEGUN, body), Aborted(BEGUN))
        for id, body in FAULTS_IN_CHUNKS
    ],
    _passed(
        "chunk-trailer-transfer-encoding",
        "RFC 9110, 6.5.1",
        BEGUN + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        BEGUN + END,
        reused=True,
    ),
    _passed(
        "chunk-trailer-connection",
        "RFC 9110, 6.5.1",
        BEGUN + b"0\r\nConnection: close\r\n\r\n",
        BEGUN + END,
        reused=True,
    ),
    _passed(
        "chunk-trailers-that-control",
        "RFC 9110, 6.5.1",
        CHUNKED_HEAD
        + b"2\r\nok\r\n0\r\nSet-Cookie: a=b\r\nLocation: /x\r\nAccess-Control-Max-Age: 1\r\nX: y\r\n\r\n",
        CHUNKED_HEAD + b"2\r\nok\r\n0\r\nX: y\r\n\r\n",
        reused=True,
    ),
    _passed(
        "chunk-extensions-dropped",
        CHUNKS,
        CHUNKED_HEAD + b"2;a=b\r\nok\r\n0;c\r\n\r\n",
        CHUNKED_HEAD + b"2\r\nok\r\n" + END,
        reused=True,
    ),
]

STATUS_LINES = [
    _passed("status-no-reason", STATUS_LINE, _ok(b"Content-Length: 0", line=b"HTTP/1.1 200 "), reused=True),
    _passed(
        "status-no-space",
        STATUS_LINE,
        _ok(b"Content-Length: 0", line=b"HTTP/1.1 200"),
        _ok(b"Content-Length: 0", line=b"HTTP/1.1 200 "),
        reused=True,
    ),
    _passed("status-599", STATUS_LINE, _ok(b"Content-Length: 0", line=b"HTTP/1.1 599 X"), reused=True),
    _passed("status-999", STATUS_LINE, _ok(b"Content-Length: 0", line=b"HTTP/1.1 999 X"), reused=True),
    *[
        _bad(f"status-{id}", STATUS_LINE, _ok(b"Content-Length: 0", line=line))
        for id, line in (
            ("2-digits", b"HTTP/1.1 20 OK"),
            ("4-digits", b"HTTP/1.1 2000 OK"),
            ("000", b"HTTP/1.1 000 OK"),
            ("099", b"HTTP/1.1 099 OK"),
            ("letters", b"HTTP/1.1 abc OK"),
            ("signed", b"HTTP/1.1 +20 OK"),
            ("negative", b"HTTP/1.1 -20 OK"),
            ("space-inside", b"HTTP/1.1 2 0 OK"),
            ("glued", b"HTTP/1.1 200OK"),
            ("two-spaces", b"HTTP/1.1  200 OK"),
            ("tab", b"HTTP/1.1\t200 OK"),
            ("tab-behind", b"HTTP/1.1 200\tOK"),
            ("leading-space", b" HTTP/1.1 200 OK"),
            ("http-0.9", b"HTTP/0.9 200 OK"),
            ("http-1.2", b"HTTP/1.2 200 OK"),
            ("http-2", b"HTTP/2 200 OK"),
            ("http-2.0", b"HTTP/2.0 200 OK"),
            ("http-lower-case", b"http/1.1 200 OK"),
            ("rtsp", b"RTSP/1.0 200 OK"),
            ("ice", b"ICE/1.0 200 OK"),
            ("icy", b"ICY 200 OK"),
            ("ssh", b"SSH-2.0-OpenSSH_9.2"),
            ("request", b"GET / HTTP/1.1"),
            ("phrase-nul", b"HTTP/1.1 200 O\x00K"),
            ("phrase-control", b"HTTP/1.1 200 O\x1bK"),
            ("phrase-delete", b"HTTP/1.1 200 O\x7fK"),
            ("phrase-cr", b"HTTP/1.1 200 O\rK"),
            ("phrase-cr-field", b"HTTP/1.1 200 OK\rSet-Cookie: a=b"),
            ("phrase-lf", b"HTTP/1.1 200 O\nK"),
        )
    ],
    _bad("status-phrase-nul-until-close", STATUS_LINE, _ok(line=b"HTTP/1.1 200 O\x00K"), end="close"),
    _bad("status-blank-line-before", STATUS_LINE, b"\r\n" + OK),
    _bad("status-lf-before", STATUS_LINE, b"\n" + OK),
    _bad("http-0.9-body", "HTTP/0.9", b"<html>hello</html>", end="close"),
    _bad("status-lf", "RFC 9112, 2.2: bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok"),
    _bad("all-lf", "RFC 9112, 2.2: bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
]

FIELD_FAULTS = [
    *[
        _bad(f"field-{id}", FIELDS, _ok(*lines, b"Content-Length: 2", body=b"ok"))
        for id, lines in (
            ("lf", (b"X: a\nSet-Cookie: b=c",)),
            ("cr", (b"X: a\rSet-Cookie: b=c",)),
            ("nul", (b"X: a\x00",)),
            ("control", (b"X: a\x01",)),
            ("delete", (b"X: a\x7f",)),
            ("folded", (b"X: a", b" b")),
            ("folded-first", (b" X: a",)),
            ("space-before-colon", (b"X : a",)),
            ("no-name", (b": a",)),
            ("no-colon", (b"X",)),
            ("space-in-name", (b"X Y: a",)),
            ("nul-in-name", (b"X\x00: a",)),
            ("non-ascii-name", (b"\xc4: a",)),
        )
    ],
    _bad("field-lf-ends-head", "RFC 9112, 2.2: bare LF", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok"),
    _bad(
        "field-cr-ends-head",
        "CVE-2025-23167 (llhttp)",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\rX\r\n\r\nok",
    ),
    _passed(
        "hop-by-hop",
        "RFC 9110, 7.6.1",
        _ok(
            b"Connection: x-a",
            b"X-A: 1",
            b"Keep-Alive: timeout=9",
            b"Upgrade: h2c",
            b"Proxy-Connection: a",
            b"Content-Length: 2",
            body=b"ok",
        ),
        OK,
        reused=True,
    ),
    _passed(
        "length-nominated",
        "RFC 9110, 7.6.1",
        _ok(b"Connection: content-length", b"Content-Length: 2", body=b"ok"),
        OK,
        reused=True,
    ),
    _passed(
        "upgrade-offered",
        "RFC 9110, 7.8",
        _ok(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 2", body=b"ok"),
        OK,
        reused=True,
    ),
]

BEHIND = [
    *[
        _passed(f"behind-{framing}-{id}", MORE, answer + extra, answer)
        for framing, answer in (
            ("length", OK),
            ("chunked", CHUNKED_HEAD + b"2\r\nok\r\n" + END),
            ("empty", _ok(b"Content-Length: 0")),
            ("204", _ok(line=b"HTTP/1.1 204 No Content")),
            ("304", _ok(b"Content-Length: 5", line=b"HTTP/1.1 304 Not Modified")),
        )
        for id, extra in (
            ("byte", b"x"),
            ("response", OK),
            ("blank-line", b"\r\n"),
            ("interim", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        )
    ],
    _passed(
        "behind-close",
        "RFC 9112, 9.6",
        _ok(b"Connection: close", b"Content-Length: 2", body=b"ok" + OK),
        OK,
    ),
    _passed("close", "RFC 9112, 9.6", _ok(b"Connection: close", b"Content-Length: 2", body=b"ok"), OK),
    _passed(
        "close-in-proxy-connection",
        "RFC 9112, 9.6",
        _ok(b"Proxy-Connection: close", b"Content-Length: 2", body=b"ok"),
        OK,
    ),
    _passed("http-1.0", "RFC 9112, 9.3", _ok(b"Content-Length: 2", body=b"ok", line=b"HTTP/1.0 200 OK"), OK),
    _passed(
        "http-1.0-keep-alive",
        "RFC 9112, 9.3",
        _ok(b"Connection: keep-alive", b"Content-Length: 2", body=b"ok", line=b"HTTP/1.0 200 OK"),
        OK,
        reused=True,
    ),
    _passed("body-for-head", NO_BODY, OK, OK[:-2], request=HEAD),
    _passed("chunked-body-for-head", NO_BODY, CHUNKED_HEAD + END, CHUNKED_HEAD, request=HEAD),
    _passed("response-for-head", NO_BODY, OK[:-2] + OK, OK[:-2], request=HEAD),
    _passed("head", NO_BODY, OK[:-2], reused=True, request=HEAD),
    _passed("head-chunked", NO_BODY, CHUNKED_HEAD, reused=True, request=HEAD),
    _passed("204-body", NO_BODY, _ok(line=b"HTTP/1.1 204 No", body=b"body"), _ok(line=b"HTTP/1.1 204 No")),
    _passed(
        "204-chunked",
        NO_BODY,
        _ok(b"Transfer-Encoding: chunked", line=b"HTTP/1.1 204 No", body=END),
        _ok(line=b"HTTP/1.1 204 No"),
    ),
    _passed(
        "304-body",
        NO_BODY,
        _ok(b"Content-Length: 2", line=b"HTTP/1.1 304 Not", body=b"ok"),
        _ok(b"Content-Length: 2", line=b"HTTP/1.1 304 Not"),
    ),
    _passed(
        "304-chunked",
        NO_BODY,
        _ok(b"Transfer-Encoding: chunked", line=b"HTTP/1.1 304 Not", body=END),
        _ok(b"Transfer-Encoding: chunked", line=b"HTTP/1.1 304 Not"),
    ),
]

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
INTERIMS = [
    _passed("interim", INTERIM, HINTS + OK, reused=True),
    _passed("interims", INTERIM, HINTS * 5 + OK, reused=True),
    _passed("interim-unknown", INTERIM, b"HTTP/1.1 199 X\r\n\r\n" + OK, reused=True),
    _passed("continue-unasked", INTERIM, b"HTTP/1.1 100 Continue\r\n\r\n" + OK, reused=True),
    _passed(
        "interim-to-http-1.0",
        INTERIM,
        HINTS + OK,
        _ok(b"Content-Length: 2", b"Connection: close", body=b"ok"),
        reused=True,
        request=HTTP_1_0,
    ),
    _passed(
        "interim-with-length",
        "RFC 9110, 8.6",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 50\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,
        reused=True,
    ),
    _passed(
        "interim-with-coding",
        "RFC 9112, 6.1",
        b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,
        reused=True,
    ),
    # llhttp reads nothing behind it; no server sends it.
    _bad("interim-with-close", INTERIM, b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + OK),
    ResponseCase(
        "switch",
        "RFC 9110, 15.2.2: 101 unasked",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        BadGateway(),
    ),
    ResponseCase(
        "switch-bare",
        "RFC 9110, 15.2.2: 101 unasked",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK,
        BadGateway(),
    ),
    ResponseCase(
        "switch-to-h2c-offer",
        "RFC 9113, 3.1: h2c smuggling",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        BadGateway(),
        request=b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ),
]

TOO_LARGE = [
    _bad("head-large", LIMITS, _ok(b"X: " + b"y" * 40_000, b"Content-Length: 0")),
    _bad("head-endless", LIMITS, b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000),
    _bad("head-many-fields", LIMITS, _ok(*[b"X: y"] * 8000, b"Content-Length: 0")),
    _bad("phrase-endless", LIMITS, b"HTTP/1.1 200 " + b"y" * 40_000),
    ResponseCase(
        "interims-endless",
        "RFC 9110, 15.2: a flood of 1xx",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 2000,
        BadGateway(),
    ),
]

RESPONSES = [*FRAMINGS, *ENDS, *CHUNK_FAULTS, *STATUS_LINES, *FIELD_FAULTS, *BEHIND, *INTERIMS, *TOO_LARGE]
