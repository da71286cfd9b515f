"""What the health checks ask, what they make of the answers, and what comes of it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.config.load import load_text
from proxy.server.health import HealthMonitor
from tests.server.conftest import GET, OFTEN, PATIENCE, Start, StartMonitor, StartTarget


def status(code: int) -> Callable[[bytes], bytes]:
    fields = "Location: http://127.0.0.1:1/\r\nContent-Length: 0\r\n"
    return lambda head: f"HTTP/1.1 {code} Word\r\n{fields}\r\n".encode()


def script(*codes: int) -> Callable[[bytes], bytes]:
    """Return a function that answers with these, and with the last one from then on."""
    left = list(codes)
    return lambda head: status(left.pop(0) if len(left) > 1 else left[0])(head)


@pytest.mark.parametrize("code", [200, 204, 299, 301, 302, 304, 399])
async def test_2xx_and_3xx_are_healthy(monitor: StartMonitor, start_target: StartTarget, code: int) -> None:
    target = start_target(script(code, code, code, 500))
    watched = await monitor(target.url)
    assert await watched.change() == ("u", target.url, False)
    assert len(target.heads) == 4


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500, 503])
async def test_4xx_and_5xx_are_not(
    monitor: StartMonitor, start_target: StartTarget, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    target = start_target(status(code))
    watched = await monitor(target.url)
    assert await watched.change() == ("u", target.url, False)
    assert watched.monitor.unhealthy == [("u", target.url)]
    assert f"upstream u: {target.url} is unhealthy: it answers {code}" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"nonsense\r\n\r\n", id="not-http"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", id="lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", id="endless-head"),
    ],
)
async def test_what_is_no_answer_is_unhealthy(
    monitor: StartMonitor, start_target: StartTarget, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    target = start_target(lambda head: answer)
    watched = await monitor(target.url)
    assert await watched.change() == ("u", target.url, False)
    assert caplog.messages == [f"upstream u: {target.url} is unhealthy: its answer is not valid HTTP/1.1"]


async def test_an_odd_error_ends_nothing(
    monitor: StartMonitor, start_target: StartTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = start_target("ok")

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("odd")

    with monkeypatch.context() as patched:
        patched.setattr("aiohttp.ClientSession.get", fail)
        watched = await monitor(target.url)
        assert await watched.change() == ("u", target.url, False)
    assert await watched.change() == ("u", target.url, True)


async def test_states_change_after_the_configured_counts(
    monitor: StartMonitor, start_target: StartTarget, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    down, up = [500, 500, 200, 500, 500, 500], [200, 500, 200, 200]
    target = start_target(script(*down, *up))
    watched = await monitor(target.url, check="interval: 5ms, unhealthy_after: 3, healthy_after: 2")
    assert await watched.change() == ("u", target.url, False)
    assert len(target.heads) == len(down)
    assert await watched.change() == ("u", target.url, True)
    assert len(target.heads) == len(down) + len(up)
    assert watched.monitor.unhealthy == []
    assert f"upstream u: {target.url} is healthy again" in caplog.text


async def test_a_target_that_is_down_is_unhealthy_until_it_is_back(
    monitor: StartMonitor, start_target: StartTarget, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"unix:{tmp_path}/s"
    watched = await monitor(url)
    assert await watched.change() == ("u", url, False)
    assert f"{url} is unhealthy: No such file or directory" in caplog.text
    start_target("ok", f"{tmp_path}/s")
    assert await watched.change() == ("u", url, True)


async def test_a_target_that_refuses_is_unhealthy(
    monitor: StartMonitor, closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    watched = await monitor(url)
    assert await watched.change() == ("u", url, False)
    assert f"{url} is unhealthy: Connection refused" in caplog.text


async def test_a_target_that_says_nothing_is_unhealthy(
    monitor: StartMonitor, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    silent = f"http://{(await start()).upstream_authority}"
    watched = await monitor(silent, check=f"{OFTEN}, timeout: 20ms")
    assert await watched.change() == ("u", silent, False)
    assert "is unhealthy: no answer within 0.02 s" in caplog.text


@pytest.mark.parametrize(
    ("host", "expected"), [("preserve", None), ("target", None), ("shop.example.com", b"shop.example.com")]
)
async def test_a_check_asks_as_requests_do(
    monitor: StartMonitor, start_target: StartTarget, host: str, expected: bytes | None
) -> None:
    target = start_target(status(500))
    watched = await monitor(
        target.url, check=f"{OFTEN}, path: '/a//%7Eb/../?x=%2F&y'", more=f", host: '{host}'"
    )
    await watched.change()
    authority = target.url.removeprefix("http://").encode()
    lines = target.heads[0].split(b"\r\n")
    assert lines[0] == b"GET /a//%7Eb/../?x=%2F&y HTTP/1.1"
    assert b"Host: " + (expected or authority) in lines
    assert any(line.startswith(b"User-Agent: traceward/") for line in lines)
    assert sum(line.lower().startswith(b"host:") for line in lines) == 1


async def test_a_target_on_a_unix_socket(
    monitor: StartMonitor, start_target: StartTarget, tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    target = start_target(script(200, 500), path)
    watched = await monitor(f"unix:{path}")
    assert await watched.change() == ("u", f"unix:{path}", False)
    assert b"\r\nHost: localhost\r\n" in target.heads[0]


async def test_each_target_has_its_own_state(monitor: StartMonitor, start_target: StartTarget) -> None:
    good, bad = start_target("ok"), start_target(status(500))
    watched = await monitor(good.url, bad.url)
    assert await watched.change() == ("u", bad.url, False)
    assert watched.monitor.unhealthy == [("u", bad.url)]


async def test_what_an_earlier_monitor_knew_stays_until_it_changes(
    monitor: StartMonitor, start_target: StartTarget
) -> None:
    good, bad = start_target("ok"), start_target(status(500))
    watched = await monitor(good.url, bad.url, known=[("u", good.url), ("u", bad.url), ("gone", "x")])
    assert set(watched.monitor.unhealthy) == {("u", good.url), ("u", bad.url)}
    assert await watched.change() == ("u", good.url, True)
    assert watched.monitor.unhealthy == [("u", bad.url)]


async def test_an_upstream_without_checks_is_not_asked(tmp_path: Path) -> None:
    text = b"upstream: http://127.0.0.1:1"
    upstreams = load_text(text, tmp_path / "traceward.yaml", {}).config.upstreams
    monitor = HealthMonitor(upstreams, lambda *change: None)
    async with asyncio.timeout(PATIENCE):
        await monitor.run()
    assert monitor.unhealthy == []


async def test_checks_go_on_whatever_goes_wrong_with_what_they_tell(
    tmp_path: Path, start_target: StartTarget, caplog: pytest.LogCaptureFixture
) -> None:
    targets = [start_target(status(500)).url for _ in range(2)]
    text = f"upstreams: {{u: {{targets: {targets}, health_check: {{{OFTEN}}}}}}}"
    upstreams = load_text(text.encode(), tmp_path / "traceward.yaml", {}).config.upstreams
    told: list[str] = []

    def tell(upstream: str, target: str, healthy: bool) -> None:
        told.append(target)
        raise RuntimeError("a request could not be failed")

    checks = asyncio.create_task(HealthMonitor(upstreams, tell).run())
    async with asyncio.timeout(PATIENCE):
        while caplog.text.count("begin anew") < len(targets):  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert set(told) == set(targets)
    assert not checks.done()
    checks.cancel()
    with suppress(asyncio.CancelledError):
        await checks


async def test_requests_go_where_the_checks_succeed(
    start: Start, monitor: StartMonitor, start_target: StartTarget
) -> None:
    first, second = start_target("first"), start_target("second")
    answer = first.answer
    first.answer = lambda head: (status(500) if b"/healthz" in head else answer)(head)
    wire = await start(port=int(first.url.rpartition(":")[2]), more_targets=[second.url])
    watched = await monitor(first.url, second.url)
    for bodies in ({b"second"}, {b"first", b"second"}):
        _, target, healthy = await watched.change()
        wire.plane.upstreams["default"].set_healthy(target, healthy)
        client = await wire.connect()
        assert {(await client.ask(GET))[1] for _ in range(4)} == bodies
        first.answer = answer
