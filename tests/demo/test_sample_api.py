"""The sample API by itself, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from proxy.demo.sample_api import FRONT_END, make_app, start_sample_api

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def api() -> AsyncIterator[Client]:
    async with TestClient(TestServer(make_app(event_interval=0))) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        pytest.param("GET", "/", "try", id="index"),
        pytest.param("GET", "/api/orders", "orders", id="orders"),
        pytest.param("GET", "/checkout/cart", "cart", id="cart"),
        pytest.param("POST", "/checkout/pay", "paid", id="pay"),
        pytest.param("GET", "/healthz", "status", id="healthz"),
    ],
)
async def test_answers_with_the_trace_headers_that_arrived(
    api: Client, method: str, path: str, content: str
) -> None:
    headers = [("TraceParent", TRACEPARENT), ("tracestate", "a=1"), ("tracestate", "b=2"), ("x-other", "x")]
    async with api.request(method, path, headers=headers) as response:
        answer = await response.json()
    assert response.status == 200
    assert content in answer
    assert answer["trace_headers"] == {"traceparent": TRACEPARENT, "tracestate": "a=1, b=2"}


async def test_says_that_no_trace_header_arrived(api: Client) -> None:
    async with api.get("/api/orders") as response:
        assert (await response.json())["trace_headers"] == {}


async def test_pay_counts_the_bytes_it_received(api: Client) -> None:
    async with api.post("/checkout/pay", data=BytesIO(bytes(3_000_000))) as response:
        assert (await response.json())["bytes_received"] == 3_000_000


@pytest.mark.parametrize(
    ("size", "length"),
    [
        pytest.param("1MiB", 1 << 20, id="1MiB"),
        pytest.param("100000", 100_000, id="bytes"),
        pytest.param("0", 0, id="nothing"),
    ],
)
async def test_download_is_as_long_as_asked_for(api: Client, size: str, length: int) -> None:
    async with api.get(f"/download/{size}") as response:
        body = await response.read()
    assert response.content_length == length
    assert body == (bytes(range(256)) * (length // 256 + 1))[:length]


@pytest.mark.parametrize("size", ["1TiB", "-1", "x", "1000000000"])
async def test_download_refuses_what_is_no_size(api: Client, size: str) -> None:
    async with api.get(f"/download/{size}") as response:
        assert response.status == 404


async def test_head_of_a_download_has_its_length_and_no_body(api: Client) -> None:
    async with api.head("/download/2GiB") as response:
        assert response.content_length == 2 << 30
        assert await response.read() == b""


async def test_events_come_one_by_one(api: Client) -> None:
    async with api.get("/api/events") as response:
        assert response.content_type == "text/event-stream"
        events = (await response.text()).split("\n\n")
    assert [event.split("\n")[0] for event in events] == [f"id: {number}" for number in range(1, 11)] + [""]


async def test_the_first_event_does_not_wait_for_the_second() -> None:
    async with (
        TestClient(TestServer(make_app(event_interval=3600))) as api,
        asyncio.timeout(10),
        api.get("/api/events") as response,
    ):
        assert await response.content.readline() == b"id: 1\n"


async def test_a_client_that_leaves_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    runner, port = await start_sample_api()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /download/1GiB HTTP/1.1\r\nHost: h\r\n\r\n")
    assert await reader.readexactly(12) == b"HTTP/1.1 200"
    writer.transport.abort()
    await runner.cleanup()
    assert caplog.messages == []


def _preflight(**changes: str) -> dict[str, str]:
    names = {"method": "Access-Control-Request-Method", "headers": "Access-Control-Request-Headers"}
    asked = {"Origin": FRONT_END, names["method"]: "GET", names["headers"]: "content-type"}
    return asked | {names.get(name, name): value for name, value in changes.items()}


async def test_a_preflight_for_what_it_knows_is_allowed(api: Client) -> None:
    async with api.options("/api/orders", headers=_preflight()) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == FRONT_END
        assert response.headers["Access-Control-Allow-Headers"] == "content-type, x-session-id"
        assert response.headers["X-Asked-For"] == "content-type"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(_preflight(headers="content-type, traceparent"), id="trace-header"),
        pytest.param(_preflight(method="DELETE"), id="method"),
        pytest.param(_preflight(Origin="http://evil.example"), id="origin"),
        pytest.param({}, id="no-preflight"),
    ],
)
async def test_a_preflight_for_anything_else_is_refused(api: Client, asked: dict[str, str]) -> None:
    async with api.options("/api/orders", headers=asked) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_starts_on_a_free_port_and_stops() -> None:
    runner, port = await start_sample_api()
    try:
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as response:
            assert response.status == 200
    finally:
        await runner.cleanup()


async def test_a_taken_port_is_an_error() -> None:
    runner, port = await start_sample_api()
    try:
        with pytest.raises(OSError, match="address already in use"):
            await start_sample_api(port=port)
    finally:
        await runner.cleanup()
