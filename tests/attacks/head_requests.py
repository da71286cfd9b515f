"""Requests whose first line, Host or fields two readers could see differently (RFC 9112, 2 to 5)."""

from tests.attacks.cases import Refused, RequestCase, get, post, seen, seen_post, served

LINE = "RFC 9112, 3: request-line"
VERSION = "RFC 9112, 2.3: HTTP-version"
METHOD = "RFC 9110, 9.1"
TARGET = "RFC 9112, 3.2: request-target"
HOST = "RFC 9112, 3.2: one Host, and a good one"
FIELD = "RFC 9112, 5.1"
CONTROL = "RFC 9110, 5.5: no CR, LF or NUL in values"


def _line(id: str, line: bytes, source: str = LINE, status: int = 400) -> RequestCase:
    return RequestCase(f"line-{id}", source, get(line=line), Refused(status))


def _target(
    id: str, target: bytes, source: str = TARGET, method: bytes = b"GET", status: int = 400
) -> RequestCase:
    return RequestCase(
        f"target-{id}", source, get(line=method + b" " + target + b" HTTP/1.1"), Refused(status)
    )


def _method(id: str, method: bytes, status: int = 501, target: bytes = b"/") -> RequestCase:
    return RequestCase(
        f"method-{id}", METHOD, get(line=method + b" " + target + b" HTTP/1.1"), Refused(status)
    )


def _host(id: str, *lines: bytes, source: str = HOST, target: bytes = b"/") -> RequestCase:
    head = b"\r\n".join([b"GET " + target + b" HTTP/1.1", *lines, b"", b""])
    return RequestCase(f"host-{id}", source, head, Refused())


def _good_host(id: str, value: bytes, sent: bytes | None = None) -> RequestCase:
    head = b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"
    return RequestCase(
        f"host-{id}", "RFC 3986, 3.2.2", head, served(seen(host=value if sent is None else sent))
    )


def _field(id: str, *lines: bytes, source: str = FIELD) -> RequestCase:
    return RequestCase(f"field-{id}", source, get(*lines), Refused())


LINES = [
    # Several spaces are read as one, and forwarded as one: nobody behind us can read them in another way.
    RequestCase("line-spaces-before-target", LINE, get(line=b"GET   / HTTP/1.1"), served(seen())),
    RequestCase("line-spaces-behind-target", LINE, get(line=b"GET /   HTTP/1.1"), served(seen())),
    RequestCase("line-blank-lines-before", "RFC 9112, 2.2", b"\r\n\r\n" + get(), served(seen())),
    # As old clients send them behind a body: llhttp passes over them, and they end nobody's head.
    RequestCase("line-blank-line-behind", "RFC 9112, 2.2", get() + b"\r\n", served(seen())),
    RequestCase("line-blank-lines-behind", "RFC 9112, 2.2", get() + b"\r\n\r\n\r\n", served(seen())),
    RequestCase(
        "line-blank-line-behind-connection",
        "RFC 9112, 2.2",
        get(b"Connection: keep-alive") + b"\r\n",
        served(seen()),
    ),
    RequestCase(
        "line-blank-line-between",
        "RFC 9112, 2.2",
        get() + b"\r\n" + get(b"X: y"),
        served(seen(), seen(b"X: y")),
    ),
    RequestCase(
        "line-blank-line-behind-body",
        "RFC 9112, 2.2",
        post(b"Content-Length: 5", body=b"hello") + b"\r\n",
        served(seen_post(b"Content-Length: 5", body=b"hello")),
    ),
    _line("leading-space", b" GET / HTTP/1.1"),
    _line("leading-tab", b"\tGET / HTTP/1.1"),
    _line("leading-nul", b"\x00GET / HTTP/1.1"),
    _line("tab-before-target", b"GET\t/ HTTP/1.1"),
    _line("tab-behind-target", b"GET /\tHTTP/1.1"),
    _line("vt-before-target", b"GET\x0b/ HTTP/1.1"),
    _line("ff-behind-target", b"GET /\x0cHTTP/1.1"),
    _line("cr-before-target", b"GET\r/ HTTP/1.1", "RFC 9112, 2.2: bare CR"),
    _line("cr-inside", b"GET / HTTP/1.1\rX: y", "RFC 9112, 2.2: bare CR"),
    _line("space-behind-version", b"GET / HTTP/1.1 "),
    _line("tab-behind-version", b"GET / HTTP/1.1\t"),
    _line("word-behind-version", b"GET / HTTP/1.1 HTTP/1.1"),
    _line("two-targets", b"GET / /b HTTP/1.1"),
    _line("no-target", b"GET  HTTP/1.1"),
    _line("no-method", b"/ HTTP/1.1"),
    _line("only-method", b"GET"),
    _line("nothing-but-version", b"HTTP/1.1"),
    RequestCase(
        "line-ends-in-lf", "RFC 9112, 2.2: bare LF", b"GET / HTTP/1.1\nHost: a.test\r\n\r\n", Refused()
    ),
    RequestCase("line-all-lf", "RFC 9112, 2.2: bare LF", b"GET / HTTP/1.1\nHost: a.test\n\n", Refused()),
    RequestCase(
        "line-ends-in-cr", "RFC 9112, 2.2: bare CR", b"GET / HTTP/1.1\rHost: a.test\r\n\r\n", Refused()
    ),
    _line("http-0.9", b"GET /", "HTTP/0.9"),
    RequestCase("line-http-0.9-alone", "HTTP/0.9", b"GET /\r\n\r\n", Refused()),
    _line("http-0.9-named", b"GET / HTTP/0.9", VERSION),
    _line("http-1.2", b"GET / HTTP/1.2", VERSION),
    _line("http-1.10", b"GET / HTTP/1.10", VERSION),
    _line("http-1", b"GET / HTTP/1", VERSION),
    _line("http-1.", b"GET / HTTP/1.", VERSION),
    _line("http-01.1", b"GET / HTTP/01.1", VERSION),
    _line("http-1,1", b"GET / HTTP/1,1", VERSION),
    _line("http-minus", b"GET / HTTP/-1.1", VERSION),
    _line("http-2.0", b"GET / HTTP/2.0", VERSION),
    _line("http-2", b"GET / HTTP/2", VERSION),
    _line("http-3", b"GET / HTTP/3.0", VERSION),
    _line("http-lower-case", b"GET / http/1.1", VERSION),
    _line("http-mixed-case", b"GET / Http/1.1", VERSION),
    _line("http-space-inside", b"GET / HTTP/ 1.1", VERSION),
    _line("http-space-before-slash", b"GET / HTTP /1.1", VERSION),
    _line("https", b"GET / HTTPS/1.1", VERSION),
    _line("rtsp", b"GET / RTSP/1.0", "llhttp reads RTSP"),
    _line("rtsp-1.1", b"POST / RTSP/1.1", "llhttp reads RTSP"),
    _line("ice", b"SOURCE / ICE/1.0", "llhttp reads ICE"),
    RequestCase(
        "line-h2-preface",
        "RFC 9113, 3.4",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        Refused(),
    ),
    RequestCase(
        "line-tls", "RFC 8446", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(64), Refused()
    ),
    RequestCase(
        "line-proxy-protocol",
        "PROXY protocol, 2.1",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + get(),
        Refused(501),
    ),
    RequestCase(
        "line-proxy-protocol-2",
        "PROXY protocol, 2.2",
        b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c" + bytes(12),
        Refused(),
    ),
]

METHODS = [
    _method("connect", b"CONNECT", target=b"a.test:80"),
    _method("connect-path", b"CONNECT"),
    _method("trace", b"TRACE"),
    _method("track", b"TRACK"),
    _method("unknown", b"BREW"),
    _method("lower-case", b"get"),
    _method("mixed-case", b"Get"),
    _method("long", b"GETX"),
    _method("prefix", b"GE"),
    _method("pri", b"PRI", status=400),
    _method("nul", b"GE\x00T", status=400),
    _method("control", b"GE\x01T", status=400),
    _method("non-ascii", b"G\xc9T", status=400),
    _method("colon", b"GET:", status=400),
    _method("parentheses", b"GET()", status=400),
    _method("quoted", b'"GET"', status=400),
    _method("slash", b"GET/", status=400),
    RequestCase(
        "method-override",
        "X-HTTP-Method-Override is the upstream's business",
        get(b"X-HTTP-Method-Override: DELETE"),
        served(seen(b"X-HTTP-Method-Override: DELETE")),
    ),
]

TARGETS = [
    RequestCase(
        "target-absolute",
        TARGET,
        get(line=b"GET http://a.test/b?c HTTP/1.1"),
        served(seen(line=b"GET /b?c HTTP/1.1")),
    ),
    RequestCase("target-absolute-port", TARGET, get(line=b"GET http://A.test:80/ HTTP/1.1"), served(seen())),
    RequestCase(
        "target-asterisk", TARGET, get(line=b"OPTIONS * HTTP/1.1"), served(seen(line=b"OPTIONS * HTTP/1.1"))
    ),
    _target("absolute-other-host", b"http://b.test/", "RFC 9112, 3.2.2: Host and target disagree"),
    _target("absolute-other-port", b"http://a.test:81/", "RFC 9112, 3.2.2: Host and target disagree"),
    _target("absolute-no-host", b"http:///b"),
    _target("absolute-userinfo", b"http://a.test@b.test/", "RFC 9110, 4.2.4: userinfo"),
    _target("absolute-userinfo-same", b"http://user:pass@a.test/", "RFC 9110, 4.2.4: userinfo"),
    _target("absolute-empty-userinfo", b"http://@a.test/", "RFC 9110, 4.2.4: userinfo"),
    _target("absolute-backslash", b"http://a.test\\@b.test/"),
    _target("absolute-ftp", b"ftp://a.test/"),
    _target("absolute-file", b"file:///etc/passwd"),
    _target("absolute-javascript", b"javascript://a.test/"),
    _target("absolute-one-slash", b"http:/a.test/"),
    _target("absolute-fragment", b"http://a.test/#b"),
    _target("absolute-bad-port", b"http://a.test:x/"),
    _target("authority", b"a.test:80"),
    _target("relative", b"b"),
    _target("relative-dots", b"../b"),
    _target("query-alone", b"?b"),
    _target("asterisk-get", b"*", "RFC 9112, 3.2.4"),
    _target("asterisk-post", b"*", "RFC 9112, 3.2.4", method=b"POST"),
    _target("asterisk-path", b"*/b", "RFC 9112, 3.2.4", method=b"OPTIONS"),
    _target("fragment", b"/a#b"),
    _target("fragment-in-query", b"/?a#b"),
    _target("nul", b"/a\x00b"),
    _target("control", b"/a\x01b"),
    _target("tab", b"/a\tb"),
    _target("vt", b"/a\x0bb"),
    _target("ff", b"/a\x0cb"),
    _target("delete", b"/a\x7fb"),
    _target("cr", b"/a\rb"),
    _target("lf", b"/a\nb"),
    _target("non-ascii", b"/\xff"),
    _target("utf-8", "/\u00e4".encode()),
    _target("space", b"/a b"),
    RequestCase(
        "target-encoded-lines",
        "CRLF injection",
        get(line=b"GET /%0d%0aX:%20y%00 HTTP/1.1"),
        served(seen(line=b"GET /%0d%0aX:%20y%00 HTTP/1.1")),
    ),
    RequestCase(
        "target-dots",
        "path traversal is the upstream's to resolve; rules see what is forwarded",
        get(line=b"GET /a/..%2f../b HTTP/1.1"),
        served(seen(line=b"GET /a/..%2f../b HTTP/1.1")),
    ),
    RequestCase(
        "target-two-slashes",
        TARGET,
        get(line=b"GET //b.test/ HTTP/1.1"),
        served(seen(line=b"GET //b.test/ HTTP/1.1")),
    ),
]

HOSTS = [
    _host("missing"),
    _host("missing-absolute", target=b"http://a.test/"),
    _host("empty", b"Host:"),
    _host("blank", b"Host: \t"),
    _host("twice", b"Host: a.test", b"Host: b.test"),
    _host("twice-equal", b"Host: a.test", b"Host: a.test"),
    _host("twice-other-case", b"Host: a.test", b"hOST: b.test"),
    _host("twice-apart", b"Host: a.test", b"X: y", b"host: b.test"),
    _host("list", b"Host: a.test, b.test"),
    _host("space-inside", b"Host: a.test b.test"),
    _host("tab-inside", b"Host: a.test\tb.test"),
    _host("userinfo", b"Host: user@a.test", source="RFC 9110, 4.2.4: userinfo"),
    _host("userinfo-port", b"Host: a.test:80@b.test", source="RFC 9110, 4.2.4: userinfo"),
    _host("path", b"Host: a.test/b"),
    _host("query", b"Host: a.test?b"),
    _host("fragment", b"Host: a.test#b"),
    _host("backslash", b"Host: a.test\\b"),
    _host("scheme", b"Host: http://a.test"),
    _host("port-letters", b"Host: a.test:x"),
    _host("port-signed", b"Host: a.test:+80"),
    _host("port-too-large", b"Host: a.test:65536"),
    _host("port-huge", b"Host: a.test:99999999999"),
    _host("two-ports", b"Host: a.test:80:80"),
    _host("port-alone", b"Host: :80"),
    _host("nul", b"Host: a.test\x00.b.test"),
    _host("control", b"Host: a\x01.test"),
    _host("non-ascii", b"Host: \xe4.test"),
    _host("quoted", b'Host: "a.test"'),
    _host("angle-brackets", b"Host: <script>"),
    _host("percent", b"Host: a%zz.test"),
    _host("ipv6-bare", b"Host: ::1", source="RFC 3986, 3.2.2"),
    _host("ipv6-open", b"Host: [::1", source="RFC 3986, 3.2.2"),
    _host("ipv6-zone", b"Host: [fe80::1%eth0]", source="RFC 6874"),
    _host("ipv6-zone-encoded", b"Host: [fe80::1%25eth0]", source="RFC 6874"),
    _host("ipv6-behind", b"Host: [::1]x", source="RFC 3986, 3.2.2"),
    _host("ipv6-letters", b"Host: [::g]", source="RFC 3986, 3.2.2"),
    _host("ipv6-empty", b"Host: []", source="RFC 3986, 3.2.2"),
    _host("too-long", b"Host: " + b"a" * 300, source="RFC 1035, 2.3.4"),
    _host("folded", b"Host: a.test\r\n .b.test", source="RFC 9112, 5.2: obs-fold"),
    _host("space-before-colon", b"Host : a.test", source="RFC 9112, 5.1"),
    _host("leading-space", b" Host: a.test", source="CVE-2024-27982 (Node.js)"),
    _host("leading-space-second", b"Host: a.test", b" Host: b.test", source="RFC 9112, 5.2: obs-fold"),
    _host("disguised-alone", b"H_ost: a.test"),
    _host("target-disagrees", b"Host: b.test", target=b"http://a.test/"),
    _good_host("port", b"a.test:8080"),
    _good_host("upper-case", b"A.TEST"),
    _good_host("ipv4", b"127.0.0.1:80"),
    _good_host("ipv6", b"[::1]:80"),
    _good_host("underscore", b"a_b.test"),
    RequestCase(
        "host-http-1.0-twice",
        HOST,
        b"GET / HTTP/1.0\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        Refused(),
    ),
    RequestCase(
        "host-http-1.0-empty",
        HOST,
        b"GET / HTTP/1.0\r\nHost:\r\n\r\n",
        Refused(),
    ),
]

FIELDS = [
    _field("space-before-colon", b"X : y"),
    _field("tab-before-colon", b"X\t: y"),
    _field("space-in-name", b"X Y: z"),
    _field("no-name", b": y"),
    _field("no-colon", b"X"),
    _field("nul-in-name", b"X\x00: y"),
    _field("control-in-name", b"X\x01: y"),
    _field("delete-in-name", b"X\x7f: y"),
    _field("non-ascii-name", b"\xc4: y"),
    _field("parentheses-in-name", b"X(): y"),
    _field("quoted-name", b'"X": y'),
    _field("slash-in-name", b"X/Y: z"),
    _field("at-in-name", b"X@Y: z"),
    _field("brackets-in-name", b"[X]: y"),
    _field("comma-in-name", b"X,Y: z"),
    _field("semicolon-in-name", b"X;Y: z"),
    _field("equals-in-name", b"X=Y: z"),
    _field("cr-in-name", b"X\rY: z", source="RFC 9112, 2.2: bare CR"),
    _field("lf-in-name", b"X\nY: z", source="RFC 9112, 2.2: bare LF"),
    _field("nul-in-value", b"X: a\x00b", source=CONTROL),
    _field("nul-alone", b"X: \x00", source=CONTROL),
    _field("control-in-value", b"X: a\x01b", source="RFC 9110, 5.5"),
    _field("escape-in-value", b"X: \x1b[31m", source="RFC 9110, 5.5"),
    _field("vt-in-value", b"X: a\x0bb", source="RFC 9110, 5.5"),
    _field("delete-in-value", b"X: a\x7fb", source="RFC 9110, 5.5"),
    _field("cr-in-value", b"X: a\rb", source=CONTROL),
    _field("lf-in-value", b"X: a\nb", source=CONTROL),
    _field("cr-at-end", b"X: a\r", source=CONTROL),
    _field("cr-at-start", b"X:\ra", source=CONTROL),
    _field("lf-cr", b"X: a\n\rY: b", source=CONTROL),
    _field("folded", b"X: a", b" b", source="RFC 9112, 5.2: obs-fold"),
    _field("folded-by-tab", b"X: a", b"\tb", source="RFC 9112, 5.2: obs-fold"),
    _field("folded-empty", b"X: a", b" ", source="RFC 9112, 5.2: obs-fold"),
    RequestCase("field-lf-lf", "RFC 9112, 2.2: bare LF", b"GET / HTTP/1.1\r\nHost: a.test\n\n", Refused()),
    RequestCase(
        "field-lf-crlf", "RFC 9112, 2.2: bare LF", b"GET / HTTP/1.1\r\nHost: a.test\n\r\n", Refused()
    ),
    RequestCase(
        "field-crlf-lf", "RFC 9112, 2.2: bare LF", b"GET / HTTP/1.1\r\nHost: a.test\r\n\n" + get(), Refused()
    ),
    RequestCase(
        "field-cr-ends-head",
        "CVE-2025-23167 (llhttp)",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\rX: y\r\n\r\n",
        Refused(),
    ),
    RequestCase(
        "field-first-folded",
        "CVE-2024-27982 (Node.js)",
        b"GET / HTTP/1.1\r\n X: y\r\nHost: a.test\r\n\r\n",
        Refused(),
    ),
    RequestCase(
        "field-obs-text", "RFC 9110, 5.5: obs-text", get(b"X: \x80\xff"), served(seen(b"X: \x80\xff"))
    ),
    RequestCase("field-empty", "RFC 9112, 5", get(b"X:"), served(seen(b"X:"))),
]

CASES = [*LINES, *METHODS, *TARGETS, *HOSTS, *FIELDS]
