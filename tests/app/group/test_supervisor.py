"""Two workers under a supervisor, all in processes of their own."""

import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from io import FileIO
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
    run,
    status_of,
    unix_connection,
)
from tests.app.load import Load

if TYPE_CHECKING:
    from tests.conftest import Certificates

TWO = "workers: 2\n"
NONE_SAMPLED = "tracing: {rules: [{name: api, match: /api/, sample_rate: 0}]}\n"


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_group_serves_together_and_ends_together(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    proxy = start(config_of(upstream, f"['127.0.0.1:0', '[::1]:0', 'unix:{path}']", TWO))
    assert len(proxy.lines) == 4
    workers = proxy.workers
    assert len(workers) == 2
    assert status_of(proxy.admin_url + "/readyz") == 200
    for url in proxy.urls[:2]:
        for _ in range(4):
            assert get(url + "/api/")[0] == 200
    with closing(unix_connection(str(path))) as connection:
        connection.request("GET", "/api/", headers={"Host": "h"})
        assert connection.getresponse().read()
    assert proxy.count("traceward_requests_total", rule="api", status="2xx", decision="sampled") == 9
    assert proxy.count("traceward_request_seconds_count", upstream="default", decision="sampled") == 9
    assert proxy.end() == 0
    assert not any(map(is_there, workers))
    assert not path.exists()
    assert not accepts(proxy.port)
    assert proxy.errors == ""


def test_a_taken_port_is_named_with_workers_too(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    first = start(config_of(upstream, more=TWO))
    for workers in (1, 2):
        ended = run(config_of(upstream, f"127.0.0.1:{first.port}", f"workers: {workers}\n"), tmp_path)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert f"cannot listen on 127.0.0.1:{first.port}: the address is in use" in ended.stderr
    assert first.get("/api/")[0] == 200


def test_a_killed_worker_comes_back_and_its_neighbour_serves_on(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    proxy = start(config_of(upstream, more=TWO))
    for _ in range(8):
        proxy.get("/api/")
    clients = [HTTPConnection("127.0.0.1", proxy.port, timeout=20) for _ in range(8)]
    for client in clients:
        stack.enter_context(closing(client))
        client.request("GET", "/wait")
    proxy.wait(lambda: proxy.count("traceward_requests_in_flight", side="downstream") == 8)
    killed, other = proxy.workers
    os.kill(killed, signal.SIGKILL)
    proxy.wait(lambda: "worker 0 ended with signal 9; it is started again" in proxy.errors)
    left = proxy.count("traceward_requests_in_flight", side="downstream")
    assert left == proxy.count("traceward_connections", side="downstream")
    upstream.go.set()
    answered = 0
    for client in clients:
        try:
            assert client.getresponse().status == 200
            answered += 1
        except (HTTPException, ConnectionError):
            pass
        client.close()
    assert answered == left
    proxy.wait(lambda: len(proxy.workers) == 2)
    assert other in proxy.workers
    for _ in range(8):
        assert proxy.get("/api/")[0] == 200
    assert proxy.count("traceward_requests_total", rule="api", status="2xx", decision="sampled") == 16
    assert proxy.count("traceward_requests_total", rule="none", status="2xx", decision="untraced") == answered
    assert proxy.end() == 0


def test_who_is_queued_at_any_worker_is_served_by_a_drain(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream, more=TWO))
    workers = proxy.workers
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    clients = [socket.create_connection(("127.0.0.1", proxy.port), timeout=20) for _ in range(50)]
    for client in clients:
        client.sendall(b"GET /api/ HTTP/1.1\r\nHost: h\r\n\r\n")
    proxy.process.send_signal(signal.SIGTERM)
    while status_of(proxy.admin_url + "/readyz") != 503:
        pass
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    for client in clients:
        with client:
            assert client.recv(12) == b"HTTP/1.1 200"
    assert proxy.process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_for_the_supervisor(start: Start, upstream: Upstream, number: signal.Signals) -> None:
    proxy = start(config_of(upstream, more=TWO))
    workers = proxy.workers
    for worker in workers:
        os.kill(worker, number)
    for _ in range(6):
        assert proxy.get("/api/")[0] == 200
    assert proxy.workers == workers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_starts_pays_no_heed_to_signals_either(
    start: Start, upstream: Upstream, number: signal.Signals
) -> None:
    proxy = start(config_of(upstream, more=TWO))
    killed, other = proxy.workers
    os.kill(killed, signal.SIGKILL)
    proxy.wait(lambda: len(set(proxy.workers) - {killed}) == 2)
    (started,) = set(proxy.workers) - {killed, other}
    os.kill(started, number)
    # Done once every worker has the config.
    assert proxy.ask_to_reload()[0] == 200
    assert started in proxy.workers
    assert f"ended with signal {number}" not in proxy.errors


def test_a_drain_of_a_group_that_is_cut_short_says_so(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream, more=TWO + "drain_timeout: 100ms\n"))
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.request("GET", "/wait")
        upstream.waiting.wait(20)
        assert proxy.end() == 1
        assert connection.getresponse().status == 503


def test_workers_end_when_their_supervisor_does(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream, more=TWO))
    workers = proxy.workers
    proxy.process.kill()
    while any(map(is_there, workers)):
        time.sleep(0.01)
    assert not accepts(proxy.port)


def test_limits_hold_for_the_group(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    rules = "tracing: {rules: [{name: api, match: /api/, sample_rate: 100, max_traces_per_second: 0.01}]}\n"
    proxy = start(config_of(upstream, more=TWO + rules + "limits: {connections: 8}\n"))
    clients = [HTTPConnection("127.0.0.1", proxy.port, timeout=20) for _ in range(9)]
    answers = []
    for client in clients:
        stack.enter_context(closing(client))
        client.request("GET", "/api/")
        answer = client.getresponse()
        answer.read()
        answers.append(answer.status)
    assert answers == [200] * 8 + [503]
    assert proxy.count("traceward_decisions_total", rule="api", decision="sampled", reason="rate") == 1
    assert (
        proxy.count("traceward_decisions_total", rule="api", decision="not_sampled", reason="rate_limit") == 7
    )
    for client in clients:
        client.close()
    proxy.wait(lambda: proxy.count("traceward_connections", side="downstream") == 0)
    assert proxy.get("/api/")[0] == 200


def test_a_reload_reaches_every_worker(start: Start, upstream: Upstream) -> None:
    more = free_port()
    proxy = start(config_of(upstream, more=TWO))
    proxy.rewrite(config_of(upstream, f"['127.0.0.1:0', '127.0.0.1:{more}']", TWO + NONE_SAMPLED))
    assert proxy.ask_to_reload() == (200, {"outcome": "applied", "restart": []})
    assert proxy.process.stdout is not None
    assert proxy.process.stdout.readline() == f"listening on http://127.0.0.1:{more}\n"
    for url in (proxy.urls[0], f"http://127.0.0.1:{more}"):
        for _ in range(6):
            assert "traceparent" not in get(url + "/api/")[1]
    proxy.rewrite(config_of(upstream, more="workers: 3\n"))
    status, body = proxy.ask_to_reload()
    assert (status, body["restart"]) == (200, ["workers is 3 in the file and 2 here: restart to change it"])
    for _ in range(6):
        assert "traceparent" in proxy.get("/api/")[1]
    assert not accepts(more)


def test_every_worker_tells_clients_why_it_refuses_them(
    start: Start, upstream: Upstream, certificates: "Certificates"
) -> None:
    tls = f"{{cert: '{certificates.cert('here')}', key: '{certificates.key('here')}'}}"
    proxy = start(config_of(upstream, f"{{address: '127.0.0.1:0', tls: {tls}}}", TWO))
    for data, told in (
        (b"\x16\x03\x01\xff\xff", b"\x15\x03\x03"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    ):
        for _ in range(6):
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
                client.sendall(data)
                assert client.recv(65536).startswith(told)
    assert proxy.end() == 0


def test_the_supervisor_checks_the_health_of_targets_for_all(start: Start, upstream: Upstream) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    check = "{path: /healthz, interval: 20ms, timeout: 10s, unhealthy_after: 1}"
    targets = f"upstreams: {{default: {{targets: ['{upstream.url}', '{down}'], health_check: {check}}}}}"
    config = config_of(upstream, more=TWO).replace(f"upstream: {upstream.url}", targets)
    proxy = start(config)

    def healthy(target: str) -> float:
        return proxy.count("traceward_upstream_healthy", upstream="default", target=target)

    proxy.wait(lambda: (healthy(upstream.url), healthy(down)) == (1, 0))
    # A worker that starts later knows it, and so does one that goes over to another config.
    os.kill(proxy.workers[0], signal.SIGKILL)
    proxy.wait(lambda: "is started again" in proxy.errors)
    proxy.wait(lambda: len(proxy.workers) == 2)
    refused = proxy.count("traceward_upstream_errors_total", upstream="default", kind="connect")
    proxy.rewrite(config.replace("healthz, ", "healthz, healthy_after: 1, "))
    assert proxy.ask_to_reload()[0] == 200
    assert (healthy(upstream.url), healthy(down)) == (1, 0)
    for _ in range(6):
        assert proxy.get("/api/")[0] == 200
    assert proxy.count("traceward_upstream_errors_total", upstream="default", kind="connect") == refused
    proxy.rewrite(config.replace(f"['{upstream.url}', ", "["))
    assert proxy.ask_to_reload()[0] == 200
    assert status_of(proxy.admin_url + "/readyz") == 503
    assert proxy.get("/api/")[0] == 503


def test_the_supervisor_explains(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream, more=TWO))
    body = json.dumps({"url": "http://h/api/"}).encode()
    with urllib.request.urlopen(proxy.admin_url + "/api/explain", body, timeout=20) as response:
        explained = json.load(response)
    assert (explained["rule"], explained["decision"]) == ("api", "sampled")


def test_a_bad_config_reaches_none_of_them(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream, more=TWO))
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy.rewrite(config_of(upstream, f"['127.0.0.1:{free}', '127.0.0.1:{port}']", TWO))
        assert proxy.ask_to_reload()[0] == 422
    assert not accepts(free)
    # A worker that starts later reads what the others serve by, not the file.
    os.kill(proxy.workers[0], signal.SIGKILL)
    proxy.wait(lambda: "is started again" in proxy.errors)
    for _ in range(6):
        assert "traceparent" in proxy.get("/api/")[1]


#: A module of matchers for which workers wait while there is a gate and nobody holds it open.
GATED = """
import pathlib, sys
here = pathlib.Path({folder!r})
if "worker" in sys.argv[0] and (here / "gate").exists():
    (here / "waiting").touch()
    (here / "gate").open("rb").close()
def matches(url):
    return True
"""
#: A module that only workers refuse, and those that they do not.
REFUSED = "import sys\nassert 'worker' not in sys.argv[0]\ndef matches(url): return True\n"
ALL, NONE = (f"def matches(url): return {answer}\n" for answer in (True, False))
BY_MODULE = TWO + "tracing: {rules: [{name: api, match: {function: 'matchers:matches'}, sample_rate: 100}]}\n"


@pytest.fixture
def write_module(tmp_path: Path) -> Callable[[str], None]:
    def write(text: str) -> None:
        (tmp_path / "matchers.new").write_text(text)
        (tmp_path / "matchers.new").replace(tmp_path / "matchers.py")

    return write


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Callable[[], FileIO]]:
    """Open the gate for as long as the file is."""
    path = tmp_path / "gate"

    def open_gate() -> FileIO:
        return FileIO(path, "r+")

    yield open_gate
    if path.exists():
        # Those of a test that failed would wait for ever.
        open_gate().close()


def test_each_reload_is_judged_by_its_own_answers(
    start: Start, upstream: Upstream, write_module: Callable[[str], None]
) -> None:
    write_module(ALL)
    proxy = start(config_of(upstream, more=BY_MODULE))
    traced = True
    for module in (REFUSED, NONE, REFUSED, REFUSED, ALL, REFUSED):
        write_module(module)
        if module == REFUSED:
            assert proxy.ask_to_reload()[0] == 422
        else:
            assert proxy.ask_to_reload()[0] == 200
            traced = module == ALL
        for _ in range(6):
            assert ("traceparent" in proxy.get("/")[1]) is traced


def test_a_reload_that_a_drain_overtakes_is_refused(
    start: Start,
    upstream: Upstream,
    write_module: Callable[[str], None],
    gate: Callable[[], FileIO],
    tmp_path: Path,
) -> None:
    path = tmp_path / "new.sock"
    write_module(GATED.format(folder=str(tmp_path)))
    proxy = start(config_of(upstream, more=BY_MODULE))
    os.mkfifo(tmp_path / "gate")
    proxy.rewrite(config_of(upstream, f"'unix:{path}'", BY_MODULE))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(proxy.ask_to_reload)
        proxy.wait((tmp_path / "waiting").exists)
        assert path.exists()
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait(lambda: status_of(proxy.admin_url + "/readyz") == 503)
        with gate():
            assert answer.result()[0] == 422
            assert not path.exists()
            assert proxy.process.wait(20) == 0
    assert "Traceback" not in proxy.errors


def test_a_signal_ends_a_group_that_waits_for_its_workers_to_start(
    start: Start,
    upstream: Upstream,
    write_module: Callable[[str], None],
    gate: Callable[[], FileIO],
    tmp_path: Path,
) -> None:
    path = tmp_path / "proxy.sock"
    write_module(GATED.format(folder=str(tmp_path)))
    os.mkfifo(tmp_path / "gate")
    proxy = start(config_of(upstream, f"'unix:{path}'", BY_MODULE), stdout=subprocess.DEVNULL)
    proxy.wait((tmp_path / "waiting").exists)
    assert path.exists()
    proxy.process.send_signal(signal.SIGTERM)
    # Before any worker says a word.
    proxy.wait(lambda: not path.exists())
    with gate():
        assert proxy.process.wait(20) == 0


def test_a_supervisor_may_open_a_listener_for_every_worker(start: Start, upstream: Upstream) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    listeners = ", ".join(["'127.0.0.1:0'"] * 60)
    resource.setrlimit(resource.RLIMIT_NOFILE, (120, hard))
    try:
        proxy = start(config_of(upstream, f"[{listeners}]", TWO))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(proxy.lines) == 61
    assert proxy.end() == 0


@pytest.mark.slow
def test_no_request_of_a_group_fails_by_reloads_or_its_drain(start: Start) -> None:
    with Load() as load:
        proxy = start(config_of(load.upstream_url, more=TWO))
        load.begin(proxy.port)
        for number in range(10):
            proxy.rewrite(config_of(load.upstream_url, more=TWO + (NONE_SAMPLED if number % 2 else "")))
            proxy.hang_up()
        load.stop()
        assert (load.failures, load.refused) == ([], 0)
        counted = proxy.metrics()
        total = sum(count for (name, _), count in counted.items() if name == "traceward_requests_total")
        assert total == load.served
        load.begin(proxy.port)
        before = load.served
        proxy.wait(lambda: load.served > before + 200)
        assert proxy.end() == 0
        load.wait()
        assert load.failures == []
