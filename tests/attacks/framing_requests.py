"""Requests whose body two readers could delimit in two ways (RFC 9112, section 6)."""

from tests.attacks.cases import PROBE, Refused, RequestCase, get, post, seen, seen_chunked, seen_post, served

#: What a smuggler hides: whoever takes it for a request serves it to the next user.
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a.test\r\nX: "
END = b"0\r\n\r\n"

BOTH = "RFC 9112, 6.1: Content-Length beside Transfer-Encoding"
CODINGS = "RFC 9112, 6.1: a coding that peers read differently"
LENGTHS = "RFC 9110, 8.6: Content-Length = 1*DIGIT"


def _coded(id: str, *lines: bytes, source: str = CODINGS, status: int = 400) -> RequestCase:
    return RequestCase(id, source, post(*lines, body=END + HIDDEN), Refused(status))


def _length(id: str, *lines: bytes, source: str = LENGTHS) -> RequestCase:
    return RequestCase(f"length-{id}", source, post(*lines, body=b"hello" + HIDDEN), Refused())


BOTH_FRAMINGS = [
    RequestCase(
        "cl-te", BOTH, post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END), Refused()
    ),
    RequestCase(
        "te-cl", BOTH, post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=END), Refused()
    ),
    RequestCase(
        "cl-te-hidden",
        BOTH,
        post(b"Content-Length: %d" % len(END + HIDDEN), b"Transfer-Encoding: chunked", body=END + HIDDEN),
        Refused(),
    ),
    RequestCase(
        "te-cl-hidden",
        BOTH,
        post(
            b"Transfer-Encoding: chunked",
            b"Content-Length: 4",
            body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
        ),
        Refused(),
    ),
    RequestCase(
        "cl-0-te", "CL.0", post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=END), Refused()
    ),
    RequestCase(
        "te-cl-0", "TE.0", post(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=END), Refused()
    ),
    RequestCase(
        "cl-te-identity",
        BOTH,
        post(b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"hello"),
        Refused(),
    ),
    RequestCase(
        "cl-te-empty", BOTH, post(b"Content-Length: 5", b"Transfer-Encoding:", body=b"hello"), Refused()
    ),
    RequestCase(
        "cl-te-unknown", BOTH, post(b"Content-Length: 5", b"Transfer-Encoding: cow", body=b"hello"), Refused()
    ),
    RequestCase(
        "cl-te-in-get", BOTH, get(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END), Refused()
    ),
    RequestCase(
        "cl-te-in-http-1.0",
        BOTH,
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END, line=b"POST / HTTP/1.0"),
        Refused(),
    ),
    RequestCase(
        "cl-te-nominated",
        "RFC 9110, 7.6.1: Connection names a framing field",
        post(b"Connection: content-length", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END),
        Refused(),
    ),
]

TRANSFER_CODINGS = [
    RequestCase(
        "te-chunked", "RFC 9112, 7.1", post(b"Transfer-Encoding: chunked", body=END), served(seen_chunked())
    ),
    RequestCase(
        "te-case",
        "RFC 9112, 7: coding names",
        post(b"tRANSFER-eNCODING: ChUnKeD", body=END),
        served(seen_chunked()),
    ),
    RequestCase(
        "te-white-space-around",
        "RFC 9112, 5: OWS",
        post(b"Transfer-Encoding: \t chunked ", body=END),
        served(seen_chunked()),
    ),
    RequestCase(
        "te-no-white-space",
        "RFC 9112, 5: OWS",
        post(b"Transfer-Encoding:chunked", body=END),
        served(seen_chunked()),
    ),
    _coded("te-space-before-colon", b"Transfer-Encoding : chunked", source="RFC 9112, 5.1; CVE-2019-16869"),
    _coded("te-tab-before-colon", b"Transfer-Encoding\t: chunked", source="RFC 9112, 5.1"),
    _coded("te-vt-before-value", b"Transfer-Encoding: \x0bchunked", source="CVE-2019-18277 (HAProxy)"),
    _coded("te-ff-before-value", b"Transfer-Encoding: \x0cchunked", source="CVE-2019-18277 (HAProxy)"),
    _coded("te-vt-before-colon", b"Transfer-Encoding\x0b: chunked", source="RFC 9112, 5.1"),
    _coded("te-ff-before-colon", b"Transfer-Encoding\x0c: chunked", source="RFC 9112, 5.1"),
    _coded("te-vt-behind", b"Transfer-Encoding: chunked\x0b"),
    _coded("te-tab-behind", b"Transfer-Encoding: chunked\t"),
    _coded("te-nul-behind", b"Transfer-Encoding: chunked\x00"),
    _coded("te-cr-before", b"Transfer-Encoding: \rchunked", source="RFC 9112, 2.2: bare CR"),
    _coded("te-cr-behind", b"Transfer-Encoding: chunked\r", source="RFC 9112, 2.2: bare CR"),
    _coded("te-lf-before", b"Transfer-Encoding:\nchunked", source="RFC 9112, 2.2: bare LF"),
    _coded("te-folded", b"Transfer-Encoding:\r\n chunked", source="RFC 9112, 5.2: obs-fold"),
    _coded("te-folded-by-tab", b"Transfer-Encoding:\r\n\tchunked", source="RFC 9112, 5.2: obs-fold"),
    _coded("te-in-a-folded-line", b"X: y\r\n Transfer-Encoding: chunked", source="RFC 9112, 5.2: obs-fold"),
    _coded("te-behind-lf", b"X: y\nTransfer-Encoding: chunked", source="RFC 9112, 2.2: bare LF"),
    _coded("te-behind-cr", b"X: y\rTransfer-Encoding: chunked", source="RFC 9112, 2.2: bare CR"),
    _coded("te-leading-space", b" Transfer-Encoding: chunked", source="RFC 9112, 5.2"),
    _coded("te-nbsp", b"Transfer-Encoding: \xa0chunked"),
    _coded("te-soft-hyphen", b"Transfer-Encoding: \xadchunked"),
    _coded("te-utf-8-k", "Transfer-Encoding: chun\u212aed".encode()),
    _coded("te-xchunked", b"Transfer-Encoding: xchunked"),
    _coded("te-chunkedx", b"Transfer-Encoding: chunkedx"),
    _coded("te-chunk", b"Transfer-Encoding: chunk"),
    _coded("te-quoted", b'Transfer-Encoding: "chunked"'),
    _coded("te-single-quoted", b"Transfer-Encoding: 'chunked'"),
    _coded("te-parameter", b"Transfer-Encoding: chunked;q=1"),
    _coded("te-empty-parameter", b"Transfer-Encoding: chunked;"),
    _coded("te-chunked-identity", b"Transfer-Encoding: chunked, identity"),
    _coded("te-identity-chunked", b"Transfer-Encoding: identity, chunked"),
    _coded("te-identity", b"Transfer-Encoding: identity"),
    _coded("te-gzip", b"Transfer-Encoding: gzip"),
    _coded("te-gzip-chunked", b"Transfer-Encoding: gzip, chunked"),
    _coded("te-chunked-gzip", b"Transfer-Encoding: chunked, gzip"),
    _coded("te-chunked-chunked", b"Transfer-Encoding: chunked, chunked"),
    _coded("te-leading-comma", b"Transfer-Encoding: , chunked"),
    _coded("te-trailing-comma", b"Transfer-Encoding: chunked,"),
    _coded("te-two-words", b"Transfer-Encoding: chunked chunked"),
    _coded("te-empty", b"Transfer-Encoding:"),
    _coded("te-blank", b"Transfer-Encoding: \t "),
    _coded("te-twice", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    _coded(
        "te-twice-first-unknown", b"Transfer-Encoding: cow", b"Transfer-Encoding: chunked", source="TE.TE"
    ),
    _coded("te-twice-last-unknown", b"Transfer-Encoding: chunked", b"Transfer-encoding: cow", source="TE.TE"),
    _coded(
        "te-twice-identity", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", source="TE.TE"
    ),
    _coded("te-twice-empty", b"Transfer-Encoding:", b"Transfer-Encoding: chunked", source="TE.TE"),
    RequestCase(
        "te-http-1.0",
        "RFC 9112, 6.1: Transfer-Encoding with HTTP/1.0",
        post(b"Transfer-Encoding: chunked", body=END, line=b"POST / HTTP/1.0"),
        Refused(),
    ),
    RequestCase(
        "te-http-1.0-keep-alive",
        "RFC 9112, 6.1: Transfer-Encoding with HTTP/1.0",
        post(b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=END, line=b"POST / HTTP/1.0"),
        Refused(),
    ),
    _coded("te-in-get", b"Transfer-Encoding: cow"),
    RequestCase(
        "te-underscore",
        "CGI look-alike",
        get(b"Transfer_Encoding: chunked"),
        served(seen()),
    ),
    RequestCase(
        "te-underscore-beside-length",
        "CGI look-alike",
        post(b"Content-Length: 5", b"Transfer_Encoding: chunked", body=b"0\r\n\r\n"),
        served(seen_post(b"Content-Length: 5", body=END)),
    ),
    RequestCase(
        "te-nominated",
        "RFC 9110, 7.6.1: Connection names a framing field",
        post(b"Connection: transfer-encoding", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n" + END),
        served(seen_chunked(b"abc")),
    ),
    _coded("te-name-with-space", b"Transfer Encoding: chunked", source="RFC 9110, 5.6.2: field names"),
    _coded("te-name-with-colon", b"Transfer-Encoding:: chunked"),
    _coded("te-name-quoted", b'"Transfer-Encoding": chunked', source="RFC 9110, 5.6.2: field names"),
    _coded("te-name-with-nul", b"Transfer-Encoding\x00: chunked", source="RFC 9110, 5.6.2: field names"),
    _coded("te-name-non-ascii", b"Transfer-Encoding\xff: chunked", source="RFC 9110, 5.6.2: field names"),
]

CONTENT_LENGTHS = [
    RequestCase(
        "length",
        LENGTHS,
        post(b"Content-Length: 5", body=b"hello"),
        served(seen_post(b"Content-Length: 5", body=b"hello")),
    ),
    RequestCase(
        "length-leading-zeros",
        LENGTHS,
        post(b"Content-Length: 005", body=b"hello"),
        served(seen_post(b"Content-Length: 005", body=b"hello")),
    ),
    RequestCase(
        "length-white-space-around",
        "RFC 9112, 5: OWS",
        post(b"Content-Length:\t5 ", body=b"hello"),
        served(seen_post(b"Content-Length:\t5 ", body=b"hello")),
    ),
    RequestCase(
        "length-case",
        "RFC 9110, 5.1",
        post(b"cONTENT-lENGTH: 5", body=b"hello"),
        served(seen_post(b"cONTENT-lENGTH: 5", body=b"hello")),
    ),
    _length("plus", b"Content-Length: +5", source="CVE-2018-7159 (Node.js)"),
    _length("minus", b"Content-Length: -5"),
    _length("minus-zero", b"Content-Length: -0"),
    _length("hex", b"Content-Length: 0x5"),
    _length("octal", b"Content-Length: 0o5"),
    _length("exponent", b"Content-Length: 5e0"),
    _length("point", b"Content-Length: 5.0"),
    _length("space-inside", b"Content-Length: 1 5", source="CVE-2018-7159 (Node.js)"),
    _length("tab-inside", b"Content-Length: 1\t5"),
    _length("list-equal", b"Content-Length: 5, 5", source="RFC 9110, 8.6: a list of lengths"),
    _length("list-differing", b"Content-Length: 5, 6", source="RFC 9112, 6.3"),
    _length("list-tight", b"Content-Length: 5,5"),
    _length("comma-behind", b"Content-Length: 5,"),
    _length("comma-before", b"Content-Length: ,5"),
    _length("semicolon", b"Content-Length: 5;"),
    _length("quoted", b'Content-Length: "5"'),
    _length("underscore", b"Content-Length: 0_5", source="int() of Python"),
    _length("arabic-digit", "Content-Length: \u0665".encode(), source="int() of Python"),
    _length("full-width-digit", "Content-Length: \uff15".encode(), source="int() of Python"),
    _length("superscript", b"Content-Length: \xb2"),
    _length("empty", b"Content-Length:"),
    _length("blank", b"Content-Length: \t"),
    _length("letters", b"Content-Length: five"),
    _length("letter-behind", b"Content-Length: 5a"),
    _length("nul-behind", b"Content-Length: 5\x00"),
    _length("vt-behind", b"Content-Length: 5\x0b"),
    _length("vt-before", b"Content-Length: \x0b5"),
    _length("over-64-bits", b"Content-Length: 18446744073709551621"),
    _length("63-bits", b"Content-Length: 9223372036854775808", source="negative where lengths are signed"),
    _length("64-bits", b"Content-Length: 18446744073709551615", source="-1 where lengths are signed"),
    _length("endless", b"Content-Length: " + b"9" * 500),
    _length("repeated", b"Content-Length: 5", b"Content-Length: 5", source="RFC 9112, 6.3"),
    _length("differing", b"Content-Length: 5", b"Content-Length: 0", source="RFC 9112, 6.3"),
    _length("differing-reverse", b"Content-Length: 0", b"Content-Length: 5", source="RFC 9112, 6.3"),
    _length("repeated-other-case", b"Content-Length: 5", b"content-length: 5", source="RFC 9112, 6.3"),
    _length("repeated-empty", b"Content-Length: 5", b"Content-Length:", source="CVE-2023-40225 (HAProxy)"),
    _length("empty-then-good", b"Content-Length:", b"Content-Length: 5", source="CVE-2023-40225 (HAProxy)"),
    _length("space-before-colon", b"Content-Length : 5", source="RFC 9112, 5.1; CVE-2019-16869"),
    _length("tab-before-colon", b"Content-Length\t: 5", source="RFC 9112, 5.1"),
    _length("folded", b"Content-Length:\r\n 5", source="RFC 9112, 5.2: obs-fold"),
    _length("folded-further", b"Content-Length: 1\r\n 5", source="RFC 9112, 5.2: obs-fold"),
    _length("behind-lf", b"X: y\nContent-Length: 5", source="RFC 9112, 2.2: bare LF"),
    _length("behind-cr", b"X: y\rContent-Length: 5", source="CVE-2023-30589 (llhttp)"),
    _length("leading-space", b" Content-Length: 5", source="CVE-2024-27982 (Node.js)"),
    RequestCase(
        "length-underscore-name",
        "CGI look-alike",
        post(b"Content_Length: 500"),
        served(seen_post()),
    ),
    RequestCase(
        "length-underscore-name-beside",
        "CGI look-alike",
        post(b"Content_Length: 500", b"Content-Length: 5", body=b"hello"),
        served(seen_post(b"Content-Length: 5", body=b"hello")),
    ),
    RequestCase(
        "length-nominated",
        "RFC 9110, 7.6.1: Connection names a framing field",
        post(b"Connection: content-length", b"Content-Length: 5", body=b"hello"),
        served(seen_post(b"Content-Length: 5", body=b"hello")),
    ),
    RequestCase(
        "length-in-get",
        "RFC 9110, 9.3.1; CL.0",
        get(b"Content-Length: %d" % len(PROBE), body=PROBE),
        served(seen(b"Content-Length: %d" % len(PROBE)) + PROBE),
    ),
    RequestCase(
        "length-in-head",
        "CL.0",
        get(b"Content-Length: %d" % len(PROBE), body=PROBE, line=b"DELETE / HTTP/1.1"),
        served(seen(b"Content-Length: %d" % len(PROBE), line=b"DELETE / HTTP/1.1") + PROBE),
    ),
    RequestCase(
        "length-in-options",
        "CL.0",
        get(b"Content-Length: 5", body=b"hello", line=b"OPTIONS * HTTP/1.1"),
        served(seen(b"Content-Length: 5", line=b"OPTIONS * HTTP/1.1") + b"hello"),
    ),
    RequestCase(
        "no-length-in-post",
        "RFC 9112, 6.3: no body without framing",
        post(body=b"GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        served(seen_post(), seen(line=b"GET /second HTTP/1.1")),
    ),
    RequestCase(
        "no-length-and-a-body",
        "RFC 9112, 6.3: no body without framing",
        post(body=b"a=b\r\n\r\n"),
        Refused(after=(seen_post(),)),
    ),
    RequestCase(
        "length-0-and-a-body",
        "CL.0",
        post(b"Content-Length: 0", body=b"GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        served(seen_post(b"Content-Length: 0"), seen(line=b"GET /second HTTP/1.1")),
    ),
    RequestCase(
        "length-too-short",
        "RFC 9112, 6.3",
        post(b"Content-Length: 3", body=b"hello x\r\n\r\n"),
        Refused(501, after=(seen_post(b"Content-Length: 3", body=b"hel"),)),
    ),
]

CASES = [*BOTH_FRAMINGS, *TRANSFER_CODINGS, *CONTENT_LENGTHS]
