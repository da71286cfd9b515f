"""Spans as a collector decodes them."""

from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from proxy import __version__
from proxy.message.error import ErrorKind
from proxy.observability.entry import Entry
from proxy.observability.otlp import Batch, read_rejected
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.record import ExchangeRecord
from proxy.tracecontext.fault import Fault

TRACE_ID, SPAN_ID, PARENT_ID = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7", b"b7ad6b7169203331"
MakeRecord = Callable[..., ExchangeRecord]


def _decision(context: Context = Context.STARTED, **changes: object) -> TraceDecision:
    decision = TraceDecision(
        Decision.SAMPLED, Reason.RATE, context, trace_id=TRACE_ID, span_id=SPAN_ID, flags=b"01"
    )
    for name, value in changes.items():
        setattr(decision, name, value)
    return decision


def _request(*records: ExchangeRecord, keep_query: bool = False) -> ExportTraceServiceRequest:
    batch = Batch("shop", keep_query=keep_query)
    for record in records:
        batch.add(Entry(record))
    return ExportTraceServiceRequest.FromString(batch.encode())


def _span(record: ExchangeRecord, *, keep_query: bool = False) -> Span:
    return _request(record, keep_query=keep_query).resource_spans[0].scope_spans[0].spans[0]


def _attributes(span: Span) -> dict[str, str | int]:
    return {
        each.key: each.value.int_value if each.value.HasField("int_value") else each.value.string_value
        for each in span.attributes
    }


@pytest.fixture
def make(make_record: MakeRecord) -> MakeRecord:
    """Make the record of a sampled GET, but for what is given."""

    def make(**changes: object) -> ExchangeRecord:
        usual: dict[str, object] = {
            "started": 1_700_000_000.25,
            "trace": _decision(),
            "method": b"GET",
            "url": "http://shop.example.com/cart",
        }
        return make_record(**(usual | changes))

    return make


def test_a_batch_names_the_service_and_the_proxy(make: MakeRecord) -> None:
    [resource_spans] = _request(make(), make()).resource_spans
    [attribute] = resource_spans.resource.attributes
    assert (attribute.key, attribute.value.string_value) == ("service.name", "shop")
    [scope_spans] = resource_spans.scope_spans
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("traceward", __version__)
    assert len(scope_spans.spans) == 2


def test_a_span_has_the_conventional_attributes(make: MakeRecord) -> None:
    span = _span(make(bytes=140))
    assert (span.name, span.kind) == ("GET", Span.SpanKind.SPAN_KIND_SERVER)
    assert _attributes(span) == {
        "http.request.method": "GET",
        "server.address": "shop.example.com",
        "server.port": 80,
        "url.scheme": "http",
        "url.path": "/cart",
        "http.response.status_code": 200,
        "http.response.body.size": 140,
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "traceward.rule": "api",
        "traceward.reason": "rate",
        "traceward.upstream": "default",
        "traceward.target": "http://127.0.0.1:9000",
    }
    assert span.status.code == Status.StatusCode.STATUS_CODE_UNSET


def test_a_span_is_as_long_as_the_exchange(make: MakeRecord) -> None:
    span = _span(make(duration=0.5))
    assert span.start_time_unix_nano == 1_700_000_000_250_000_000
    assert span.end_time_unix_nano - span.start_time_unix_nano == 500_000_000


@pytest.mark.parametrize(
    ("method", "name", "attributes"),
    [
        pytest.param(b"PATCH", "PATCH", {"http.request.method": "PATCH"}, id="known"),
        pytest.param(
            b"PROPFIND",
            "HTTP",
            {"http.request.method": "_OTHER", "http.request.method_original": "PROPFIND"},
            id="other",
        ),
    ],
)
def test_a_span_is_named_by_its_method(
    make: MakeRecord, method: bytes, name: str, attributes: dict[str, str]
) -> None:
    span = _span(make(method=method))
    assert span.name == name
    assert attributes.items() <= _attributes(span).items()


URLS = [
    pytest.param("https://h/", ("h", 443, "https", "/", None), id="https"),
    pytest.param("http://h:8080/a/b", ("h", 8080, "http", "/a/b", None), id="port"),
    pytest.param("http://[::1]:81/", ("::1", 81, "http", "/", None), id="ipv6-and-port"),
    pytest.param("http://[::1]/", ("::1", 80, "http", "/", None), id="ipv6"),
    pytest.param("http://h/p?", ("h", 80, "http", "/p", ""), id="empty-query"),
    pytest.param("http://h/p?a=1&b=/x?y", ("h", 80, "http", "/p", "a=REDACTED&b=REDACTED"), id="query"),
    pytest.param("http://h", ("h", 80, "http", "*", None), id="asterisk"),
]


@pytest.mark.parametrize(("url", "parts"), URLS)
def test_a_url_is_told_in_its_parts(
    make: MakeRecord, url: str, parts: tuple[str, int, str, str, str | None]
) -> None:
    attributes = _attributes(_span(make(url=url)))
    names = ("server.address", "server.port", "url.scheme", "url.path", "url.query")
    assert tuple(attributes.get(name) for name in names) == parts


def test_query_values_are_kept_where_that_is_asked_for(make: MakeRecord) -> None:
    attributes = _attributes(_span(make(url="http://h/?a=1&b=%20"), keep_query=True))
    assert attributes["url.query"] == "a=1&b=%20"


OUTCOMES = [
    pytest.param(404, None, None, False, id="client-error"),
    pytest.param(404, ErrorKind.NO_ROUTE, "no_route", False, id="own-client-error"),
    pytest.param(500, None, "500", True, id="server-error"),
    pytest.param(504, ErrorKind.UPSTREAM_TIMEOUT, "upstream_timeout", True, id="own-server-error"),
    pytest.param(200, ErrorKind.UPSTREAM_RESET, "upstream_reset", True, id="cut-off"),
    pytest.param(499, None, None, False, id="client-left"),
    pytest.param(101, None, None, False, id="upgrade"),
]


@pytest.mark.parametrize(("status", "error", "error_type", "failed"), OUTCOMES)
def test_only_what_the_server_did_wrong_is_an_error(
    make: MakeRecord, status: int, error: ErrorKind | None, error_type: str | None, failed: bool
) -> None:
    span = _span(make(status=status, error=error))
    attributes = _attributes(span)
    assert (attributes["http.response.status_code"], attributes.get("error.type")) == (status, error_type)
    expected = Status.StatusCode.STATUS_CODE_ERROR if failed else Status.StatusCode.STATUS_CODE_UNSET
    assert span.status.code == expected


def test_a_started_trace_has_no_parent(make: MakeRecord) -> None:
    state = ((b"traceparent", b"00-..."), (b"tracestate", b"dd=s:1;o:rum"))
    span = _span(make(trace=_decision(add=state)))
    assert (span.trace_id.hex(), span.span_id.hex()) == (TRACE_ID.decode(), SPAN_ID.decode())
    assert (span.parent_span_id, span.trace_state) == (b"", "dd=s:1;o:rum")
    assert span.flags == 0x101
    assert not span.links


def test_a_continued_trace_has_the_inbound_parent(make: MakeRecord) -> None:
    trace = _decision(Context.CONTINUED, parent_id=PARENT_ID, flags=b"03")
    span = _span(make(trace=trace))
    assert span.parent_span_id.hex() == PARENT_ID.decode()
    assert span.flags == 0x303


def test_a_restarted_trace_is_linked_to_the_clients(make: MakeRecord) -> None:
    trace = _decision(
        Context.RESTARTED, fault=Fault.UNTRUSTED, replaced_trace_id=b"a" * 32, replaced_parent_id=PARENT_ID
    )
    span = _span(make(trace=trace))
    [link] = span.links
    assert (link.trace_id.hex(), link.span_id.hex(), link.flags) == ("a" * 32, PARENT_ID.decode(), 0x300)
    assert span.parent_span_id == b""


@pytest.mark.parametrize("ids", [(b"", b""), (b"a" * 32, b"")], ids=["invalid", "no-parent"])
def test_what_has_no_ids_is_not_linked(make: MakeRecord, ids: tuple[bytes, bytes]) -> None:
    trace = _decision(Context.RESTARTED, replaced_trace_id=ids[0], replaced_parent_id=ids[1])
    assert not _span(make(trace=trace)).links


def test_a_long_url_is_cut(make: MakeRecord) -> None:
    path = _attributes(_span(make(url="http://h/" + "a" * 30_000)))["url.path"]
    assert isinstance(path, str)
    assert path.endswith("a...")
    assert len(path) < 2048


def test_what_a_collector_rejected_is_read() -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    answer.partial_success.error_message = "too old"
    assert read_rejected(answer.SerializeToString()) == (3, "too old")


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 10], ids=["empty", "json", "bytes"])
def test_an_answer_that_says_nothing_rejects_nothing(body: bytes) -> None:
    assert read_rejected(body) == (0, "")
