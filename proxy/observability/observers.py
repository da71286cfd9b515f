"""Whoever is told of an exchange once it ended: the metrics, spans and the access log."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from proxy.config.process import QueryRecording, Spans
from proxy.config.schema import Config
from proxy.observability.access_log import WANTED, encode_line
from proxy.observability.entry import Entry
from proxy.observability.line_writer import LineWriter
from proxy.observability.metrics import Metrics
from proxy.policy.outcome import Context, Decision
from proxy.record import ExchangeRecord

if TYPE_CHECKING:
    from proxy.observability.spans import SpanExporter

_SAMPLED = Decision.SAMPLED
_FORWARDED = Context.FORWARDED


class Observers:
    """Takes records for what one config asks for; ``observe`` goes to the data plane.

    Where neither spans nor an access log are asked for, ``observe`` is that of the metrics.
    """

    def __init__(self, config: Config, metrics: Metrics) -> None:
        keep_query = config.records.query is QueryRecording.KEEP
        self._exporter = _make_exporter(config.spans, metrics, keep_query=keep_query)
        self._writer: LineWriter | None = None
        wanted = WANTED.get(config.access_log)
        if wanted is not None:
            self._writer = LineWriter(partial(encode_line, keep_query=keep_query), metrics.observe_lines)
        self.observe = _compose(metrics.observe, self._exporter, self._writer, wanted)
        #: What of a config these were made of; with another one that says the same they may stay.
        self.origin = origin_of(config)

    def start(self) -> None:
        """Begin to export and to write, in the running loop."""
        if self._exporter is not None:
            self._exporter.start()
        if self._writer is not None:
            self._writer.start()

    async def close(self) -> None:
        """Hand over what is queued, within a few seconds; what comes later is lost, and counted so."""
        await asyncio.gather(*(each.close() for each in (self._exporter, self._writer) if each is not None))


def origin_of(config: Config) -> object:
    """Return the part of a config that observers are made of."""
    return config.spans, config.records, config.access_log


def _make_exporter(spans: Spans, metrics: Metrics, *, keep_query: bool) -> "SpanExporter | None":
    if spans.otlp is None:
        return None
    # Imported here: they need packages that are optional.
    from proxy.observability.collector import Collector
    from proxy.observability.otlp import Batch
    from proxy.observability.spans import SpanExporter

    return SpanExporter(
        Collector(spans.otlp, spans.headers),
        partial(Batch, spans.service_name, keep_query=keep_query),
        metrics.observe_spans,
        queue=spans.queue,
    )


def _compose(
    count: Callable[[ExchangeRecord], None],
    exporter: "SpanExporter | None",
    writer: LineWriter | None,
    wanted: Callable[[ExchangeRecord], bool] | None,
) -> Callable[[ExchangeRecord], None]:
    """Return what tells all of them; it is called for every request, so alone the count stays as it is."""
    if exporter is None and writer is None:
        return count

    def observe(record: ExchangeRecord) -> None:
        count(record)
        entry = None
        if exporter is not None and _has_span(record) and exporter.admit():
            entry = Entry(record)
            exporter.offer(entry)
        if writer is not None and wanted is not None and wanted(record) and writer.admit():
            writer.offer(entry or Entry(record))

    return observe


def _has_span(record: ExchangeRecord) -> bool:
    """Whether the upstream was told of a span of ours.

    A forwarded context names the client's; a sampled one is forwarded only by a config without spans.
    """
    trace = record.trace
    return trace is not None and trace.decision is _SAMPLED and trace.context is not _FORWARDED
