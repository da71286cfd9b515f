"""What an attack is: bytes from one side, and what the other must see of them.

Nothing here knows Traceward; ``bench.attacks`` puts the same cases to other proxies.
"""

from dataclasses import dataclass
from typing import TypeAlias

AUTHORITY = b"a.test"
#: Sent behind what is served: it must arrive as itself, and get its own answer.
PROBE = b"GET /probe HTTP/1.1\r\nHost: a.test\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Refused:
    """The client gets this status and the connection ends; the upstream got ``after`` and not a byte more."""

    status: int = 400
    after: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """The upstream gets these messages byte for byte, and each is answered."""

    messages: tuple[bytes, ...]
    closes: bool = False  # the client's connection ends behind the last answer


@dataclass(frozen=True, slots=True)
class RequestCase:
    """What a client sends, in one piece or in several."""

    id: str
    source: str
    sent: bytes | tuple[bytes, ...]
    expect: Refused | Served
    config: str = ""

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """What to send, one after another."""
        return (self.sent,) if isinstance(self.sent, bytes) else self.sent


@dataclass(frozen=True, slots=True)
class BadGateway:
    """The client gets a 502 with this error."""

    error: str = "upstream_protocol"


@dataclass(frozen=True, slots=True)
class Aborted:
    """The client gets these bytes, and a reset: the answer cannot look complete."""

    received: bytes


@dataclass(frozen=True, slots=True)
class Passed:
    """The client gets exactly these bytes; ``reused``: the upstream's connection carries the next request."""

    received: bytes
    reused: bool = False


Outcome: TypeAlias = BadGateway | Aborted | Passed


@dataclass(frozen=True, slots=True)
class ResponseCase:
    """What an upstream answers to a request."""

    id: str
    source: str
    sent: bytes | tuple[bytes, ...]
    expect: Outcome
    end: str = "open"  # then it does nothing, or: close, reset
    request: bytes = GET

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """What to send, one after another."""
        return (self.sent,) if isinstance(self.sent, bytes) else self.sent


def get(*lines: bytes, line: bytes = b"GET / HTTP/1.1", body: bytes = b"") -> bytes:
    """Return a request to AUTHORITY with further lines."""
    return b"\r\n".join([line, b"Host: a.test", *lines, b"", body])


def post(*lines: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    """Return a POST with further lines; none of them is added for the body."""
    return get(*lines, line=line, body=body)


def chunked(body: bytes, *lines: bytes) -> bytes:
    """Return a POST whose body is in chunks."""
    return post(b"Transfer-Encoding: chunked", *lines, body=body)


def seen(
    *lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = AUTHORITY, name: bytes = b"Host"
) -> bytes:
    """Return the head that the upstream gets for a request with these end-to-end lines."""
    forwarded = [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: " + host]
    return b"\r\n".join([line, name + b": " + host, *lines, *forwarded, b"", b""])


def seen_post(*lines: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    """Return the POST that the upstream gets."""
    return seen(*lines, line=line) + body


def seen_chunked(*parts: bytes, trailers: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    """Return the POST that the upstream gets for one in chunks, chunked anew."""
    head = seen(line=line).removesuffix(b"\r\n") + b"Transfer-Encoding: chunked\r\n\r\n"
    return (
        head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"
    )


def served(*messages: bytes, closes: bool = False) -> Served:
    """Return an expectation."""
    return Served(messages, closes)
