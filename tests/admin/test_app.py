"""The routes of the admin server, whoever asks."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from proxy.admin.facts import Reloaded

Client = TestClient[web.Request, web.Application]


class Proxy(Protocol):
    reason: str | None
    reloaded: Reloaded


Start = Callable[..., Awaitable[Client]]


@pytest.fixture
async def admin(start: Start) -> Client:
    return await start()


async def _explain(admin: Client, body: object) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with admin.post("/api/explain", data=data) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        pytest.param(None, "text/plain; version=0.0.4", "\n", id="nothing-asked-for"),
        pytest.param("text/plain", "text/plain; version=0.0.4", "\n", id="text"),
        pytest.param(
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text; version=1.0.0",
            "# EOF\n",
            id="openmetrics",
        ),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0",
            "# EOF\n",
            id="prometheus",
        ),
    ],
)
async def test_metrics_are_served_as_asked_for(
    admin: Client, accept: str | None, content_type: str, end: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    async with admin.get("/metrics", headers=headers) as response:
        body = await response.text()
        assert response.status == 200
        assert response.headers["Content-Type"].startswith(content_type)
    assert 'traceward_sample_rate{rule="api"} 10.0' in body
    assert body.endswith(end)
    assert body.endswith("# EOF\n") is (end == "# EOF\n")


async def test_healthz_says_that_the_process_runs(admin: Client, proxy: Proxy) -> None:
    proxy.reason = "draining"
    async with admin.get("/healthz") as response:
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_readyz_says_why_not(admin: Client, proxy: Proxy) -> None:
    async with admin.get("/readyz") as response:
        assert (response.status, await response.text()) == (200, "ready\n")
    proxy.reason = "draining"
    async with admin.get("/readyz") as response:
        assert (response.status, await response.text()) == (503, "draining\n")


async def test_probes_may_ask_by_head(admin: Client) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        async with admin.head(path) as response:
            assert response.status == 200


async def test_explain_answers_with_what_becomes_of_a_request(admin: Client) -> None:
    status, answer = await _explain(admin, {"url": "http://shop.example.com/checkout/cart"})
    assert status == 200
    assert {key: answer[key] for key in ("matched", "rule", "decision", "reason", "context", "fault")} == {
        "matched": True,
        "rule": "checkout",
        "decision": "sampled",
        "reason": "rate",
        "context": "started",
        "fault": None,
    }
    assert ["traceparent", f"00-{answer['trace_id']}-{'01' * 8}-01"] in answer["upstream_headers"]


async def test_explain_takes_method_headers_and_client(admin: Client) -> None:
    _, answer = await _explain(
        admin,
        {
            "url": "http://h/api/orders",
            "method": "POST",
            "headers": [["x-session-id", "walter"], ["X-Name", "jürgen"]],
            "client": "2001:db8::7",
        },
    )
    assert (answer["rule"], answer["decision"]) == ("api", "not_sampled")
    assert ["X-Name", "jürgen"] in answer["upstream_headers"]
    assert ["X-Forwarded-For", "2001:db8::7"] in answer["upstream_headers"]


URL = "http://h/"
BAD = [
    pytest.param(b"", "Invalid JSON", id="empty"),
    pytest.param(b"url=http://h/", "Invalid JSON", id="form"),
    pytest.param(b'{"url": "http://h/"', "Invalid JSON", id="cut-short"),
    pytest.param(b'"\xff"', "Invalid JSON", id="no-utf-8"),
    pytest.param(b"[" * 60000, "Invalid JSON", id="deep"),
    pytest.param([], "write {", id="list"),
    pytest.param({}, "url: Field required", id="no-url"),
    pytest.param({"url": 5}, "url: ", id="url-of-a-wrong-type"),
    pytest.param({"url": URL, "methd": "GET"}, "methd: Extra", id="unknown-key"),
    pytest.param({"url": URL, "headers": {"a": "b"}}, "headers: ", id="headers-of-a-wrong-type"),
    pytest.param({"url": URL, "headers": [["a"]]}, "headers.0", id="a-name-alone"),
    pytest.param({"url": URL, "headers": [["a", 1]]}, "headers.0.1: ", id="a-number-for-a-value"),
    pytest.param({"url": "/api/"}, "not a whole http URL", id="path"),
    pytest.param({"url": "http://h:1234567/"}, "no valid host and port", id="port"),
    pytest.param({"url": "http://ü/"}, "percent-encode", id="not-ascii"),
    pytest.param({"url": "http://h/ x"}, "percent-encode", id="white-space"),
    pytest.param({"url": URL, "client": "somewhere"}, "not a client", id="client"),
    pytest.param({"url": URL, "method": "FETCH"}, "no method that the proxy knows", id="method"),
    pytest.param({"url": URL, "method": ""}, "", id="no-method"),
    pytest.param({"url": URL, "method": "ÜX"}, "", id="method-not-ascii"),
    pytest.param({"url": URL, "headers": [["a b", "c"]]}, "not valid HTTP/1.1", id="name"),
    pytest.param({"url": URL, "headers": [["a", "b\r\nc: d"]]}, "line break", id="line-break"),
    pytest.param({"url": URL, "headers": [["a", "b\x00"]]}, "not valid HTTP/1.1", id="zero"),
    pytest.param({"url": URL, "headers": [["host", "a"], ["host", "b"]]}, "Host", id="two-hosts"),
    pytest.param(b'{"url": "http://h/", "headers": [["a", "\\ud800"]]}', "", id="lone-surrogate"),
]


@pytest.mark.parametrize(("body", "detail"), BAD)
async def test_explain_refuses_what_is_no_question(admin: Client, body: object, detail: str) -> None:
    status, answer = await _explain(admin, body)
    assert (status, answer["error"], answer["status"]) == (400, "bad_request", 400)
    assert detail in answer["detail"]


async def test_explain_refuses_a_body_that_is_too_large(admin: Client) -> None:
    status, answer = await _explain(admin, {"url": "http://h/" + "x" * 70000})
    assert (status, answer["error"], answer["status"]) == (413, "body_too_large", 413)
    assert "65536" in answer["detail"]


async def test_what_is_not_there_is_said_as_every_error_is(admin: Client) -> None:
    async with admin.get("/nothing") as response:
        assert (response.status, (await response.json())["error"]) == (404, "not_found")
    async with admin.get("/api/explain") as response:
        assert (response.status, (await response.json())["error"]) == (405, "method_not_allowed")
        assert response.headers["Allow"] == "POST"


async def test_a_reload_tells_what_came_of_it(start: Start, proxy: Proxy) -> None:
    client = await start()
    proxy.reloaded = Reloaded(restart=["workers is 2 in the file and 1 here: restart to change it"])
    async with client.post("/api/reload") as response:
        assert response.status == 200
        assert await response.json() == {"outcome": "applied", "restart": list(proxy.reloaded.restart)}
    proxy.reloaded = Reloaded(["a.yaml:1:1: listen: is wrong", "a.yaml:2:1: upstream: is wrong"])
    async with client.post("/api/reload") as response:
        assert response.status == 422
        assert (await response.json())["errors"] == list(proxy.reloaded.errors)
