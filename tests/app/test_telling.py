"""The whole proxy beside its collector and its log: what is told of requests, and what that costs them."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.app.conftest import Proxy, config_of
from tests.app.conftest import Start as StartInFolder
from tests.app.conftest import Upstream as PlainUpstream
from tests.conformance.harness import HOST, RecordingUpstream, Wire

if TYPE_CHECKING:
    from tests.conftest import OtlpCollector, RunningProxy

Start = Callable[..., "RunningProxy"]
REQUEST = f"GET /api/x?card=4711 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


@pytest.fixture(scope="module")
def recording() -> Iterator[RecordingUpstream]:
    """An upstream for many requests."""
    server = RecordingUpstream()
    yield server
    server.close()


def _config(recording: RecordingUpstream, more: str) -> str:
    return (
        f"listen: 127.0.0.1:0\nupstream: http://127.0.0.1:{recording.port}\n"
        'admin: {listen: "127.0.0.1:0"}\n'
        f"tracing: {{rules: [{{name: api, match: /api/}}]}}\n{more}\n"
    )


def _ask(proxy: "RunningProxy", count: int) -> None:
    """Send so many requests, which all must be answered."""
    with closing(Wire(proxy.port)) as wire:
        assert {answer.status for answer in wire.exchange([REQUEST] * count)} == {200}


def _counts(proxy: "RunningProxy", name: str) -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(proxy.admin("/metrics"))
        for sample in family.samples
        if sample.name == name
    }


def _spans_counted(proxy: "RunningProxy", count: int) -> dict[str, float]:
    """Return what became of spans once so many are counted."""
    while True:
        counts = _counts(proxy, "traceward_spans_total")
        if sum(counts.values()) >= count:
            return counts


# Spans


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_every_sampled_request_has_a_span_or_is_counted_as_lost(
    start_proxy: Start, recording: RecordingUpstream, otlp_collector: "OtlpCollector", count: int
) -> None:
    proxy = start_proxy(_config(recording, f"spans: {{otlp: {otlp_collector.url}}}"))
    _ask(proxy, count)
    counts = _spans_counted(proxy, count)
    assert counts["exported"] + counts["dropped"] == count
    spans = otlp_collector.wait_for(spans=int(counts["exported"]))
    assert len({span.span_id for span in spans}) == len(spans) == counts["exported"]


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_with_the_collector_gone_every_request_is_served_and_every_span_counted(
    start_proxy: Start, recording: RecordingUpstream, count: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"
        proxy = start_proxy(_config(recording, f"spans: {{otlp: {url}, queue: 100}}"))
        _ask(proxy, count)
        counts = _counts(proxy, "traceward_spans_total")
        # What is not dropped waits: 100 in the queue, and those of the request that is tried again.
        assert counts["exported"] == 0
        assert counts["dropped"] + counts["failed"] >= count - 100 - 256
        assert proxy.stop() == 0


@pytest.mark.slow
def test_with_the_collector_gone_every_span_is_counted_before_long(
    start_proxy: Start, recording: RecordingUpstream
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"
        proxy = start_proxy(_config(recording, f"spans: {{otlp: {url}}}"))
        _ask(proxy, 10_000)
        counts = _spans_counted(proxy, 10_000)
    assert (sum(counts.values()), counts["exported"]) == (10_000, 0)


def test_a_collector_that_does_not_answer_holds_no_request_up(
    start_proxy: Start, recording: RecordingUpstream, otlp_collector: "OtlpCollector"
) -> None:
    otlp_collector.go.clear()
    proxy = start_proxy(_config(recording, f"spans: {{otlp: {otlp_collector.url}, queue: 100}}"))
    _ask(proxy, 60)
    otlp_collector.wait_for(requests=1)
    _ask(proxy, 200)
    assert _counts(proxy, "traceward_spans_total")["dropped"] >= 260 - 100 - 100
    otlp_collector.go.set()


def test_a_collector_that_is_busy_gets_the_spans_later(
    start_proxy: Start, recording: RecordingUpstream, otlp_collector: "OtlpCollector"
) -> None:
    otlp_collector.answers.append((429, {"Retry-After": "1"}, b""))
    proxy = start_proxy(_config(recording, f"spans: {{otlp: {otlp_collector.url}, queue: 20}}"))
    _ask(proxy, 10)
    assert _spans_counted(proxy, 10) == {"exported": 10, "dropped": 0, "failed": 0}
    assert len(otlp_collector.requests) == 2


def test_a_drain_exports_what_is_queued(
    start_proxy: Start, recording: RecordingUpstream, otlp_collector: "OtlpCollector"
) -> None:
    proxy = start_proxy(_config(recording, f"spans: {{otlp: {otlp_collector.url}}}"))
    _ask(proxy, 10)
    assert proxy.stop() == 0
    assert len(otlp_collector.spans) == 10


def test_without_spans_nothing_of_them_is_imported(recording: RecordingUpstream, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from proxy.config.load import load_config; "
        "from proxy.observability.metrics import Metrics; "
        "from proxy.observability.observers import Observers; "
        "loaded = load_config(Path(sys.argv[1]), {}); Observers(loaded.config, Metrics()); "
        "print([name for name in sys.modules if name.startswith(('google', 'opentelemetry'))])"
    )
    file = tmp_path / "traceward.yaml"
    file.write_text(_config(recording, "access_log: all"))
    ended = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True, timeout=30
    )
    assert ended.stdout == "[]\n"


# Access log


def _follow(stream: IO[str], lines: list[str], until: int) -> None:
    while len(lines) < until and (line := stream.readline()):
        lines.append(line)


def test_each_request_has_a_line_on_stdout(start_proxy: Start, recording: RecordingUpstream) -> None:
    proxy = start_proxy(_config(recording, "access_log: all"))
    _ask(proxy, 3)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 400"
    assert proxy.process.stdout is not None
    lines: list[str] = []
    _follow(proxy.process.stdout, lines, 4)
    first, *_, refused = map(json.loads, lines)
    head = recording.heads[b"/api/x?card=4711"].decode()
    assert (first["url"], first["status"], first["rule"]) == (
        f"http://{HOST}/api/x?card=REDACTED",
        200,
        "api",
    )
    assert first["target"] == f"http://127.0.0.1:{recording.port}"
    assert json.loads(lines[2])["trace_id"] in head
    assert (refused["status"], refused["error"], refused["reason"]) == (400, "bad_request", None)
    # A line is counted behind its writing, so it may be read before.
    while (counts := _counts(proxy, "traceward_access_log_lines_total"))["written"] < 4:
        pass
    assert counts == {"written": 4, "lost": 0}


def test_a_drain_writes_what_is_queued(start_proxy: Start, recording: RecordingUpstream) -> None:
    proxy = start_proxy(_config(recording, "access_log: sampled"))
    _ask(proxy, 5)
    assert proxy.stop() == 0
    assert proxy.process.stdout is not None
    assert len([json.loads(line) for line in proxy.process.stdout]) == 5


def test_a_log_that_nobody_reads_holds_no_request_up(
    start_proxy: Start, recording: RecordingUpstream
) -> None:
    proxy = start_proxy(_config(recording, "access_log: all"))
    count = 9_000
    _ask(proxy, count)
    # A pipe holds some 150 lines, the queue 8192.
    while not (counts := _counts(proxy, "traceward_access_log_lines_total"))["lost"]:
        _ask(proxy, 32)
        count += 32
    assert proxy.process.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=_follow, args=(proxy.process.stdout, lines, count))
    reader.start()
    assert proxy.stop() == 0
    reader.join()
    assert len(lines) == count - counts["lost"]
    assert {json.loads(line)["status"] for line in lines} == {200}


def test_a_drain_does_not_wait_for_ever_for_who_does_not_read(
    start_proxy: Start, recording: RecordingUpstream
) -> None:
    proxy = start_proxy(_config(recording, "access_log: all"))
    _ask(proxy, 1000)
    assert proxy.stop() == 0


# Reloads, and several workers


def _lines(proxy: Proxy, count: int) -> list[dict[str, object]]:
    lines: list[str] = []
    assert proxy.process.stdout is not None
    _follow(proxy.process.stdout, lines, count)
    return [json.loads(line) for line in lines]


def test_spans_and_log_begin_and_end_with_a_reload(
    start: StartInFolder, upstream: PlainUpstream, otlp_collector: "OtlpCollector"
) -> None:
    proxy = start(config_of(upstream))
    assert proxy.get("/api/1")[0] == 200
    proxy.rewrite(config_of(upstream, more=f"access_log: all\nspans: {{otlp: {otlp_collector.url}}}\n"))
    proxy.hang_up()
    headers = proxy.get("/api/2")[1]
    [line] = _lines(proxy, 1)
    assert str(line["url"]).endswith("/api/2")
    # What waits is handed over, though nothing is exported any more.
    proxy.rewrite(config_of(upstream))
    proxy.hang_up()
    assert proxy.get("/api/3")[0] == 200
    [span] = otlp_collector.wait_for(spans=1)
    assert span.span_id.hex() == headers["traceparent"].split("-")[2]
    assert proxy.count("traceward_spans_total", outcome="exported") == 1
    assert proxy.end() == 0
    assert _lines(proxy, 1) == []
    assert len(otlp_collector.spans) == 1


def test_what_stays_the_same_goes_on_over_a_reload(
    start: StartInFolder, upstream: PlainUpstream, otlp_collector: "OtlpCollector"
) -> None:
    more = f"access_log: all\nspans: {{otlp: {otlp_collector.url}}}\n"
    proxy = start(config_of(upstream, more=more))
    for number in range(3):
        assert proxy.get(f"/api/{number}")[0] == 200
        proxy.rewrite(config_of(upstream, more=f"{more}drain_timeout: {number + 1}s\n"))
        proxy.hang_up()
    assert proxy.end() == 0
    assert len(otlp_collector.spans) == len(_lines(proxy, 3)) == 3


def test_every_worker_exports_and_writes(
    start: StartInFolder, upstream: PlainUpstream, otlp_collector: "OtlpCollector"
) -> None:
    more = f"workers: 2\naccess_log: all\nspans: {{otlp: {otlp_collector.url}}}\n"
    proxy = start(config_of(upstream, more=more))
    ids = {proxy.get(f"/api/{number}")[1]["traceparent"].split("-")[2] for number in range(20)}
    proxy.wait(lambda: proxy.count("traceward_spans_total", outcome="exported") == 20)
    assert {span.span_id.hex() for span in otlp_collector.wait_for(spans=20)} == ids
    assert len(_lines(proxy, 20)) == 20
    proxy.wait(lambda: proxy.count("traceward_access_log_lines_total", outcome="written") == 20)
    assert proxy.end() == 0
    assert proxy.errors == ""


def test_a_drain_of_workers_hands_over_what_waits(
    start: StartInFolder, upstream: PlainUpstream, otlp_collector: "OtlpCollector"
) -> None:
    more = f"workers: 2\naccess_log: all\nspans: {{otlp: {otlp_collector.url}}}\n"
    proxy = start(config_of(upstream, more=more))
    for number in range(10):
        assert proxy.get(f"/api/{number}")[0] == 200
    assert proxy.end() == 0
    assert len(otlp_collector.spans) == len(_lines(proxy, 10)) == 10
