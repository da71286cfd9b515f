"""Heads that pass unread are forwarded as if they had been read: both ways are held against each other."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.compile import compile_policy
from proxy.config.load import load_text
from proxy.message.plain import PlainRequests
from proxy.resolving.resolver import Resolver
from proxy.server import upstream as upstream_module
from proxy.server.data_plane import DataPlane, ListenerFacts
from proxy.server.downstream import DownstreamConnection
from proxy.server.limits import Limits
from proxy.server.pool import Upstream
from proxy.server.upstream import UpstreamConnection
from proxy.tracecontext.ids import IdSource

if TYPE_CHECKING:
    import asyncio

    from proxy.record import ExchangeRecord

CONFIG = b"""
upstream: http://127.0.0.1:9
limits: {header_bytes: 1KiB, headers: 8, request_body: 20B}
tracing:
  sample_rate: 50
  propagators: [tracecontext, b3]
  response: {traceresponse: %s}
  rules: [{match: /a}, {match: /none, trace: false}]
"""
CONFIGS = [load_text(CONFIG % tells, Path("traceward.yaml"), {}).config for tells in (b"false", b"true")]
TRACEPARENT = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0%d"


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.end = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, parts: list[bytes]) -> None:
        self.written += b"".join(parts)

    def write_eof(self) -> None:
        self.end = self.end or "eof"

    def close(self) -> None:
        self.end = self.end or "close"

    def abort(self) -> None:
        self.end = self.end or "abort"

    def is_closing(self) -> bool:
        return self.end in ("close", "abort")

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_extra_info(self, name: str) -> object:
        return ("192.0.2.1", 50_000) if name == "peername" else None


def proxy(tells: bool, requests: list[bytes], answers: list[bytes]) -> list[object]:
    """Return all that can be seen of one connection that sends the requests in turn."""
    config = CONFIGS[tells]
    records: list[ExchangeRecord] = []
    pool = Upstream(
        "default",
        config.upstreams["default"],
        head_bytes=1024,
        tls=None,
        resolver=Resolver(),
        on_wait=lambda *_: None,
    )
    plane = DataPlane(
        compile_policy(config, lambda rule, error: None, secret=bytes(32)),
        Limits.of(config.limits),
        {"default": pool},
        IdSource(lambda size: bytes(range(256)) * (size // 256)),
        records.append,
    )
    plane.wall_clock = lambda: 0.0
    connection, upstream_wire, client_wire = (
        UpstreamConnection(pool, pool._targets[0], 1024),
        Wire(),
        Wire(),
    )
    connection.connection_made(cast("asyncio.Transport", upstream_wire))
    pool.release(connection, perf_counter())
    client = DownstreamConnection(plane, ListenerFacts("http", "127.0.0.1:8080"))
    client.connection_made(cast("asyncio.Transport", client_wire))
    for request, answer in zip(requests, answers, strict=True):
        client.data_received(request)
        if client.current is None or not client.current.request_complete:
            break
        connection.data_received(answer)
        if upstream_wire.end:
            break
    seen = [(r.status, r.error, r.bytes, r.header_bytes, r.rule, r.decision, r.trace_id) for r in records]
    return [upstream_wire.written, upstream_wire.end, client_wire.written, client_wire.end, seen]


def one_of(*groups: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.sampled_from([each for group in groups for each in group])


def lines_of(field: st.SearchStrategy[bytes], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(field, max_size=most).map(lambda lines: b"".join([b"\r\n" + line for line in lines]))


HOST = b"\r\nHost: a.test"
COMMON = [b"Host: a.test", b"host:b", b"Accept: */*", b"X-A:", b"Cookie: a=b", b"a : b", b"x" * 400 + b": y"]
FORWARDING = [
    *[b"Connection: keep-alive", b"connection: Keep-Alive", b"Connection: close", b"Te: trailers"],
    *[b"X_Forwarded_For: 1", b"X-Forwarded-For: 9.9.9.9", b"Expect: x"],
]
CONTEXT = [
    *[
        TRACEPARENT % 0,
        TRACEPARENT % 1,
        b"Traceparent: 1",
        b"traceparent: 00-1",
        b"traceparent:  " + TRACEPARENT[13:] % 1,
    ],
    *[b"tracestate: a=b,c=d", b"tracestate: dd=s:1", b"tracestate: ,=", b"b3: 0", b"baggage: a=b"],
]
FRAMING = [
    *[b"Content-Length: 4", b"content-length: 0", b"Content-Length: 21", b"Content-Length: +4"],
    *[b"Content-Type: a/b", b"Transfer-Encoding: chunked", b"Content_Length: 4"],
]
PLAIN_LINES = [b"GET /a HTTP/1.1", b"GET /a?b=c HTTP/1.1", b"POST /a HTTP/1.1", b"GET /none HTTP/1.1"]
OTHER_LINES = [
    *[b"HEAD /a HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET http://a.test/a HTTP/1.1", b"GET /a HTTP/1.0"],
    *[b"GET  /a HTTP/1.1", b"get /a HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"GET /a#b HTTP/1.1"],
]
BODIES = [b"", b"", b"body", b"bodybodybodybodybody!", b"4\r\nbody\r\n0\r\n\r\n"]
REQUESTS = st.tuples(
    one_of(PLAIN_LINES, PLAIN_LINES, OTHER_LINES),
    st.sampled_from([HOST, HOST, b""]),
    lines_of(one_of(COMMON, COMMON, COMMON, FORWARDING, CONTEXT, FRAMING), 4),
    st.just(b"\r\n\r\n"),
    st.sampled_from(BODIES),
).map(b"".join)
STATUSES = [b"200 OK", b"200 OK", b"404 ", b"204 x", b"304 x", b"500", b"103 x", b"200 \xff", b"2x0 OK"]
ANSWER_FIELDS = [
    *[b"Content-Length: 2", b"content-length:2 ", b"Content-Length: 3", b"Content-Length: 0", b"bad"],
    *[b"Connection: keep-alive", b"connection: Keep-Alive", b"Connection: close", b"Connection: x"],
    *[b"X-A: b", b"Keep-Alive: timeout=5", b"Transfer-Encoding: chunked", b"Server: x"],
]
ANSWERS = st.tuples(
    st.just(b"HTTP/1.1 "),
    st.sampled_from(STATUSES),
    st.sampled_from([b"", b"\r\nContent-Length: 2"]),
    lines_of(st.sampled_from(ANSWER_FIELDS), 3),
    st.just(b"\r\n\r\n"),
    st.sampled_from([b"ok", b"ok", b"", b"ok!", b"2\r\nok\r\n0\r\n\r\n"]),
).map(b"".join)


@pytest.mark.interpreted("it puts functions in place of methods, which compiled callers do not look up")
@given(st.booleans(), st.lists(st.tuples(REQUESTS, ANSWERS), min_size=1, max_size=3), st.booleans())
def test_what_passes_unread_passes_as_what_is_read(
    tells: bool, exchanges: list[tuple[bytes, bytes]], again: bool
) -> None:
    if again:
        exchanges = [exchange for exchange in exchanges for _ in range(2)]
    requests, answers = [request for request, _ in exchanges], [answer for _, answer in exchanges]
    with patch.object(Upstream, "_start", lambda _, attempt: attempt.close()):
        seen = proxy(tells, requests, answers)
        with (
            patch.object(PlainRequests, "find", lambda self, data: None),
            patch.object(upstream_module, "find_plain_response", lambda data: None),
        ):
            assert seen == proxy(tells, requests, answers)
