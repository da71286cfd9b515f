"""A client's and an upstream's connection in this process, without sockets: what Python itself does."""

import os
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, cast

from proxy.config.compile import compile_policy
from proxy.config.load import load_text
from proxy.observability.metrics import Metrics
from proxy.resolving.resolver import Resolver
from proxy.server.data_plane import DataPlane, ListenerFacts
from proxy.server.downstream import DownstreamConnection
from proxy.server.limits import Limits
from proxy.server.pool import Upstream
from proxy.server.upstream import UpstreamConnection
from proxy.tracecontext.ids import IdSource

if TYPE_CHECKING:
    import asyncio

CONFIG = rb"""
upstreams: {default: {targets: ['http://127.0.0.1:9'], pool: {idle_timeout: 24h}}}
tracing:
  sample_rate: 10
  rules:
    - {name: checkout, match: /checkout/, sample_rate: 100}
    - {name: partners, match: {regex: 'https?://.*\.example\.com/'}}
    - {name: all, match: /}
"""
FIELDS = (
    b"\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json"
    b"\r\nAccept-Language: en\r\nAccept-Encoding: gzip, br\r\nOrigin: https://shop.example.com"
    b"\r\nReferer: https://shop.example.com/cart\r\nCookie: sid=abc"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 02:09:02 GMT"
    b"\r\nContent-Type: application/json\r\nContent-Length: 144\r\nConnection: keep-alive"
)
BODY = b"x" * 144


def request_and_answer(kind: str, number: int) -> tuple[bytes, bytes]:
    """Return a request of a kind, and what the upstream answers it.

    ``same``: always the same; ``others``: each with a URL and a field of its own, in both directions;
    ``traced``: each of those with a traceparent; ``post``: with a small body.
    """
    own = b"\r\nX-Request-Id: %016x" % number
    answer = ANSWER + own + b"\r\n\r\n" + BODY
    if kind == "same":
        return b"GET /api/orders HTTP/1.1" + FIELDS + b"\r\n\r\n", ANSWER + b"\r\n\r\n" + BODY
    if kind == "others":
        return b"GET /api/orders/%d HTTP/1.1" % number + FIELDS + own + b"\r\n\r\n", answer
    if kind == "traced":
        context = b"\r\ntraceparent: 00-%032x-%016x-01" % (number * 40503 + 1, number + 1)
        return b"GET /api/orders/%d HTTP/1.1" % number + FIELDS + own + context + b"\r\n\r\n", answer
    body = b"x" * (100 + number % 7)
    length = b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return b"POST /api/orders HTTP/1.1" + FIELDS + length + body, answer


KINDS = ("same", "others", "traced", "post")


class Wire:
    """A transport that takes what is written and tells nobody."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, data: bytes) -> None:
        """Count a write."""
        self.written += 1

    def writelines(self, parts: list[bytes]) -> None:
        """Count a write of several parts."""
        self.written += 1

    def is_closing(self) -> bool:
        """Say that all is well."""
        return False

    def get_extra_info(self, name: str) -> object:
        """Tell the peer's address."""
        return ("127.0.0.1", 50_000) if name == "peername" else None


class Rig:
    """One data plane whose two connections are driven by hand."""

    def __init__(self) -> None:
        config = load_text(CONFIG, Path("traceward.yaml"), {}).config
        metrics = Metrics()
        upstream = Upstream(
            "default",
            config.upstreams["default"],
            head_bytes=config.limits.header_bytes,
            tls=None,
            resolver=Resolver(),
            on_wait=metrics.observe_wait,
        )
        plane = DataPlane(
            compile_policy(config, lambda rule, error: None, secret=bytes(32)),
            Limits.of(config.limits),
            {"default": upstream},
            IdSource(os.urandom),
            metrics.observe,
        )
        target = upstream._targets[0]
        self._upstream = UpstreamConnection(upstream, target, config.limits.header_bytes)
        self._upstream.connection_made(cast("asyncio.Transport", Wire()))
        upstream.release(self._upstream, perf_counter())
        self._downstream = DownstreamConnection(plane, ListenerFacts("http", "127.0.0.1:8080"))
        self._wire = Wire()
        self._downstream.connection_made(cast("asyncio.Transport", self._wire))

    def exchange(self, request: bytes, answer: bytes) -> None:
        """Have one request proxied."""
        self._downstream.data_received(request)
        self._upstream.data_received(answer)

    @property
    def answered(self) -> int:
        """How many answers were written to the client."""
        return self._wire.written
