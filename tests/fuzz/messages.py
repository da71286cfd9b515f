"""Messages by their grammar, then damaged; and the places where they are cut."""

from hypothesis import strategies as st

LINES = [b"\r\n", b"\n", b"\r", b"\r\n ", b"\n\n", b"\r\r\n"]
TOKENS = [
    *LINES,
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b'"',
    b"\x00",
    b"\x0b",
    b"\x7f",
    b"\xff",
    b"_",
    b"0",
    b"1",
    b"5",
    b"+",
    b"0x",
    b"a",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"0\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Content-Length: 0\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Host: b\r\n",
    b"Expect: 100-continue\r\n",
    b"X: y\r\n",
]

NAMES = [
    b"X",
    b"Accept",
    b"Cookie",
    b"x_y",
    b"X-Forwarded-For",
    b"X_Forwarded_For",
    b"Keep-Alive",
    b"TE",
    b"Via",
    b"Set-Cookie",
]
VALUES = [b"", b"a", b" a b ", b"a, b", b'"q"', b"\x80\xff", b"1" * 50, b"http://x/"]
fields = st.lists(
    st.builds(
        lambda name, value: name + b": " + value + b"\r\n", st.sampled_from(NAMES), st.sampled_from(VALUES)
    ),
    max_size=3,
).map(b"".join)
connection_fields = st.sampled_from(
    [
        b"",
        b"",
        b"",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Connection: x\r\n",
        b"Connection: upgrade\r\nUpgrade: x\r\n",
    ]
)
bodies = st.sampled_from(
    [b"", b"abc", b"0\r\n\r\n", b"GET /in HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n", b"x" * 300]
)


def _chunks(body: bytes, size: int, extension: bytes, trailer: bytes) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%X%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    return chunks + b"0" + extension + b"\r\n" + trailer + b"\r\n"


chunked_bodies = st.builds(
    _chunks,
    bodies,
    st.sampled_from([1, 3, 1000]),
    st.sampled_from([b"", b"", b";a", b";a=b", b';a="b;c"']),
    st.sampled_from([b"", b"", b"X-T: t\r\n", b"Host: b\r\n", b"X-T: t\r\nCookie: a\r\n"]),
)
framed = st.one_of(
    st.just(b"\r\n"),
    bodies.map(lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body), body)),
    chunked_bodies.map(lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + body),
)

requests = st.builds(
    lambda *parts: b"".join(parts),
    st.sampled_from([b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE "]),
    st.sampled_from([b"/", b"/a?b=%20", b"http://a.test/c", b"*", b"//x", b"/" + b"y" * 200]),
    st.sampled_from([b" HTTP/1.1\r\n", b" HTTP/1.1\r\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n"]),
    st.sampled_from([b"Host: a.test\r\n", b"Host: a.test\r\n", b"host:a.test:80\r\n"]),
    fields,
    connection_fields,
    framed,
)
_heads = st.builds(
    lambda *parts: b"".join(parts),
    st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 "]),
    st.sampled_from(
        [
            b"200 OK\r\n",
            b"200 OK\r\n",
            b"204 No Content\r\n",
            b"304 Not Modified\r\n",
            b"404 \r\n",
            b"599 A  b\r\n",
        ]
    ),
    fields,
    connection_fields,
)
interims = st.sampled_from(
    [
        b"",
        b"",
        b"",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n",
        b"HTTP/1.1 101 X\r\n\r\n",
    ]
)
responses = st.builds(lambda interim, head, rest: interim + head + rest, interims, _heads, framed)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes], most: int = 3) -> bytes:
    """Return messages, with up to so many places replaced, removed or repeated."""
    data = draw(whole)
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        size = draw(st.sampled_from([0, 0, 1, 2, 10]))
        middle = draw(
            st.one_of(st.sampled_from(TOKENS), st.just(b""), st.just(data[start : start + size] * 2))
        )
        data = data[:start] + middle + data[start + size :]
    return data


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Return the data whole, in single bytes, or cut at up to three places."""
    how = draw(st.sampled_from(["whole", "bytes", "places"]))
    if how == "whole" or len(data) < 2:
        return [data] if data else []
    if how == "bytes":
        return [data[place : place + 1] for place in range(len(data))]
    places = sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=3)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
