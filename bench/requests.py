"""The requests that are sent: kinds, and each kind in wrk's Lua and as bytes.

``same``: always the same request; ``others``: each with a URL and a field of its own; ``traced``: each of
those with a traceparent; ``post``: with a body of 16 KiB; ``large``: for an answer of 64 KiB.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import count

HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
    "Accept: application/json",
    "Accept-Language: en",
    "Accept-Encoding: gzip, br",
    "Origin: https://shop.example.com",
    "Referer: https://shop.example.com/cart",
    "Cookie: sid=abc",
)
POST_BYTES = 16 * 1024
LARGE_BYTES = 64 * 1024

_OWN = """
local n, of = {start}, wrk.headers
function request()
  n = n + 1
  of["X-Request-Id"] = string.format("%016x", n)
  {more}
  return wrk.format("GET", "/api/orders/" .. n)
end
"""
_TRACEPARENT = (
    """of["traceparent"] = string.format("00-%016x%016x-%016x-01", n, n % 1048576 * 2654435761, n)"""
)
_POST = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.body = string.rep("x", {POST_BYTES})
"""


class Kind(StrEnum):
    """A kind of requests."""

    SAME = "same"
    OTHERS = "others"
    TRACED = "traced"
    POST = "post"
    LARGE = "large"


def target(kind: Kind) -> str:
    """Return the path that requests begin with."""
    return f"/bytes/{LARGE_BYTES}" if kind is Kind.LARGE else "/api/orders"


def script(kind: Kind, start: int) -> str:
    """Return wrk's script; ``start`` is where a run's own numbers begin, so that no URL comes again."""
    match kind:
        case Kind.OTHERS:
            return _OWN.format(start=start, more="")
        case Kind.TRACED:
            return _OWN.format(start=start, more=_TRACEPARENT)
        case Kind.POST:
            return _POST
        case Kind.SAME | Kind.LARGE:
            return ""


def encode(kind: Kind, start: int) -> Iterator[bytes]:
    """Give requests without end."""
    fields = "\r\n".join(["Host: 127.0.0.1", *HEADERS])
    if kind is Kind.POST:
        body = b"x" * POST_BYTES
        head = f"POST {target(kind)} HTTP/1.1\r\n{fields}\r\nContent-Length: {len(body)}\r\n\r\n"
        while True:
            yield head.encode() + body
    if kind is Kind.SAME or kind is Kind.LARGE:
        request = f"GET {target(kind)} HTTP/1.1\r\n{fields}\r\n\r\n".encode()
        while True:
            yield request
    end = fields.encode() + b"\r\nX-Request-Id: %016x"
    if kind is Kind.TRACED:
        for n in count(start):
            context = b"\r\ntraceparent: 00-%016x%016x-%016x-01\r\n\r\n" % (n, n % 1048576 * 2654435761, n)
            yield b"GET /api/orders/%d HTTP/1.1\r\n" % n + end % n + context
    for n in count(start):
        yield b"GET /api/orders/%d HTTP/1.1\r\n" % n + end % n + b"\r\n\r\n"
