"""Exchanges as OTLP, https://opentelemetry.io/docs/specs/otlp/: one SERVER span each.

Attributes are the stable ones of the HTTP semantic conventions,
https://opentelemetry.io/docs/specs/semconv/http/http-spans/, and ``traceward.*``. There is no
``http.route``: only the application knows it.

Imported where spans are configured alone, for it needs packages that are optional.
"""

from collections.abc import Callable
from functools import lru_cache

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from proxy import __version__
from proxy.observability.entry import Entry
from proxy.observability.redact import redact_query
from proxy.policy.tracing import TraceDecision

_METHODS = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"}
)
_DEFAULT_PORTS = {"http": 80, "https": 443}

#: Both say that it is known where the parent was; the second, that it was elsewhere.
_LOCAL_PARENT = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE_PARENT = _LOCAL_PARENT | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class Batch:
    """Spans of one request to a collector; ``add`` takes some 15 us a span."""

    def __init__(self, service_name: str, *, keep_query: bool) -> None:
        self._keep_query = keep_query
        self._request = ExportTraceServiceRequest()
        resource_spans = self._request.resource_spans.add()
        _add_text(resource_spans.resource.attributes.add, "service.name", service_name)
        self._scope_spans = resource_spans.scope_spans.add()
        self._scope_spans.scope.name = "traceward"
        self._scope_spans.scope.version = __version__

    def add(self, entry: Entry) -> None:
        """Add the span of a sampled exchange."""
        trace = entry.trace
        assert trace is not None
        # A float of this size is good for a quarter of a microsecond.
        start = round(entry.started * 1e6) * 1000
        span = self._scope_spans.spans.add(
            trace_id=bytes.fromhex(trace.trace_id.decode("ascii")),
            span_id=bytes.fromhex(trace.span_id.decode("ascii")),
            parent_span_id=bytes.fromhex(trace.parent_id.decode("ascii")),
            trace_state=_trace_state(trace),
            flags=int(trace.flags, 16) | (_REMOTE_PARENT if trace.parent_id else _LOCAL_PARENT),
            start_time_unix_nano=start,
            end_time_unix_nano=start + int(entry.duration * 1e9),
        )
        scheme, _, rest = entry.url.partition("://")
        authority, slash, path_and_query = rest.partition("/")
        path, mark, query = path_and_query.partition("?")
        common = (entry.method, scheme, authority, entry.http_version)
        span.MergeFromString(_encode_common(*common, entry.rule, trace.reason, entry.upstream, entry.target))
        add = span.attributes.add
        _add_text(add, "url.path", f"{slash}{path}" or "*")
        if mark:
            _add_text(add, "url.query", query if self._keep_query else redact_query(query))
        _add_number(add, "http.response.status_code", entry.status)
        _add_number(add, "http.response.body.size", entry.bytes)
        _add_text(add, "client.address", entry.client_address)
        _add_text(add, "network.peer.address", entry.peer)
        _add_outcome(span, entry)
        if trace.replaced_trace_id and trace.replaced_parent_id:
            span.links.add(
                trace_id=bytes.fromhex(trace.replaced_trace_id.decode("ascii")),
                span_id=bytes.fromhex(trace.replaced_parent_id.decode("ascii")),
                flags=_REMOTE_PARENT,
            )

    def encode(self) -> bytes:
        """Return the body of the request."""
        return self._request.SerializeToString()


def read_rejected(body: bytes) -> tuple[int, str]:
    """Return how many spans a collector refused though it took the request, and what it said."""
    try:
        answer = ExportTraceServiceResponse.FromString(body)
    except DecodeError:
        # It took the request; what else it says is for nobody.
        return 0, ""
    return answer.partial_success.rejected_spans, answer.partial_success.error_message


@lru_cache(maxsize=1024)
def _encode_common(
    method: bytes,
    scheme: str,
    authority: str,
    http_version: str,
    rule: str,
    reason: str,
    upstream: str,
    target: str,
) -> bytes:
    """Return what many spans have in common: to merge it costs a third of what adding it to each does."""
    span = Span(kind=Span.SpanKind.SPAN_KIND_SERVER)
    add = span.attributes.add
    name = method.decode("latin-1")
    if method in _METHODS:
        span.name = name
        _add_text(add, "http.request.method", name)
    else:
        span.name = "HTTP"
        _add_text(add, "http.request.method", "_OTHER")
        _add_text(add, "http.request.method_original", name)
    host, port = _split_authority(authority, scheme)
    _add_text(add, "server.address", host)
    _add_number(add, "server.port", port)
    _add_text(add, "url.scheme", scheme)
    _add_text(add, "network.protocol.version", http_version)
    _add_text(add, "traceward.rule", rule)
    _add_text(add, "traceward.reason", reason)
    if upstream:
        _add_text(add, "traceward.upstream", upstream)
    if target:
        _add_text(add, "traceward.target", target)
    return span.SerializeToString()


def _add_outcome(span: Span, entry: Entry) -> None:
    """Add what went wrong; an answer of 4xx is the client's fault, and no error of a server."""
    failed = entry.status >= 500
    if entry.error is not None or failed:
        _add_text(span.attributes.add, "error.type", entry.error or str(entry.status))
    # With an error below 400, an answer that had begun was cut off.
    if failed or (entry.error is not None and entry.status < 400):
        span.status.code = Status.StatusCode.STATUS_CODE_ERROR


def _trace_state(trace: TraceDecision) -> str:
    for name, value in trace.add:
        if name == b"tracestate":
            return value.decode("latin-1")
    return ""


def _split_authority(authority: str, scheme: str) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, ""
    return host.strip("[]"), int(port) if port else _DEFAULT_PORTS.get(scheme, 0)


# Setting the value afterwards costs half of what making an AnyValue for it does.


def _add_text(add: Callable[..., KeyValue], key: str, value: str) -> None:
    add(key=key).value.string_value = value


def _add_number(add: Callable[..., KeyValue], key: str, value: int) -> None:
    add(key=key).value.int_value = value
