"""A config that changes while the proxy serves: what changes, what stays, and what is refused."""

import json
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from tests.app.conftest import Start, Upstream, accepts, config_of, free_port, get
from tests.app.load import Load

NONE_SAMPLED = "tracing: {rules: [{name: api, match: /api/, sample_rate: 0}]}\n"


def outcomes(errors: str) -> tuple[int, int]:
    return errors.count("was read again and is in use"), errors.count("is refused, and the running one stays")


# What asks for it.


def test_a_signal_reloads(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    assert "traceparent" in proxy.get("/api/")[1]
    proxy.rewrite(config_of(upstream, more=NONE_SAMPLED))
    proxy.hang_up()
    assert "traceparent" not in proxy.get("/api/")[1]
    assert proxy.count("traceward_sample_rate", rule="api") == 0
    assert proxy.end() == 0


def test_a_changed_file_reloads(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    loaded = proxy.count("traceward_config_loaded_timestamp_seconds")
    for rate in ("0", "50"):
        proxy.rewrite(config_of(upstream, more=NONE_SAMPLED.replace("0", rate)))
        proxy.wait(lambda rate=rate: proxy.count("traceward_sample_rate", rule="api") == float(rate))  # type: ignore[misc]
    assert proxy.count("traceward_config_reloads_total", outcome="applied") == 2
    assert proxy.count("traceward_config_loaded_timestamp_seconds") > loaded


def test_the_admin_server_reloads_and_tells_what_came_of_it(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    assert proxy.ask_to_reload() == (200, {"outcome": "applied", "restart": []})
    proxy.file.write_text("upstream: http://127.0.0.1:9\nworkers: none\nlisten: x\n")
    status, body = proxy.ask_to_reload()
    assert (status, body["error"], body["status"], body["outcome"]) == (422, "config_refused", 422, "refused")
    assert [error.split(" ")[0:2] for error in body["errors"]] == [
        [f"{proxy.file}:2:10:", "workers:"],
        [f"{proxy.file}:3:9:", "listen:"],
    ]


def test_a_module_of_matchers_is_read_again(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    module = tmp_path / "matchers.py"
    module.write_text("def matches(url):\n    return False\n")
    rules = "tracing: {rules: [{name: api, match: {function: 'matchers:matches'}, sample_rate: 100}]}"
    proxy = start(config_of(upstream, more=rules))
    assert "traceparent" not in proxy.get("/api/")[1]
    module.write_text("def matches(url):\n    return '/api/' in url\n")
    proxy.wait(lambda: "traceparent" in proxy.get("/api/")[1])


def test_a_config_map_is_read_again_when_its_link_is_swapped(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()

    def swap(revision: str, config: str) -> None:
        (mount / revision).mkdir()
        (mount / revision / "traceward.yaml").write_text(config)
        (mount / "..data_tmp").symlink_to(revision)
        (mount / "..data_tmp").replace(mount / "..data")

    swap("..1", config_of(upstream))
    (mount / "traceward.yaml").symlink_to("..data/traceward.yaml")
    proxy = start(None, file=mount / "traceward.yaml")
    assert "traceparent" in proxy.get("/api/")[1]
    for revision, rate in (("..2", 0), ("..3", 100)):
        swap(revision, config_of(upstream, more=NONE_SAMPLED.replace("0", str(rate))))
        proxy.wait(lambda rate=rate: proxy.count("traceward_sample_rate", rule="api") == rate)  # type: ignore[misc]


# What is refused.


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param("upstream: {", "traceward.yaml:1:", id="no-yaml"),
        pytest.param("upstreem: http://h", ":1:1: upstreem: is not a key here: write upstream", id="bad-key"),
        pytest.param("listen: 203.0.113.1:0\nupstream: http://h", "listen on 203.0.113.1:0", id="bind"),
    ],
)
def test_a_bad_config_changes_nothing_and_the_log_says_why(
    start: Start, upstream: Upstream, config: str, words: str
) -> None:
    proxy = start(config_of(upstream))
    proxy.file.write_text(config)
    proxy.hang_up()
    assert words in proxy.errors
    assert "traceparent" in proxy.get("/api/")[1]
    assert proxy.count("traceward_config_reloads_total", outcome="refused") >= 1
    proxy.rewrite(config_of(upstream, more=NONE_SAMPLED))
    proxy.hang_up()
    assert "traceparent" not in proxy.get("/api/")[1]


def test_a_taken_address_among_new_ones_opens_none_of_them(start: Start, upstream: Upstream) -> None:
    free = free_port()
    proxy = start(config_of(upstream))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy.rewrite(config_of(upstream, f"['127.0.0.1:0', '127.0.0.1:{free}', '127.0.0.1:{port}']"))
        assert proxy.ask_to_reload()[0] == 422
    assert not accepts(free)
    assert proxy.get("/api/")[0] == 200


def test_what_needs_a_restart_is_told(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    changed = config_of(upstream, more="workers: 2\n").replace("'127.0.0.1:0'", "'127.0.0.1:1'")
    proxy.rewrite(changed)
    assert proxy.ask_to_reload()[1]["restart"] == [
        "workers is 2 in the file and 1 here: restart to change it",
        "admin.listen is 127.0.0.1:1 in the file and 127.0.0.1:0 here: restart to change it",
    ]
    assert "WARNING workers is 2 in the file and 1 here: restart to change it" in proxy.errors
    assert proxy.count("traceward_sample_rate", rule="api") == 100


# What stays.


def test_a_request_in_flight_ends_as_it_began(start: Start, upstream: Upstream) -> None:
    other = Upstream()
    proxy = start(config_of(upstream, more="limits: {request_body: 1KiB}\n"))
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.putrequest("GET", "/wait")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"x" * 500)
        upstream.waiting.wait(20)
        proxy.rewrite(config_of(other, more="limits: {request_body: 1B}\n"))
        proxy.hang_up()
        connection.send(b"x" * 500)
        upstream.go.set()
        response = connection.getresponse()
        assert response.status == 200
        response.read()
        connection.request("GET", "/api/", body=b"xx")
        assert connection.getresponse().status == 413
    assert proxy.get("/api/")[0] == 200
    assert (upstream.connections, other.connections) == (1, 1)
    other.stop()


def test_connections_to_an_upstream_that_did_not_change_are_kept(start: Start, upstream: Upstream) -> None:
    proxy = start(config_of(upstream))
    proxy.get("/api/")
    proxy.rewrite(config_of(upstream, more=NONE_SAMPLED))
    proxy.hang_up()
    proxy.get("/api/")
    assert upstream.connections == 1
    changed = f"upstreams: {{default: {{targets: [{upstream.url}], retries: 0}}}}"
    proxy.rewrite(config_of(upstream).replace(f"upstream: {upstream.url}", changed))
    proxy.hang_up()
    proxy.get("/api/")
    assert upstream.connections == 2
    proxy.wait(lambda: proxy.count("traceward_connections", side="upstream") == 1)


def test_totals_never_go_down_and_caps_are_not_filled_anew(start: Start, upstream: Upstream) -> None:
    capped = "tracing: {rules: [{name: api, match: /api/, sample_rate: 100, max_traces_per_second: 0.01}]}\n"
    proxy = start(config_of(upstream, more=capped))
    proxy.get("/api/")
    proxy.rewrite(config_of(upstream, more=capped + "drain_timeout: 5s\n"))
    proxy.hang_up()
    proxy.get("/api/")
    assert proxy.count("traceward_requests_total", rule="api", status="2xx", decision="sampled") == 1
    assert proxy.count("traceward_requests_total", rule="api", status="2xx", decision="not_sampled") == 1


def test_listeners_come_and_go_while_the_others_stay(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    first, second = free_port(), free_port()
    path = tmp_path / "proxy.sock"
    proxy = start(config_of(upstream, f"['127.0.0.1:{first}', 'unix:{path}']"))
    with closing(HTTPConnection("127.0.0.1", first, timeout=20)) as connection:
        connection.request("GET", "/api/")
        connection.getresponse().read()
        proxy.rewrite(config_of(upstream, f"['127.0.0.1:{second}', '127.0.0.1:{first}']"))
        proxy.hang_up()
        assert proxy.process.stdout is not None
        assert proxy.process.stdout.readline() == f"listening on http://127.0.0.1:{second}\n"
        assert get(f"http://127.0.0.1:{second}/api/")[0] == 200
        assert not path.exists()
        proxy.rewrite(config_of(upstream, f"127.0.0.1:{second}"))
        proxy.hang_up()
        assert not accepts(first)
        # Who is there may stay.
        connection.request("GET", "/api/")
        assert connection.getresponse().status == 200


def test_an_address_may_widen_to_every_interface(start: Start, upstream: Upstream) -> None:
    port = free_port()
    proxy = start(config_of(upstream, f"127.0.0.1:{port}"))
    for address in ("0.0.0.0", "127.0.0.1"):
        proxy.rewrite(config_of(upstream, f"{address}:{port}"))
        assert proxy.ask_to_reload()[0] == 200
        assert proxy.get("/api/")[0] == 200


def test_a_listener_may_change_its_scheme(start: Start, upstream: Upstream) -> None:
    port = free_port()
    proxy = start(config_of(upstream, f"127.0.0.1:{port}"))
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        for scheme in ("http", "https"):
            proxy.rewrite(config_of(upstream, f"{{address: '127.0.0.1:{port}', scheme: {scheme}}}"))
            proxy.hang_up()
            connection.request("GET", "/api/")
            assert json.load(connection.getresponse())["x-forwarded-proto"] == scheme


@pytest.mark.peer
def test_a_rotated_certificate_is_served_while_open_connections_stay(
    start: Start, upstream: Upstream, tmp_path: Path, make_certificate: Callable[[Path, str], None]
) -> None:
    make_certificate(tmp_path, "first.test")
    proxy = start(config_of(upstream, "{address: '127.0.0.1:0', tls: {cert: cert.pem, key: key.pem}}"))
    with closing(_https(proxy.port)) as connection:
        connection.request("GET", "/api/")
        connection.getresponse().read()
        before = connection.sock
        make_certificate(tmp_path, "second.test")
        proxy.wait(lambda: b"second.test" in _certificate(proxy.port))
        connection.request("GET", "/api/")
        assert connection.getresponse().status == 200
        assert connection.sock is before
    assert outcomes(proxy.errors)[0] >= 1


def _https(port: int) -> HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", port, context=context, timeout=20)


def _certificate(port: int) -> bytes:
    with closing(_https(port)) as connection:
        connection.connect()
        return connection.sock.getpeercert(binary_form=True) or b""


# Under load.


def test_no_request_fails_by_ten_signals_under_load(start: Start) -> None:
    with Load() as load:
        proxy = start(config_of(load.upstream_url))
        load.begin(proxy.port)
        for number in range(10):
            proxy.rewrite(config_of(load.upstream_url, more=NONE_SAMPLED if number % 2 else ""))
            proxy.hang_up()
        load.stop()
        assert (load.failures, load.refused) == ([], 0)
        assert load.served > 100
        counted = proxy.metrics()
        total = sum(count for (name, _), count in counted.items() if name == "traceward_requests_total")
        assert total == load.served
        assert proxy.end() == 0


def test_no_request_fails_by_a_drain_under_load(start: Start) -> None:
    with Load() as load:
        proxy = start(config_of(load.upstream_url))
        load.begin(proxy.port)
        proxy.wait(lambda: load.served > 200)
        assert proxy.end() == 0
        load.wait()
        assert load.failures == []
