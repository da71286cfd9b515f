"""Every span that is offered is exported, dropped or failed, whatever the collector does."""

import asyncio
import gzip
import logging
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from proxy.observability import spans
from proxy.observability.collector import Answer, Refused, Taken, Unavailable
from proxy.observability.entry import Entry
from proxy.observability.metrics import SpanOutcome
from proxy.observability.otlp import Batch
from proxy.observability.spans import MOST_IN_BATCH, Patience, SpanExporter
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.record import ExchangeRecord

PATIENT = Patience(first=0.0, longest=0.0, give_up=1000.0)
IMPATIENT = Patience(first=0.0, longest=0.0, give_up=0.0)
DOWN = Unavailable("down")


class Sender:
    """Answers as told, then takes all; ``gate`` holds requests back."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.sizes: list[int] = []
        self.names: list[str] = []
        self.times: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = asyncio.Event()
        self.closed = False

    async def send(self, body: bytes) -> Answer:
        self.times.append(asyncio.get_running_loop().time())
        request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
        sent = request.resource_spans[0].scope_spans[0].spans
        self.sizes.append(len(sent))
        self.called.set()
        await self.gate.wait()
        answer = self.answers.popleft() if self.answers else Taken(0, "")
        if isinstance(answer, Taken):
            self.names += [span.span_id.hex() for span in sent]
        return answer

    async def close(self) -> None:
        self.closed = True


class Running:
    """An exporter with what it counted; ``counts`` of an outcome that never came are 0."""

    def __init__(self, sender: Sender, record: ExchangeRecord, *, queue: int, patience: Patience) -> None:
        self.sender = sender
        self.counts: Counter[str] = Counter()
        self._record = record
        self._offered = 0
        make_batch = partial(Batch, "traceward", keep_query=False)
        self.exporter = SpanExporter(sender, make_batch, self._count, queue=queue, patience=patience)

    def _count(self, outcome: SpanOutcome, count: int) -> None:
        self.counts[outcome] += count

    def offer(self, count: int) -> None:
        for _ in range(count):
            self._offered += 1
            self._record.trace = TraceDecision(
                Decision.SAMPLED,
                Reason.RATE,
                Context.STARTED,
                trace_id=b"a" * 32,
                span_id=b"%016x" % self._offered,
            )
            if self.exporter.admit():
                self.exporter.offer(Entry(self._record))

    async def counted(self, count: int) -> None:
        """Wait until so many are counted, dropped ones too."""
        async with asyncio.timeout(10):
            while sum(self.counts.values()) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)


Export = Callable[..., Awaitable[Running]]


@pytest.fixture
async def export(
    make_record: Callable[..., ExchangeRecord], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Export]:
    """Start exporters that do not wait for a batch to fill."""
    monkeypatch.setattr(spans, "PERIOD", 0.001)
    started: list[Running] = []

    async def export(*answers: Answer, queue: int = 2048, patience: Patience = PATIENT) -> Running:
        sender = Sender()
        sender.answers.extend(answers)
        record = make_record(method=b"GET", url="http://h/", started=time.time(), duration=0.0)
        running = Running(sender, record, queue=queue, patience=patience)
        running.exporter.start()
        started.append(running)
        return running

    yield export
    for each in started:
        await each.exporter.close(0.0)


async def test_every_span_is_exported_once(export: Export) -> None:
    running = await export()
    running.offer(MOST_IN_BATCH + 10)
    await running.counted(MOST_IN_BATCH + 10)
    assert running.sender.sizes == [MOST_IN_BATCH, 10]
    assert running.sender.names == ["%016x" % (number + 1) for number in range(MOST_IN_BATCH + 10)]
    assert running.counts == {"exported": MOST_IN_BATCH + 10, "dropped": 0, "failed": 0}


async def test_a_full_batch_does_not_wait(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "PERIOD", 1000.0)
    running = await export()
    running.offer(MOST_IN_BATCH - 1)
    await asyncio.sleep(0)
    assert not running.sender.sizes
    running.offer(1)
    await running.counted(MOST_IN_BATCH)


async def test_a_short_queue_is_emptied_before_it_is_full(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "PERIOD", 1000.0)
    running = await export(queue=10)
    running.offer(5)
    await running.counted(5)
    assert running.counts == {"exported": 5, "dropped": 0, "failed": 0}


async def test_what_fills_the_queue_during_an_export_does_not_wait(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "PERIOD", 1000.0)
    running = await export()
    running.sender.gate.clear()
    running.offer(MOST_IN_BATCH)
    await running.sender.called.wait()
    running.offer(2 * MOST_IN_BATCH)
    running.sender.gate.set()
    await running.counted(3 * MOST_IN_BATCH)


async def test_what_finds_no_room_is_dropped(export: Export, caplog: pytest.LogCaptureFixture) -> None:
    running = await export(queue=20)
    running.sender.gate.clear()
    running.offer(10)
    await running.sender.called.wait()
    running.offer(50)
    assert running.counts["dropped"] == 30
    running.sender.gate.set()
    await running.counted(60)
    assert running.counts == {"exported": 30, "dropped": 30, "failed": 0}
    told = [record.message for record in caplog.records if "dropped" in record.message]
    assert told == ["spans.queue is full and spans are dropped: the collector is too slow, or gone"]


LOSSES = [
    pytest.param([Taken(3, "too old")], 7, 3, id="partial"),
    pytest.param([Taken(99, "")], 0, 10, id="more-than-all"),
    pytest.param([Taken(-1, "")], 10, 0, id="less-than-none"),
    pytest.param([Refused("no")], 0, 10, id="refused"),
    pytest.param([DOWN], 10, 0, id="down-once"),
    pytest.param([DOWN] * 10, 10, 0, id="down-often"),
    pytest.param([DOWN, Refused("no")], 0, 10, id="down-then-refused"),
    pytest.param([DOWN, Taken(1, "")], 9, 1, id="down-then-partial"),
]


@pytest.mark.parametrize(("answers", "exported", "failed"), LOSSES)
async def test_what_is_lost_is_counted(
    export: Export, answers: list[Answer], exported: int, failed: int
) -> None:
    running = await export(*answers)
    running.offer(10)
    await running.counted(10)
    assert running.counts == {"exported": exported, "dropped": 0, "failed": failed}


async def test_those_that_are_too_old_are_given_up_together(
    export: Export, caplog: pytest.LogCaptureFixture
) -> None:
    running = await export(DOWN, patience=IMPATIENT)
    running.offer(2000)
    await running.counted(2000)
    assert running.counts == {"exported": 0, "dropped": 0, "failed": 2000}
    assert running.sender.sizes == [MOST_IN_BATCH]
    assert caplog.messages == ["spans.otlp: 2000 spans are lost: down"]


async def test_those_that_are_young_are_kept(export: Export) -> None:
    running = await export(DOWN, patience=Patience(first=0.0, longest=0.0, give_up=500.0))
    running._record.started -= 1000.0
    running.offer(MOST_IN_BATCH + 10)
    running._record.started += 1000.0
    running.offer(20)
    await running.counted(MOST_IN_BATCH + 30)
    assert running.counts == {"exported": 20, "dropped": 0, "failed": MOST_IN_BATCH + 10}


async def test_a_batch_that_failed_does_not_take_the_next_with_it(export: Export) -> None:
    running = await export(Refused("no"))
    running.offer(2 * MOST_IN_BATCH)
    await running.counted(2 * MOST_IN_BATCH)
    assert running.counts == {"exported": MOST_IN_BATCH, "dropped": 0, "failed": MOST_IN_BATCH}


async def test_a_loss_is_told_once(export: Export, caplog: pytest.LogCaptureFixture) -> None:
    running = await export(Refused("the collector answered 400"), Refused("the collector answered 400"))
    for _ in range(2):
        running.offer(1)
        await running.counted(running.counts["failed"] + 1)
    told = [record.message for record in caplog.records]
    assert told == ["spans.otlp: 1 spans are lost: the collector answered 400"]


async def test_a_span_that_cannot_be_encoded_is_counted_and_the_next_are_exported(
    export: Export, caplog: pytest.LogCaptureFixture
) -> None:
    running = await export()
    running._record.url = "http://h/\udc80"
    running.offer(1)
    await running.counted(1)
    running._record.url = "http://h/"
    running.offer(1)
    await running.counted(2)
    assert running.counts == {"exported": 1, "dropped": 0, "failed": 1}
    assert caplog.records[0].levelno == logging.ERROR


async def test_retry_after_holds_the_next_request_back(export: Export) -> None:
    running = await export(Unavailable("busy", 0.2))
    running.offer(1)
    await running.counted(1)
    first, second = running.sender.times
    assert second - first >= 0.2
    assert running.counts["exported"] == 1


async def test_retry_after_holds_other_spans_back_too(export: Export) -> None:
    running = await export(Unavailable("busy", 0.2), patience=IMPATIENT)
    running.offer(1)
    await running.counted(1)
    running.offer(1)
    await running.counted(2)
    first, second = running.sender.times
    assert second - first >= 0.2
    assert running.counts == {"exported": 1, "dropped": 0, "failed": 1}


def test_the_wait_grows_and_is_never_the_same() -> None:
    random.seed(1)
    patience = Patience(first=1.0, longest=5.0)
    for failures, most in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5), (100_000, 5)]:
        waits = {patience.wait(failures) for _ in range(20)}
        assert len(waits) == 20
        assert min(waits) >= most / 2
        assert max(waits) <= most


# End


async def test_the_end_exports_what_is_queued(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "PERIOD", 1000.0)
    running = await export()
    running.offer(3)
    await running.exporter.close()
    assert running.counts == {"exported": 3, "dropped": 0, "failed": 0}
    assert running.sender.closed


async def test_the_end_waits_for_the_request_under_way(export: Export) -> None:
    running = await export()
    running.sender.gate.clear()
    running.offer(3)
    await running.sender.called.wait()
    closing = asyncio.create_task(running.exporter.close())
    await asyncio.sleep(0)
    running.sender.gate.set()
    await closing
    assert running.counts == {"exported": 3, "dropped": 0, "failed": 0}


async def test_the_end_gives_up_on_a_collector_that_does_not_answer(
    export: Export, caplog: pytest.LogCaptureFixture
) -> None:
    running = await export()
    running.sender.gate.clear()
    running.offer(3)
    await running.sender.called.wait()
    running.offer(4)
    await running.exporter.close(0.05)
    assert running.counts == {"exported": 0, "dropped": 0, "failed": 7}
    assert caplog.messages == ["7 spans are lost: the collector did not take them before the end"]


async def test_the_end_tries_a_collector_that_is_gone_once(export: Export) -> None:
    running = await export(*[DOWN] * 100, patience=Patience(first=1000.0, longest=1000.0, give_up=1000.0))
    running.offer(2 * MOST_IN_BATCH)
    await running.sender.called.wait()
    await running.exporter.close()
    assert running.counts == {"exported": 0, "dropped": 0, "failed": 2 * MOST_IN_BATCH}
    assert len(running.sender.sizes) <= 2


async def test_the_end_waits_as_the_collector_said_where_there_is_time(export: Export) -> None:
    running = await export(Unavailable("busy", 0.1), patience=Patience())
    running.offer(3)
    await running.sender.called.wait()
    await running.exporter.close(5.0)
    assert running.counts == {"exported": 3, "dropped": 0, "failed": 0}
    assert running.sender.times[1] - running.sender.times[0] >= 0.1


async def test_the_end_does_not_wait_longer_than_it_may(export: Export) -> None:
    running = await export(Unavailable("busy", 1000.0), patience=Patience())
    running.offer(3)
    await running.sender.called.wait()
    await running.exporter.close(5.0)
    assert running.counts == {"exported": 0, "dropped": 0, "failed": 3}
    assert len(running.sender.sizes) == 1


async def test_what_comes_after_the_end_is_dropped(export: Export) -> None:
    running = await export()
    await running.exporter.close()
    running.offer(1)
    assert running.counts == {"exported": 0, "dropped": 1, "failed": 0}
