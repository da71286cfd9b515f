"""Counts in memory that is shared: found again, read while they are counted, and without room."""

import os
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.observability import shared_block
from proxy.observability.exposition import write
from proxy.observability.metrics import Metrics, MetricsCollector
from proxy.observability.shared_block import SharedBlock
from proxy.policy.cors import PreflightOutcome
from proxy.record import ExchangeRecord

MakeRecord = Callable[..., ExchangeRecord]


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = os.memfd_create("test")
    yield descriptor
    os.close(descriptor)


def _read(block: SharedBlock) -> dict[tuple[str, ...], tuple[list[int], float]]:
    return {(each.name, *each.labels): (list(each.counts), each.sum[0]) for each in block.read()}


def _samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(
            "".join(write(MetricsCollector(metrics, lambda: ()).families(), openmetrics=False))
        )
        for sample in family.samples
        if sample.name != "traceward_lost_series_total"
    }


def test_a_reader_sees_what_is_counted(descriptor: int) -> None:
    writer, reader = SharedBlock(descriptor), SharedBlock(descriptor)
    counts, total = writer.cells("requests", ("api", "2xx"), 3)
    assert _read(reader)["requests", "api", "2xx"] == ([0, 0, 0], 0.0)
    counts[1] += 2
    total[0] += 0.5
    assert _read(reader)["requests", "api", "2xx"] == ([0, 2, 0], 0.5)
    writer.cells("retries", (), 1)[0][0] += 1
    assert _read(reader)["retries",] == ([1], 0.0)


def test_who_takes_a_block_over_goes_on_counting(descriptor: int) -> None:
    SharedBlock(descriptor).cells("requests", ("é\n\ud800",), 1)[0][0] += 5
    after = SharedBlock(descriptor)
    after.cells("requests", ("é\n\ud800",), 1)[0][0] += 1
    after.cells("requests", ("other",), 1)[0][0] += 1
    found = _read(SharedBlock(descriptor))
    assert found["requests", "é\n\ud800"] == ([6], 0.0)
    assert found["requests", "other"] == ([1], 0.0)


def test_a_series_that_was_not_written_whole_is_not_there(descriptor: int) -> None:
    block = SharedBlock(descriptor)
    block.cells("first", (), 1)[0][0] = 7
    size = os.fstat(descriptor).st_size
    used = int.from_bytes(os.pread(descriptor, 8, 0), "little")
    os.pwrite(descriptor, b"\xff" * 100, used)
    after = SharedBlock(descriptor)
    assert ("first",) in _read(after)
    after.cells("second", (), 2)[0][1] += 1
    assert _read(SharedBlock(descriptor))["second",] == ([0, 1], 0.0)
    assert os.fstat(descriptor).st_size == size


def test_a_block_grows(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_block, "SEGMENT_BYTES", 4096)
    writer, reader = SharedBlock(descriptor), SharedBlock(descriptor)
    cells = [writer.cells("name", (str(number),), 20)[0] for number in range(100)]
    for number, each in enumerate(cells):
        each[0] += number
    found = _read(reader)
    assert [found["name", str(number)][0][0] for number in range(100)] == list(range(100))
    again = SharedBlock(descriptor)
    assert again.cells("name", ("99",), 20)[0][0] == 99


def test_series_without_room_are_counted_alone_and_told(
    descriptor: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_block, "SEGMENT_BYTES", 4096)
    monkeypatch.setattr(shared_block, "MOST_SEGMENTS", 2)
    block = SharedBlock(descriptor)
    for number in range(100):
        block.cells("name", (str(number),), 20)[0][0] += 1
    found = _read(SharedBlock(descriptor))
    (lost,), _ = found["traceward_lost_series",]
    assert lost + sum(key[0] == "name" for key in found) == 100
    assert lost > 0
    assert caplog.text.count("there is no shared memory left for counts") == 1


def test_metrics_in_blocks_add_up(descriptor: int, make_record: MakeRecord) -> None:
    other = os.memfd_create("other")
    alone, together = Metrics(), Metrics()
    records = [
        make_record(),
        make_record(status=404, header_bytes=30, overhead=0.1),
        make_record(preflight=PreflightOutcome.FORWARDED, retries=2),
        make_record(trace=None, upstream="", status=400),
    ]
    workers = [Metrics(SharedBlock(each)) for each in (descriptor, other)]
    for worker in workers:
        for record in records:
            worker.observe(record)
            alone.observe(record)
        worker.observe_wait("default", "connect", 0.25)
        alone.observe_wait("default", "connect", 0.25)
    for each in (descriptor, other):
        together.add(SharedBlock(each).read())
    os.close(other)
    assert _samples(together) == pytest.approx(_samples(alone))
    copied = Metrics()
    copied.add(alone.series())
    assert _samples(copied) == _samples(alone)


def test_metrics_that_begin_again_in_a_block_never_go_down(descriptor: int, make_record: MakeRecord) -> None:
    for _ in range(3):
        Metrics(SharedBlock(descriptor)).observe(make_record())
    total = Metrics()
    total.add(SharedBlock(descriptor).read())
    found = _samples(total)
    labels = (("decision", "sampled"), ("rule", "api"), ("status", "2xx"))
    assert found["traceward_requests_total", labels] == 3
