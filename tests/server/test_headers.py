"""What of a head reaches the other side, byte for byte, over real sockets."""

import pytest

from tests.server.conftest import GET, OK, Start, Wire, fields_of, split_line

ODD = [
    b"X-A: 1",
    b"x-a:2",
    b"X-a:\t 3",
    b"X-Empty:",
    b"X-Spaces:   ",
    b"X-Trailing: v \t ",
    b"X-Colon: a:b: c",
    b"X-Bytes: \xff\x80\xc3\xa4",
    b"X-Tab: a\tb",
    b'X-Quoted: "a, b" ; c="\\""',
    b"!#$%&'*+-.^_`|~09AZaz: odd name",
    b"Cookie: a=1",
    b"cookie: b=2",
    b"Accept-Encoding: gzip, br;q=0",
    b"X-Long: " + b"y" * 20_000,
]
#: The lines stay as they are, white space around the values included.
KEPT = [split_line(line) for line in ODD]
FORWARDED = [
    (b"X-Forwarded-For", b"127.0.0.1"),
    (b"X-Forwarded-Proto", b"http"),
    (b"X-Forwarded-Host", b"A.test"),
]


def get(*lines: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"HOST: A.test", *lines, b"", b""])


async def test_request_fields_keep_order_case_repeats_and_bytes(wire: Wire) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, get(*ODD))
    assert fields_of(head) == [(b"HOST", b"A.test"), *KEPT, *FORWARDED]


async def test_response_fields_keep_order_case_repeats_and_bytes(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, get())
    lines = [*ODD, b"Set-Cookie: a", b"set-cookie: b", b"Server: x", b"Via: 1.0 y", b"Date: z", b"Age: 1"]
    await upstream.send(b"\r\n".join([b"HTTP/1.1 299 So \xff so", *lines, b"content-length: 0", b"", b""]))
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 299 So \xff so\r\n")
    rest = [
        (b"Set-Cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"Server", b"x"),
        (b"Via", b"1.0 y"),
        (b"Date", b"z"),
    ]
    assert fields_of(head) == [*KEPT, *rest, (b"Age", b"1"), (b"content-length", b"0")]


@pytest.mark.parametrize("phrase", [b"", b"OK", b"Not  So", b"\xc3\xa4"])
async def test_reason_phrases_are_kept(wire: Wire, phrase: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 " + phrase + b"\r\nContent-Length: 0\r\n\r\n")
    assert (await client.head()).startswith(b"HTTP/1.1 200 " + phrase + b"\r\n")


@pytest.mark.parametrize("status", [200, 299, 300, 404, 418, 451, 599, 600, 999])
async def test_statuses_are_kept(wire: Wire, status: int) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)
    assert (await client.answer()) == (b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n" % status, b"ok")


TARGETS = [
    b"/",
    b"/?",
    b"/a?",
    b"//",
    b"//a//b/",
    b"/a/../b/./c",
    b"/%2F%2f%00%zz%",
    b"/;a=b;c",
    b'/a|b^c{d}[e]"f<g>h\\i`j',
    b"/?q=a b".replace(b" ", b"+"),
    b"/?a=1&a=2&&=&?",
    b"/http://b.test/",
    b"/*",
    b"/:80",
    b"/@",
    b"/a?b=http://c/?d",
    b"/" + b"x" * 8000,
]


@pytest.mark.parametrize("target", [pytest.param(target, id=target[:24].decode()) for target in TARGETS])
async def test_targets_are_left_as_they_came(wire: Wire, target: bytes) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, get(line=b"GET " + target + b" HTTP/1.1"))
    assert head.startswith(b"GET " + target + b" HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        (b"GET http://a.test/b?c HTTP/1.1", b"GET /b?c HTTP/1.1"),
        (b"GET HTTP://A.TEST/b HTTP/1.1", b"GET /b HTTP/1.1"),
        (b"GET http://a.test HTTP/1.1", b"GET / HTTP/1.1"),
        (b"GET http://a.test?b HTTP/1.1", b"GET /?b HTTP/1.1"),
        (b"GET http://a.test:80/ HTTP/1.1", b"GET / HTTP/1.1"),
        (b"OPTIONS http://a.test HTTP/1.1", b"OPTIONS * HTTP/1.1"),
        (b"OPTIONS http://a.test/ HTTP/1.1", b"OPTIONS / HTTP/1.1"),
        (b"OPTIONS * HTTP/1.1", b"OPTIONS * HTTP/1.1"),
    ],
)
async def test_absolute_targets_become_paths(wire: Wire, line: bytes, sent: bytes) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, get(line=line))
    assert head.startswith(sent + b"\r\nHOST: A.test\r\n")


@pytest.mark.parametrize(
    "method",
    [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND", b"REPORT", b"PURGE", b"QUERY"],
)
async def test_methods_that_the_parser_knows_are_passed_on(wire: Wire, method: bytes) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, get(line=method + b" / HTTP/1.1"))
    assert head.startswith(method + b" / HTTP/1.1\r\n")


HOP_BY_HOP = [
    b"Connection: keep-alive, X-Named , x-other",
    b"Keep-Alive: timeout=5",
    b"Proxy-Connection: keep-alive",
    b"TE: trailers",
    b"Upgrade: h2c",
    b"X-Named: 1",
    b"X-OTHER: 2",
]
STAYING = [b"Proxy-Authorization: Basic x", b"Trailer: X", b"X-Named-Not: 3", b"Expect: 100-continue"]


async def test_hop_by_hop_fields_of_a_request_end_here(wire: Wire) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, get(*HOP_BY_HOP, *STAYING))
    kept = [tuple(line.split(b": ")) for line in STAYING]
    assert fields_of(head) == [(b"HOST", b"A.test"), *kept, *FORWARDED]


async def test_hop_by_hop_fields_of_a_response_end_here(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    staying = [b"Proxy-Authenticate: Basic", b"Trailer: X", b"Content-Length: 0"]
    await upstream.send(b"\r\n".join([b"HTTP/1.1 200 OK", *HOP_BY_HOP, *staying, b"", b""]))
    assert fields_of(await client.head()) == [tuple(line.split(b": ")) for line in staying]


async def test_connection_cannot_name_away_what_routes_frames_and_traces(start: Start) -> None:
    wire = await start("tracing: {sample_rate: 100, rules: [{match: /}]}")
    traceparent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    named = (
        b"Connection: host, content-length, traceparent, tracestate, baggage, forwarded, x-forwarded-for, "
    )
    client = await wire.connect()
    _, head = await wire.forward(
        client,
        get(
            named
            + b"x-forwarded-proto, x-forwarded-host, X-Forwarded-Prefix, b3, x-datadog-trace-id, x-gone",
            b"Content-Length: 0",
            b"traceparent: " + traceparent,
            b"tracestate: a=b",
            b"baggage: c=d",
            b"X-Forwarded-Prefix: /p",
            b"X-Gone: 1",
        ),
    )
    fields = dict(fields_of(head))
    assert fields[b"traceparent"] == traceparent
    assert fields[b"tracestate"] == b"a=b"
    assert fields[b"baggage"] == b"c=d"
    assert fields[b"HOST"] == b"A.test"
    assert fields[b"Content-Length"] == b"0"
    assert fields[b"X-Forwarded-Prefix"] == b"/p"
    assert [field for field in fields_of(head) if field[0].startswith(b"X-Forwarded-")][1:] == FORWARDED
    assert b"X-Gone" not in fields


@pytest.mark.parametrize(
    "name",
    [
        b"X_Forwarded_For",
        b"x_forwarded-for",
        b"X-Forwarded_Proto",
        b"X_FORWARDED_HOST",
        b"Transfer_Encoding",
        b"Content_Length",
        b"x_datadog_trace_id",
        b"X_B3_TraceId",
    ],
)
async def test_look_alikes_are_removed(wire: Wire, name: bytes) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, get(name + b": 1", b"X_Mine: 2"))
    assert fields_of(head) == [(b"HOST", b"A.test"), (b"X_Mine", b"2"), *FORWARDED]


async def test_a_clients_x_forwarded_fields_are_replaced(wire: Wire) -> None:
    client = await wire.connect()
    _, head = await wire.forward(
        client, get(b"x-forwarded-for: 1.2.3.4", b"X-FORWARDED-PROTO: https", b"Forwarded: for=1.2.3.4")
    )
    assert fields_of(head) == [(b"HOST", b"A.test"), *FORWARDED]


async def test_host_is_preserved_unless_told_otherwise(wire: Wire) -> None:
    client = await wire.connect()
    _, head = await wire.forward(client, get(b"X: y"))
    assert fields_of(head)[0] == (b"HOST", b"A.test")


async def test_host_of_the_target(start: Start) -> None:
    wire = await start(upstream="host: target")
    client = await wire.connect()
    _, head = await wire.forward(client, get(b"X: y"))
    assert fields_of(head) == [(b"Host", wire.upstream_authority.encode()), (b"X", b"y"), *FORWARDED]


async def test_host_by_name(start: Start) -> None:
    wire = await start(upstream="host: API.internal:81")
    client = await wire.connect()
    _, head = await wire.forward(client, get(b"X: y"))
    assert fields_of(head) == [(b"Host", b"API.internal:81"), (b"X", b"y"), *FORWARDED]


async def test_an_unmatched_request_keeps_its_trace_headers_byte_for_byte(wire: Wire) -> None:
    lines = [b"TraceParent:  nonsense ", b"tracestate: ,,", b"TRACEPARENT: again", b"b3: 0", b"X-B3-Odd: 1"]
    client = await wire.connect()
    upstream, head = await wire.forward(client, get(*lines))
    assert fields_of(head) == [(b"HOST", b"A.test"), *map(split_line, lines), *FORWARDED]
    await upstream.send(OK)
    assert await client.answer() == (OK[:-2], b"ok")
