"""What a start loads, and what it leaves to whoever needs it: each library not loaded is time and memory."""

import re
import signal
import socket

import pytest

from tests.app.conftest import Start, Upstream, config_of, get

#: What watches files is loaded soon after the start.
SOON = ["watchfiles.main", "anyio"]
#: What a plain config needs when somebody asks the admin server, or never.
LATER = [
    *("aiohttp", "yarl", "proxy.admin.guard", "proxy.app.group.supervisor", "proxy.demo", "proxy.overhead"),
    *("prometheus_client", "opentelemetry", "google.protobuf", "jsonschema", "hypothesis", "http.client"),
]


@pytest.fixture(autouse=True)
def _tell_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have proxies write each module that they load to stderr."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")


def loaded(told: str) -> set[str]:
    return set(re.findall(r"^import time:.*\| +(\S+)$", told, re.MULTILINE))


def test_the_first_request_waits_for_nothing_that_it_does_not_need(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    at_start = loaded(proxy.errors)
    assert proxy.get("/api/")[0] == 200
    modules = loaded(proxy.errors)
    assert {"proxy.app.serve", "uvloop", "httptools"} <= at_start
    assert [name for name in (*SOON, *LATER) if name in at_start] == []
    assert [name for name in LATER if name in modules] == []
    assert proxy.end() == 0


def test_the_admin_server_is_loaded_for_its_first_clients(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    host, port = proxy.admin_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as early:
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert proxy.get("/api/")[0] == 200
        assert get(proxy.admin_url + "/api/reload", method="POST")[0] == 200
        assert early.recv(100).startswith(b"HTTP/1.1 200 ")
    assert {"aiohttp", "proxy.admin.guard"} <= loaded(proxy.errors)
    assert proxy.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_proxy_ends_while_the_admin_server_is_loaded(
    number: signal.Signals, start: Start, upstream: Upstream
) -> None:
    proxy = start(config_of(upstream))
    host, port = proxy.admin_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10):
        assert proxy.end(number) == 0


def test_a_config_that_changes_at_once_is_seen(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    proxy.rewrite(config_of(upstream, more="workers: none\n"))
    proxy.wait(lambda: "the config is refused" in proxy.errors)
    assert proxy.end() == 0
