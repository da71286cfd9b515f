"""Requests to a collector that is there, or not, or has its own mind."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from proxy import __version__
from proxy.observability import collector
from proxy.observability.collector import Collector, Refused, Taken, Unavailable, read_retry_after

if TYPE_CHECKING:
    from tests.conftest import OtlpCollector

BODY = gzip.compress(b"")

Connect = Callable[..., Collector]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Make clients of collectors, which are closed at the end."""
    made: list[Collector] = []

    def connect(url: str, **headers: str) -> Collector:
        made.append(Collector(url, headers))
        return made[-1]

    yield connect
    for each in made:
        await each.close()


def _partial(rejected: int) -> bytes:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = "too old"
    return answer.SerializeToString()


ANSWERS = [
    pytest.param(200, {}, b"", Taken(0, ""), id="ok"),
    pytest.param(202, {}, b"", Taken(0, ""), id="accepted"),
    pytest.param(200, {}, _partial(3), Taken(3, "too old"), id="partial"),
    pytest.param(200, {}, _partial(3) + bytes(70_000), Taken(0, ""), id="endless"),
    pytest.param(200, {"Content-Encoding": "gzip"}, b"no gzip", Taken(0, ""), id="unreadable"),
    pytest.param(400, {}, b"", Refused("the collector answered 400"), id="bad-request"),
    pytest.param(401, {}, b"", Refused("the collector answered 401"), id="unauthorized"),
    pytest.param(307, {"Location": "/"}, b"", Refused("the collector answered 307"), id="redirect"),
    pytest.param(500, {}, b"", Refused("the collector answered 500"), id="internal-error"),
    pytest.param(429, {}, b"", Unavailable("the collector answered 429"), id="too-many"),
    pytest.param(
        429, {"Retry-After": "7"}, b"", Unavailable("the collector answered 429", 7.0), id="retry-after"
    ),
    pytest.param(502, {}, b"", Unavailable("the collector answered 502"), id="bad-gateway"),
    pytest.param(503, {"Retry-After": "x"}, b"", Unavailable("the collector answered 503"), id="unavailable"),
    pytest.param(504, {}, b"", Unavailable("the collector answered 504"), id="timeout"),
]


@pytest.mark.parametrize(("status", "headers", "body", "answer"), ANSWERS)
async def test_an_answer_means(
    otlp_collector: "OtlpCollector",
    connect: Connect,
    status: int,
    headers: dict[str, str],
    body: bytes,
    answer: collector.Answer,
) -> None:
    otlp_collector.answers.append((status, headers, body))
    assert await connect(otlp_collector.url).send(BODY) == answer


async def test_a_request_says_what_it_is(otlp_collector: "OtlpCollector", connect: Connect) -> None:
    sender = connect(otlp_collector.url, authorization="Bearer abc", **{"content-type": "text/plain"})
    await sender.send(BODY)
    [(headers, _)] = otlp_collector.requests
    assert headers.get_all("Content-Type") == ["application/x-protobuf"]
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Authorization"] == "Bearer abc"
    assert headers["User-Agent"] == f"traceward/{__version__}"


async def test_a_collector_that_is_not_there_is_unavailable(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = await connect(f"http://127.0.0.1:{taken.getsockname()[1]}/").send(BODY)
    assert isinstance(answer, Unavailable)
    assert "Connect" in answer.why


async def test_a_collector_that_hangs_up_is_unavailable(connect: Connect) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert isinstance(await connect(f"http://127.0.0.1:{port}/").send(BODY), Unavailable)


async def test_a_collector_that_says_nothing_is_unavailable(
    otlp_collector: "OtlpCollector", connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "REQUEST_SECONDS", 0.1)
    otlp_collector.go.clear()
    answer = await connect(otlp_collector.url).send(BODY)
    assert answer == Unavailable("the collector did not answer within 0.1 s")


NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
RETRY_AFTER = [
    pytest.param(None, None, id="none"),
    pytest.param("0", 0.0, id="now"),
    pytest.param("120", 120.0, id="seconds"),
    pytest.param("9" * 400, 999_999_999.0, id="absurd"),
    pytest.param("Tue, 14 Nov 2023 22:13:50 GMT", 30.0, id="date"),
    pytest.param("Tue, 14 Nov 2023 22:13:00 GMT", 0.0, id="past"),
    pytest.param("soon", None, id="word"),
    pytest.param("-1", None, id="negative"),
    pytest.param("", None, id="empty"),
    pytest.param("1.5", None, id="fraction"),
    pytest.param("Tue, 99 Nov 2023 22:13:00 GMT", None, id="no-such-day"),
]


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds
