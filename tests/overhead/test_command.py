"""``traceward overhead``: where it asks, what it prints, and its exit status."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import NamedTuple, Protocol

import pytest

from proxy.cli import main
from proxy.overhead.command import ask
from proxy.overhead.reading import Unreadable, check_url

MakeScrape = Callable[..., str]


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def overhead(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command."""

    def run(*arguments: str) -> Ended:
        try:
            status = main(["overhead", *arguments])
        except SystemExit as ended:
            assert isinstance(ended.code, int)
            status = ended.code
        return Ended(status, *capsys.readouterr())

    return run


class Server(ThreadingHTTPServer):
    """Answers each GET with the next of its scrapes, and the last one from then on."""

    daemon_threads = True

    def __init__(self, status: int, scrapes: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = status
        self.scrapes = list(scrapes)
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        scrapes = self.server.scrapes
        body = (scrapes.pop(0) if len(scrapes) > 1 else scrapes[0]).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Serve scrapes one after the other."""
    started: list[tuple[Server, threading.Thread]] = []

    def serve(*scrapes: str, status: int = 200) -> Server:
        server = Server(status, scrapes)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        started.append((server, thread))
        return server

    yield serve
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("path", ["", "/", "/metrics"])
def test_a_proxys_metrics_are_told(
    overhead: Callable[..., Ended], serve: Callable[..., Server], make_scrape: MakeScrape, path: str
) -> None:
    server = serve(make_scrape())
    status, out, err = overhead(server.url + path)
    assert (status, err, server.paths) == (0, "", ["/metrics"])
    assert "api      1,000" in out
    assert "With every rate at 100 %" in out


def test_json_is_one_object(
    overhead: Callable[..., Ended], serve: Callable[..., Server], make_scrape: MakeScrape
) -> None:
    status, out, _ = overhead(serve(make_scrape()).url, "--json")
    assert status == 0
    assert json.loads(out)["rules"][0]["rule"] == "api"


def test_with_for_what_came_in_between_is_told(
    overhead: Callable[..., Ended], serve: Callable[..., Server], make_scrape: MakeScrape
) -> None:
    server = serve(make_scrape(), make_scrape(sampled=150, not_sampled=1350))
    status, out, _ = overhead(server.url, "--for", "10ms", "--json")
    told = json.loads(out)
    assert (status, told["rules"][0]["requests"], len(told["rules"])) == (0, 500, 1)
    assert told["seconds"] >= 0.01


def test_a_scrape_is_read_from_standard_input(
    overhead: Callable[..., Ended], make_scrape: MakeScrape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(make_scrape()))
    status, out, _ = overhead("-")
    assert (status, "api      1,000" in out) == (0, True)


IDLE = 'traceward_build_info{version="0.1.0",python="3.11.7"} 1\n'
FAILURES = [
    pytest.param(["<html></html>\n"], 200, "is not a scrape in Prometheus' text format", id="a-page"),
    pytest.param(["node_load1 1\n"], 200, "is not the metrics of Traceward", id="another-exporter"),
    pytest.param(["{}"], 404, "answers 404 Not Found: is that the admin port?", id="not-found"),
    pytest.param(["no\n"], 503, "answers 503 Service Unavailable", id="unavailable"),
    pytest.param([IDLE], 200, "has counted no request yet", id="no-data"),
]


@pytest.mark.parametrize(("scrapes", "status", "said"), FAILURES)
def test_what_cannot_be_told_is_a_failure(
    overhead: Callable[..., Ended], serve: Callable[..., Server], scrapes: list[str], status: int, said: str
) -> None:
    server = serve(*scrapes, status=status)
    ended = overhead(server.url)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith(f"traceward: {server.url}/metrics ")
    assert said in ended.err


def test_a_quiet_while_is_a_failure(
    overhead: Callable[..., Ended], serve: Callable[..., Server], make_scrape: MakeScrape
) -> None:
    ended = overhead(serve(make_scrape()).url, "--for", "1ms")
    assert ended.status == 1
    assert "no request in 0.001 s: wait longer" in ended.err


def test_a_proxy_that_is_not_there_is_a_failure(overhead: Callable[..., Ended]) -> None:
    # Nobody serves metrics on port 1.
    ended = overhead("http://127.0.0.1:1/metrics")
    assert ended.status == 1
    assert "http://127.0.0.1:1/metrics cannot be reached: " in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["127.0.0.1:9901"], id="no-scheme"),
        pytest.param(["metrics.txt"], id="a-file"),
        pytest.param(["http://"], id="no-host"),
        pytest.param(["http://127.0.0.1:x/"], id="no-port"),
        pytest.param(["http://127.0.0.1:99999/"], id="too-high-a-port"),
        pytest.param(["http://[::1/"], id="half-an-address"),
        pytest.param(["http://a b/"], id="a-space"),
        pytest.param(["ftp://127.0.0.1/metrics"], id="another-scheme"),
        pytest.param(["-", "--for", "1s"], id="standard-input-twice"),
        pytest.param(["http://127.0.0.1:9901", "--for", "30"], id="no-unit"),
        pytest.param(["http://127.0.0.1:9901", "--for", "0s"], id="no-time"),
        pytest.param(["http://127.0.0.1:9901", "--for", "48h"], id="days"),
        pytest.param([], id="nothing"),
    ],
)
def test_what_is_no_question_is_told(overhead: Callable[..., Ended], arguments: list[str]) -> None:
    ended = overhead(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        ("http://127.0.0.1:9901", "http://127.0.0.1:9901/metrics"),
        ("HTTPS://[::1]:9901/", "https://[::1]:9901/metrics"),
        ("http://proxy.test/traceward/metrics?a=b", "http://proxy.test/traceward/metrics?a=b"),
    ],
)
def test_an_admin_address_alone_is_completed(url: str, fetched: str) -> None:
    assert check_url(url) == fetched


def test_the_time_between_two_scrapes_is_what_passed(make_scrape: MakeScrape) -> None:
    scrapes = iter([make_scrape(), make_scrape(sampled=200)])
    times = iter([100.0, 132.0])
    report = ask("x", 30.0, fetch=lambda url: next(scrapes), wait=lambda _: None, clock=lambda: next(times))
    assert report.seconds == 32.0


def test_a_read_that_breaks_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(request: object, timeout: float) -> object:
        raise ConnectionResetError("Connection reset by peer")

    monkeypatch.setattr("urllib.request.urlopen", break_off)
    with pytest.raises(Unreadable, match="cannot be read: Connection reset by peer"):
        ask("http://127.0.0.1:9901/metrics", None)


class RunningProxy(Protocol):
    """What the proxy's fixture gives."""

    port: int
    admin_url: str


LIVE = """
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
upstream: {upstream}
tracing:
  rules:
    - {{name: half, match: /half/, sample_rate: 50}}
    - {{name: all, match: /all/, sample_rate: 100}}
"""


def test_a_running_proxy_is_told(
    overhead: Callable[..., Ended], serve: Callable[..., Server], start_proxy: Callable[..., RunningProxy]
) -> None:
    proxy = start_proxy(LIVE.format(upstream=serve("hello").url))
    assert overhead(proxy.admin_url).status == 1
    client = HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    for number in range(250):
        client.request("GET", "/all/" if number % 5 == 0 else "/half/")
        assert client.getresponse().read() == b"hello"
    client.close()
    status, out, err = overhead(proxy.admin_url, "--json")
    assert (status, err) == (0, "")
    half, everything = json.loads(out)["rules"]
    assert (half["rule"], half["requests"], half["configured_rate"]) == ("half", 200, 50.0)
    assert half["sampled_by_rate"] + half["not_sampled_by_rate"] == 200
    assert half["actual_rate"] == half["sampled_by_rate"] / 2
    times = half["overhead_seconds"]
    assert times["sampled"]["count"] == half["sampled_by_rate"]
    assert 0 < times["not_sampled"]["p50"] <= times["not_sampled"]["p99"] < 1
    # traceparent: 69 bytes with its line end, tracestate: 27.
    assert half["header_bytes"] == half["sampled_by_rate"] * (len(TRACEPARENT) + len(TRACESTATE))
    assert (everything["rule"], everything["actual_rate"]) == ("all", 100.0)
    assert everything["overhead_seconds"]["difference"] is None


TRACEPARENT = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
TRACESTATE = "tracestate: dd=s:1;o:rum\r\n"
