"""The whole proxy in a process of its own: start, serve, fail, drain."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.conftest import (
    Start,
    Upstream,
    accepts,
    config_of,
    free_port,
    get,
    labels,
    port_of,
    run,
    status_of,
    unix_connection,
)

if TYPE_CHECKING:
    from tests.conftest import Certificates

# Start


def test_a_line_for_each_listener_is_told_once_it_accepts(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "proxy.sock"
    listen = f"['127.0.0.1:0', '[::1]:0', 'unix:{path}', {{address: '127.0.0.1:0', scheme: https}}]"
    proxy = start(config_of(upstream, listen))
    first, ipv6, unix, behind_tls = proxy.urls
    assert len(proxy.lines) == 5
    assert first.startswith("http://127.0.0.1:")
    assert ipv6.startswith("http://[::1]:")
    assert unix == f"unix:{path}"
    assert behind_tls.startswith("http://127.0.0.1:")
    for url in (first, ipv6, behind_tls):
        assert get(url + "/api/")[0] == 200
    with closing(unix_connection(str(path))) as connection:
        connection.request("GET", "/api/", headers={"Host": "h"})
        assert connection.getresponse().status == 200
    assert proxy.end() == 0
    assert not path.exists()


def test_rules_see_the_scheme_of_the_listener(start: Start, upstream: Upstream) -> None:
    listen = "['127.0.0.1:0', {address: '127.0.0.1:0', scheme: https}]"
    rules = "tracing: {rules: [{name: secure, match: 'https://shop.example.com/', sample_rate: 100}]}"
    proxy = start(config_of(upstream, listen, rules))
    plain, behind_tls = [get(url + "/", {"Host": "shop.example.com"})[1] for url in proxy.urls]
    assert "traceparent" not in plain
    assert behind_tls["traceparent"].endswith("-01")
    assert (plain["x-forwarded-proto"], behind_tls["x-forwarded-proto"]) == ("http", "https")


@pytest.mark.peer
def test_a_listener_with_tls_speaks_it(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl here")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [openssl, *make.split(), "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True
    )
    rules = "tracing: {rules: [{name: secure, match: 'https://localhost', sample_rate: 100}]}"
    listen = "{address: '127.0.0.1:0', tls: {cert: cert.pem, key: key.pem}}"
    proxy = start(config_of(upstream, listen, rules))
    assert proxy.urls[0].startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=cert)
    with closing(HTTPSConnection("localhost", proxy.port, context=context, timeout=20)) as connection:
        connection.request("GET", "/", headers={"Host": "localhost"})
        assert json.load(connection.getresponse())["traceparent"].endswith("-01")
        assert connection.sock.version() in ("TLSv1.2", "TLSv1.3")
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as plain:
        plain.request("GET", "/")
        refused = plain.getresponse()
        assert (refused.status, json.load(refused)["error"]) == (400, "bad_request")
    counted = proxy.metrics()
    assert sum(count for (name, _), count in counted.items() if name == "traceward_requests_total") == 1
    assert not any(name == "traceward_rejected_requests_total" for name, _ in counted)


def test_a_socket_file_that_nobody_listens_on_is_replaced(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "proxy.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert start(config_of(upstream, f"unix:{path}")).urls == [f"unix:{path}"]


def test_a_taken_port_is_named_and_nothing_stays_open(upstream: Upstream, tmp_path: Path) -> None:
    path, free = tmp_path / "proxy.sock", free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(config_of(upstream, f"['127.0.0.1:{free}', 'unix:{path}', '127.0.0.1:{port}']"), tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"traceward: cannot listen on 127.0.0.1:{port}: the address is in use")
    assert not path.exists()


def test_a_taken_admin_port_is_named_as_such(upstream: Upstream, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = config_of(upstream).replace("'127.0.0.1:0'", f"127.0.0.1:{port}")
        ended = run(config, tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"traceward: admin.listen: cannot listen on 127.0.0.1:{port}: ")


def test_a_second_proxy_on_the_port_ends_and_the_first_serves_on(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    first = start(config_of(upstream))
    ended = run(config_of(upstream, f"127.0.0.1:{first.port}"), tmp_path)
    assert (ended.returncode, str(first.port) in ended.stderr) == (1, True)
    assert first.get("/api/")[0] == 200


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param("203.0.113.1:0", "203.0.113.1:0: Cannot assign requested address", id="not-ours"),
        pytest.param("nowhere.invalid:80", "nowhere.invalid:80: ", id="no-such-name"),
        pytest.param("unix:/nowhere/proxy.sock", "unix:/nowhere/proxy.sock: ", id="no-such-folder"),
    ],
)
def test_an_address_that_cannot_be_had_is_named(
    upstream: Upstream, tmp_path: Path, address: str, words: str
) -> None:
    ended = run(config_of(upstream, address), tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"traceward: cannot listen on {words}")
    assert "Traceback" not in ended.stderr


def test_it_serves_on_where_nobody_reads_its_lines(start: Start, upstream: Upstream) -> None:
    port, admin = free_port(), free_port()
    config = config_of(upstream, f"127.0.0.1:{port}").replace("'127.0.0.1:0'", f"127.0.0.1:{admin}")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        proxy = start(config, stdout=writer)
    finally:
        os.close(writer)
    while not accepts(admin):
        assert proxy.process.poll() is None
    assert get(f"http://127.0.0.1:{port}/api/")[0] == 200
    assert proxy.end() == 0


# Serve


def test_an_upstream_that_is_down_is_a_502_until_it_is_back(start: Start) -> None:
    down = Upstream()
    port = down.server_port
    down.stop()
    proxy = start(config_of(f"http://127.0.0.1:{port}"))
    status, body = proxy.get("/api/")
    assert (status, body["error"], body["status"]) == (502, "upstream_connect", 502)
    assert body["detail"] == "cannot connect to upstream default: connection refused"
    assert len(body["trace_id"]) == 32
    back = Upstream(port)
    try:
        assert proxy.get("/api/")[0] == 200
    finally:
        back.stop()


def test_health_checks_take_targets_out_and_bring_them_back(start: Start) -> None:
    first = Upstream()
    port = first.server_port
    config = (
        f"upstreams: {{default: {{targets: [{first.url}], health_check: "
        "{path: /api/, interval: 20ms, unhealthy_after: 2, healthy_after: 2}}}\n"
        "listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\n"
    )
    proxy = start(config)
    key = ("traceward_upstream_healthy", labels(upstream="default", target=first.url))
    assert status_of(proxy.admin_url + "/readyz") == 200
    assert proxy.metrics()[key] == 1
    first.stop()
    while status_of(proxy.admin_url + "/readyz") == 200:
        pass
    status, body = proxy.get("/api/")
    assert (status, body["error"]) == (503, "no_healthy_target")
    counted = proxy.metrics()
    assert counted[key] == 0
    assert counted["traceward_rejected_requests_total", labels(reason="no_healthy_target")] == 1
    back = Upstream(port)
    try:
        while status_of(proxy.admin_url + "/readyz") == 503:
            pass
        assert proxy.get("/api/")[0] == 200
    finally:
        back.stop()
    assert proxy.end() == 0
    assert f"WARNING upstream default: {first.url} is unhealthy: Connection refused\n" in proxy.errors
    assert f"INFO upstream default: {first.url} is healthy again\n" in proxy.errors
    assert "does nothing for it" not in proxy.errors


def test_readiness_asks_for_the_upstreams_that_it_is_told_to(start: Start, upstream: Upstream) -> None:
    check = "health_check: {path: /api/, interval: 20ms, unhealthy_after: 1}"
    config = (
        f"upstreams: {{default: {{targets: [{upstream.url}]}}, "
        f"down: {{targets: [unix:/nowhere], {check}}}}}\n"
        "listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0', ready: [down]}\n"
    )
    proxy = start(config)
    while status_of(proxy.admin_url + "/readyz") == 200:
        pass
    assert proxy.get("/api/")[0] == 200
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(proxy.admin_url + "/readyz", timeout=20)
    with caught.value as answer:
        assert answer.read() == b"no healthy target: down\n"


def test_a_matcher_that_raises_is_told_once_and_counted_each_time(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    (tmp_path / "matchers.py").write_text(
        "def is_api(url):\n    return '/api/' in url\n\ndef broken(url):\n    raise RuntimeError('no luck')\n"
    )
    rules = (
        "tracing: {rules: [{name: odd, match: {function: 'matchers:broken'}}, "
        "{name: api, match: {function: 'matchers:is_api'}, sample_rate: 100}]}"
    )
    proxy = start(config_of(upstream, more=rules))
    for _ in range(3):
        assert "traceparent" in proxy.get("/api/")[1]
    assert "traceparent" not in proxy.get("/other")[1]
    assert proxy.errors.count("the function of rule odd raised RuntimeError: no luck") == 1
    assert proxy.metrics()["traceward_matcher_errors_total", frozenset({("rule", "odd")})] == 4


def test_a_known_series_of_requests_is_counted(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    for _ in range(3):
        proxy.get("/api/")
    proxy.get("/api/", traceparent=parent)
    proxy.get("/api/", traceparent="x")
    proxy.get("/other")
    asked = {"Origin": "http://a.example", "Access-Control-Request-Method": "GET"}
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.request("OPTIONS", "/api/", headers=asked)
        connection.getresponse().read()
        connection.request("GET", "api", headers={})
        assert connection.getresponse().status == 400
    counted = proxy.metrics()
    expected = {
        ("traceward_requests_total", labels(rule="api", status="2xx", decision="sampled")): 4,
        ("traceward_requests_total", labels(rule="api", status="2xx", decision="not_sampled")): 2,
        ("traceward_requests_total", labels(rule="none", status="2xx", decision="untraced")): 1,
        ("traceward_requests_total", labels(rule="none", status="4xx", decision="untraced")): 1,
        ("traceward_decisions_total", labels(rule="api", decision="sampled", reason="rate")): 4,
        ("traceward_decisions_total", labels(rule="api", decision="not_sampled", reason="parent")): 1,
        ("traceward_decisions_total", labels(rule="api", decision="not_sampled", reason="preflight")): 1,
        ("traceward_decisions_total", labels(rule="none", decision="untraced", reason="no_rule")): 1,
        ("traceward_contexts_total", labels(context="started", fault="none")): 3,
        ("traceward_contexts_total", labels(context="forwarded", fault="none")): 1,
        ("traceward_contexts_total", labels(context="restarted", fault="syntax")): 1,
        ("traceward_contexts_total", labels(context="none", fault="none")): 2,
        ("traceward_preflights_total", labels(outcome="forwarded")): 1,
        ("traceward_rejected_requests_total", labels(reason="bad_request")): 1,
        ("traceward_decision_seconds_count", labels(rule="api")): 6,
        ("traceward_overhead_seconds_count", labels(rule="api", decision="sampled")): 4,
        ("traceward_sample_rate", labels(rule="api")): 100,
        ("traceward_requests_in_flight", labels(side="downstream")): 0,
        ("traceward_requests_in_flight", labels(side="upstream")): 0,
    }
    assert {key: counted.get(key) for key in expected} == expected
    for name in ("traceward_requests_total", "traceward_decisions_total", "traceward_contexts_total"):
        keys = {key for key in counted if key[0] == name}
        assert keys == {key for key in expected if key[0] == name}
    request = len("traceparent: -----\r\ntracestate: dd=s:1;o:rum\r\n") + 2 + 32 + 16 + 2 - 2
    assert counted["traceward_header_bytes_total", labels(rule="api")] >= 3 * request


def test_requests_in_flight_are_shown_while_they_are(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.request("GET", "/wait")
        upstream.waiting.wait(20)
        counted = proxy.metrics()
        upstream.go.set()
        connection.getresponse().read()
    for name in ("traceward_requests_in_flight", "traceward_connections"):
        assert [counted[name, labels(side=side)] for side in ("downstream", "upstream")] == [1, 1]


def test_the_admins_explain_tells_when_a_cap_is_used_up(start: Start, upstream: Upstream) -> None:
    rules = "tracing: {rules: [{name: api, match: /api/, sample_rate: 100, max_traces_per_second: 0.001}]}"
    proxy = start(config_of(upstream, more=rules))
    body = json.dumps({"url": "http://h/api/"}).encode()
    reasons = []
    for _ in range(2):
        with urllib.request.urlopen(proxy.admin_url + "/api/explain", body, timeout=20) as response:
            reasons.append(json.load(response)["reason"])
    assert reasons == ["rate", "rate_limit"]
    assert proxy.get("/api/")[1]["traceparent"].endswith("-01")


@pytest.mark.peer
@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_promtool_finds_nothing_wrong_with_a_scrape(start: Start, upstream: Upstream, accept: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool here")
    proxy = start(config_of(upstream))
    for path in ("/api/", "/other"):
        proxy.get(path)
    request = urllib.request.Request(proxy.admin_url + "/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=20) as response:
        scrape = response.read()
    if accept.startswith("application"):
        assert scrape.endswith(b"# EOF\n")
        return
    checked = subprocess.run([promtool, "check", "metrics"], input=scrape, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


# End


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(start: Start, upstream: Upstream, number: signal.Signals) -> None:
    proxy = start(config_of(upstream))
    assert proxy.get("/api/")[0] == 200
    assert proxy.end(number) == 0
    assert not accepts(proxy.port)
    assert proxy.errors == ""


def test_a_drain_finishes_what_is_in_flight_and_says_that_it_is_not_ready(
    start: Start, upstream: Upstream
) -> None:
    proxy = start(config_of(upstream))
    assert status_of(proxy.admin_url + "/readyz") == 200
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.request("GET", "/wait")
        upstream.waiting.wait(20)
        proxy.process.send_signal(signal.SIGTERM)
        while accepts(proxy.port):
            pass
        assert status_of(proxy.admin_url + "/readyz") == 503
        assert status_of(proxy.admin_url + "/healthz") == 200
        assert status_of(proxy.admin_url + "/metrics") == 200
        upstream.go.set()
        response: HTTPResponse = connection.getresponse()
        assert (response.status, response.headers["Connection"]) == (200, "close")
        response.read()
    assert proxy.process.wait(20) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_during_a_drain_is_refused_and_changes_nothing(
    start: Start, upstream: Upstream, workers: int
) -> None:
    more = f"workers: {workers}\n"
    proxy = start(config_of(upstream, more=more))
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.request("GET", "/wait")
        upstream.waiting.wait(20)
        proxy.process.send_signal(signal.SIGTERM)
        while accepts(proxy.port):
            pass
        proxy.rewrite(config_of(upstream, more=more).replace("sample_rate: 100", "sample_rate: 0"))
        status, body = proxy.ask_to_reload()
        assert (status, body["outcome"], body["errors"]) == (422, "refused", ["the proxy is stopping"])
        assert proxy.count("traceward_sample_rate", rule="api") == 100
        assert proxy.count("traceward_config_reloads_total", outcome="refused") == 1
        upstream.go.set()
        assert connection.getresponse().status == 200
    assert proxy.process.wait(20) == 0


def test_a_drain_lets_a_handshake_lead_to_its_request_and_waits_for_none_that_is_silent(
    start: Start, upstream: Upstream, certificates: "Certificates", stack: ExitStack
) -> None:
    tls = f"{{cert: '{certificates.cert('here')}', key: '{certificates.key('here')}'}}"
    listen = f"{{address: '127.0.0.1:0', tls: {tls}}}"
    proxy = start(config_of(upstream, listen, "limits: {header_timeout: 10m}\ndrain_timeout: 10m\n"))
    key = ("traceward_connections", labels(side="downstream"))
    silent, speaking = (
        stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=20)) for _ in range(2)
    )
    while proxy.metrics()[key] < 2:
        pass
    context = ssl.create_default_context(cafile=certificates.cert("ca"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def shake_hands() -> bool:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    assert not shake_hands()
    speaking.sendall(outgoing.read(100))
    proxy.process.send_signal(signal.SIGTERM)
    assert silent.recv(1) == b""
    speaking.sendall(outgoing.read())
    while not shake_hands():
        speaking.sendall(outgoing.read())
        incoming.write(speaking.recv(65536))
    client.write(b"GET /api/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    speaking.sendall(outgoing.read())
    while answered := speaking.recv(65536):
        incoming.write(answered)
    assert client.read().startswith(b"HTTP/1.1 200")
    assert proxy.process.wait(20) == 0


def test_a_drain_cut_short_says_so(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream, more="drain_timeout: 100ms\n"))
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.request("GET", "/wait")
        upstream.waiting.wait(20)
        assert proxy.end() == 1
        response = connection.getresponse()
        assert (response.status, json.load(response)["error"]) == (503, "draining")
    assert "requests cut short, for drain_timeout is over: 1" in proxy.errors


def test_idle_clients_do_not_hold_up_a_drain(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    proxy = start(config_of(upstream))
    for port, path in ((proxy.port, "/api/"), (port_of(proxy.admin_url), "/healthz")):
        connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=20)))
        connection.request("GET", path)
        connection.getresponse().read()
    assert proxy.end() == 0


def test_who_was_queued_when_the_signal_came_is_served(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    proxy.process.send_signal(signal.SIGSTOP)
    clients = [socket.create_connection(("127.0.0.1", proxy.port), timeout=20) for _ in range(50)]
    for client in clients:
        client.sendall(b"GET /api/ HTTP/1.1\r\nHost: h\r\n\r\n")
    proxy.process.send_signal(signal.SIGTERM)
    proxy.process.send_signal(signal.SIGCONT)
    for client in clients:
        with client:
            assert client.recv(12) == b"HTTP/1.1 200"
    assert proxy.process.wait(20) == 0


def test_who_was_queued_at_other_listeners_is_served_too(
    start: Start, upstream: Upstream, tmp_path: Path, certificates: "Certificates"
) -> None:
    path = tmp_path / "proxy.sock"
    tls = f"{{cert: '{certificates.cert('here')}', key: '{certificates.key('here')}'}}"
    proxy = start(config_of(upstream, f"['unix:{path}', {{address: '127.0.0.1:0', tls: {tls}}}]"))
    proxy.process.send_signal(signal.SIGSTOP)
    with closing(unix_connection(str(path))) as local:
        local.request("GET", "/api/", headers={"Host": "h"})
        with socket.create_connection(("127.0.0.1", port_of(proxy.urls[1])), timeout=20) as plain:
            proxy.process.send_signal(signal.SIGTERM)
            proxy.process.send_signal(signal.SIGCONT)
            assert local.getresponse().status == 200
            context = ssl.create_default_context(cafile=certificates.cert("ca"))
            with context.wrap_socket(plain, server_hostname="localhost") as client:
                client.sendall(b"GET /api/ HTTP/1.1\r\nHost: h\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 200"
    assert proxy.process.wait(20) == 0
