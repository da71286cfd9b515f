"""Spans of a running proxy: their ids are those that the upstream saw, in whatever format."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.conformance.cases import SPAN, TRACE, traceparent
from tests.conformance.harness import STRANGER, Live, Sent, new_ids

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.conftest import OtlpCollector

LOW = TRACE[16:]
NARROW = b"0" * 16 + LOW
B3 = b"b3: " + TRACE + b"-" + SPAN
MULTI = (b"X-B3-TraceId: " + TRACE, b"X-B3-SpanId: " + SPAN, b"X-B3-Sampled: 1")
DATADOG = (
    b"x-datadog-trace-id: %d" % int(LOW, 16),
    b"x-datadog-parent-id: %d" % int(SPAN, 16),
    b"x-datadog-sampling-priority: 1",
)
TAGS = b"x-datadog-tags: _dd.p.tid=" + TRACE[:16]


class Spans:
    """A proxy that exports, and what came of it."""

    def __init__(self, live: Live, collector: "OtlpCollector") -> None:
        self.live = live
        self._collector = collector

    def of(self, sent: Sent) -> "Span":
        """Return the span of a request, whose path nobody else asks for."""
        with self._collector.changed:
            assert self._collector.changed.wait_for(lambda: self._find(sent), timeout=20), sent.target
        [span] = self._find(sent)
        return span

    def _find(self, sent: Sent) -> "list[Span]":
        return [
            span
            for span in self._collector.spans
            if any(
                each.key == "url.path" and each.value.string_value == sent.target for each in span.attributes
            )
        ]

    def none_of(self, sent: Sent) -> bool:
        """Whether there is no span of a request, when one that came after it is there."""
        _ = self.of(self.live.send("/all/"))
        return not self._find(sent)


@pytest.fixture(scope="session")
def spans(
    make_live: Callable[[str, str], Live], start_otlp_collector: "Callable[[], OtlpCollector]"
) -> Spans:
    """A proxy that reads every format and exports spans."""
    collector = start_otlp_collector()
    extract = "  extract: [tracecontext, b3, b3multi, datadog]"
    # So short a queue has every span exported at once.
    telling = f"{{mode: augment}}\nspans: {{otlp: {collector.url}, queue: 3}}"
    return Spans(make_live(extract, telling), collector)


PLACES = ["/all/", "/every/", "/b3/", "/b3multi/", "/datadog/", "/shown/"]

CONTINUED = [
    pytest.param([traceparent()], TRACE, id="w3c"),
    pytest.param([traceparent(b"03"), b"tracestate: congo=t61"], TRACE, id="w3c-random"),
    pytest.param([traceparent(version=b"cc")], TRACE, id="w3c-higher-version"),
    pytest.param([B3 + b"-1"], TRACE, id="b3"),
    pytest.param([B3 + b"-d"], TRACE, id="b3-debug"),
    pytest.param([b"b3: " + LOW + b"-" + SPAN + b"-1"], NARROW, id="b3-of-64-bits"),
    pytest.param(MULTI, TRACE, id="b3multi"),
    pytest.param([*DATADOG, TAGS], TRACE, id="datadog"),
    pytest.param(DATADOG, NARROW, id="datadog-of-64-bits"),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_started_trace_begins_with_the_proxys_span(spans: Spans, place: str) -> None:
    sent = spans.live.send(place)
    span = spans.of(sent)
    assert (span.trace_id.hex(), span.span_id.hex()) == new_ids(sent)
    assert (span.parent_span_id, span.flags & 0xFF, len(span.links)) == (b"", 1, 0)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("lines", "trace_id"), CONTINUED)
def test_a_sampled_context_goes_on_under_the_proxys_span(
    spans: Spans, place: str, lines: list[bytes], trace_id: bytes
) -> None:
    sent = spans.live.send(place, *lines)
    span = spans.of(sent)
    assert span.trace_id.hex() == trace_id.decode()
    assert span.span_id.hex() == new_ids(sent)[1] != ""
    assert span.parent_span_id.hex() == SPAN.decode()


@pytest.mark.parametrize("place", ["/all/", "/every/"])
def test_the_tracestate_of_a_span_is_what_the_upstream_saw(spans: Spans, place: str) -> None:
    sent = spans.live.send(place, traceparent(), b"tracestate: congo=t61,dd=s:2;o:app")
    assert spans.of(sent).trace_state == "dd=s:2;o:app,congo=t61"
    assert sent.get_all(b"tracestate") == [b"dd=s:2;o:app,congo=t61"]


@pytest.mark.parametrize(
    ("lines", "linked"),
    [
        pytest.param([traceparent()], TRACE, id="w3c"),
        pytest.param([traceparent(b"00")], TRACE, id="w3c-not-sampled"),
        pytest.param([B3 + b"-1"], TRACE, id="b3"),
        pytest.param([*DATADOG], NARROW, id="datadog"),
    ],
)
def test_a_strangers_context_is_restarted_and_linked(spans: Spans, lines: list[bytes], linked: bytes) -> None:
    sent = spans.live.send("/every/", STRANGER, *lines)
    span = spans.of(sent)
    assert (span.trace_id.hex(), span.span_id.hex()) == new_ids(sent)
    assert span.trace_id.hex() != linked.decode()
    assert span.parent_span_id == b""
    [link] = span.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (linked.decode(), SPAN.decode())


def test_an_invalid_context_is_restarted_and_not_linked(spans: Spans) -> None:
    sent = spans.live.send("/all/", traceparent(version=b"ff"))
    span = spans.of(sent)
    assert (span.trace_id.hex(), span.span_id.hex()) == new_ids(sent)
    assert (span.parent_span_id, len(span.links)) == (b"", 0)


def test_a_decision_that_came_alone_begins_a_trace(spans: Spans) -> None:
    sent = spans.live.send("/all/", b"b3: 1")
    span = spans.of(sent)
    assert (span.trace_id.hex(), span.span_id.hex()) == new_ids(sent)
    assert span.parent_span_id == b""


UNTOLD = [
    pytest.param("/nothing/", [], id="not-sampled"),
    pytest.param("/nothing-but-sent/", [], id="not-sampled-but-sent"),
    pytest.param("/all/", [traceparent(b"00")], id="parent-not-sampled"),
    pytest.param("/decide-nothing/", [traceparent()], id="decided-anew"),
    pytest.param("/strip/", [traceparent(version=b"ff")], id="stripped"),
    pytest.param("/forward/", [traceparent(version=b"ff")], id="forwarded"),
    pytest.param("/reject/", [traceparent(version=b"ff")], id="rejected"),
    pytest.param("/skip/", [traceparent()], id="rule-skips"),
    pytest.param("/no-rule/", [traceparent()], id="no-rule"),
]


@pytest.mark.parametrize(("place", "lines"), UNTOLD)
def test_what_is_not_sampled_has_no_span(spans: Spans, place: str, lines: list[bytes]) -> None:
    assert spans.none_of(spans.live.send(place, *lines))


def test_a_preflight_has_no_span(spans: Spans) -> None:
    lines = [b"Origin: https://app.example.com", b"Access-Control-Request-Method: GET"]
    assert spans.none_of(spans.live.send("/all/", *lines, method="OPTIONS"))


def test_a_context_that_is_not_sampled_is_still_passed_on_as_it_came(spans: Spans) -> None:
    lines = [traceparent(b"00"), b"tracestate: congo=t61"]
    sent = spans.live.send("/all/", *lines)
    assert [name + b": " + value for name, value in sent.context] == lines


def test_a_client_is_told_the_span_of_the_proxy(spans: Spans) -> None:
    sent = spans.live.send("/shown/", traceparent())
    [value] = sent.answer.get_all(b"traceresponse")
    assert value.split(b"-")[2].decode() == spans.of(sent).span_id.hex()


def test_the_client_behind_a_trusted_proxy_is_named(spans: Spans) -> None:
    span = spans.of(spans.live.send("/all/", STRANGER))
    named = {each.key: each.value.string_value for each in span.attributes}
    assert (named["client.address"], named["network.peer.address"]) == ("192.0.2.1", "127.0.0.1")
