"""A real Prometheus over a live proxy: it counts what was sent, and every shipped expression has data."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import pytest
import yaml
from aiohttp import ClientSession, TCPConnector, web

CONFIG = Path(__file__).parents[2] / "config"
#: What is not there after so long will not come, seconds.
PATIENCE = 30.0

PROXY = """
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
workers: {workers}
access_log: errors
upstreams:
  default: {{targets: ["http://127.0.0.1:{upstream}"], health_check: {{path: /healthz, interval: 1s}}}}
  gone: {{targets: ["http://127.0.0.1:{gone}"]}}
routes:
  - {{path_prefix: /gone/, upstream: gone}}
spans: {{otlp: "http://127.0.0.1:{gone}/v1/traces"}}
tracing:
  rules:
    - {{name: all, match: /all/, sample_rate: 100}}
    - {{name: half, match: /half/, sample_rate: 50}}
    - {{name: strict, match: /strict/, invalid: reject}}
    - {{name: gone, match: /gone/, sample_rate: 10}}
    - {{name: broken, match: {{function: 'matchers:explode'}}}}
"""
MATCHERS = """
def explode(url):
    raise LookupError(url)
"""
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PREFLIGHT = {
    "Origin": "https://app.example.com",
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "traceparent",
}

#: Labels without the name, as sorted pairs, and the value.
Vector: TypeAlias = dict[tuple[tuple[str, str], ...], float]
#: Requests by rule and class of status.
Sent: TypeAlias = Counter[tuple[str, str]]


class Kind(NamedTuple):
    """A kind of request, and what it counts as."""

    path: str
    headers: dict[str, str]
    rule: str
    status: str
    method: str = "GET"


KINDS = [
    Kind("/all/1", {}, "all", "2xx"),
    Kind("/half/1", {}, "half", "2xx"),
    Kind("/half/2", {"traceparent": SAMPLED}, "half", "2xx"),
    Kind("/half/3", {"traceparent": SAMPLED.upper()}, "half", "2xx"),
    Kind("/half/missing", {}, "half", "4xx"),
    Kind("/half/cut", {}, "half", "2xx"),
    Kind("/strict/1", {"traceparent": SAMPLED[:-1]}, "strict", "4xx"),
    Kind("/gone/1", {}, "gone", "5xx"),
    Kind("/other", {}, "none", "2xx"),
    Kind("/all/1", PREFLIGHT, "all", "2xx", "OPTIONS"),
]


class RunningProxy(Protocol):
    """What the proxy's fixture gives."""

    urls: list[str]
    admin_url: str


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> Vector:
        """Return the instant vector that an expression is now; a bad one is an error that says why."""
        data = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/query", data, timeout=10) as response:
                result = json.load(response)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None
        return {_labels(each["metric"]): float(each["value"][1]) for each in result}

    def until(self, expression: str, holds: Callable[[Vector], bool]) -> Vector:
        """Ask again and again until the answer is as it should be; return it."""
        end = time.monotonic() + PATIENCE
        while not holds(answer := self.query(expression)):
            assert time.monotonic() < end, f"{expression} stays {answer}"
            time.sleep(0.05)
        return answer

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health."""
        with urllib.request.urlopen(f"{self._url}/api/v1/rules", timeout=10) as response:
            groups = json.load(response)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


def _labels(metric: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in metric.items() if name != "__name__"))


@pytest.fixture
def start_prometheus(tmp_path: Path) -> Iterator[Callable[[str, str], Prometheus]]:
    """Start Prometheus as it is shipped, but for its target and how often it is scraped."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed: apt install prometheus")
    started: list[subprocess.Popen[str]] = []

    def start(target: str, interval: str) -> Prometheus:
        _write_config(tmp_path, target, interval)
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                "--web.listen-address=127.0.0.1:0",
                "--scrape.discovery-reload-interval=100ms",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stderr is not None
        address = ""
        for line in process.stderr:
            if 'msg="Listening on"' in line:
                address = line.rstrip().rpartition("address=")[2]
            if 'msg="Server is ready' in line:
                return Prometheus(f"http://{address}")
        raise AssertionError(f"prometheus ended with status {process.wait()} before it listened")

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=20)


def _write_config(folder: Path, target: str, interval: str) -> None:
    shipped = CONFIG / "prometheus"
    config = yaml.safe_load((shipped / "prometheus.yml").read_text())
    config["global"] = {f"{what}_interval": interval for what in ("scrape", "evaluation")}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name in config["rule_files"]:
        rules = yaml.safe_load((shipped / name).read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / name).write_text(yaml.safe_dump(rules))


@asynccontextmanager
async def _serve_upstream() -> AsyncIterator[int]:
    """Serve what answers by the path, but cuts each request for /half/cut the first time; give the port."""
    cut: set[str] = set()

    async def answer(request: web.BaseRequest) -> web.Response:
        number = request.headers.get("x-number", "")
        if request.path == "/half/cut" and number not in cut:
            cut.add(number)
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=404 if request.path.endswith("/missing") else 200, text="ok")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _send(url: str, seconds: float, clients: int = 4) -> Sent:
    """Send requests of every kind for so long; return how many were answered."""
    sent: Sent = Counter()
    numbers = count()
    end = time.monotonic() + seconds

    async def work(session: ClientSession) -> None:
        while time.monotonic() < end:
            number = next(numbers)
            kind = KINDS[number % len(KINDS)]
            headers = {**kind.headers, "x-number": str(number)}
            async with session.request(kind.method, url + kind.path, headers=headers) as response:
                await response.read()
            assert f"{response.status // 100}xx" == kind.status, kind
            sent[kind.rule, kind.status] += 1

    async with ClientSession(connector=TCPConnector(limit=0)) as session, asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(work(session))
    return sent


@pytest.fixture
def gone() -> Iterator[int]:
    """A port on which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.peer
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("workers", "seconds", "interval"),
    [
        pytest.param(1, 1.5, "200ms", id="one-worker-a-moment"),
        pytest.param(1, 60, "1s", id="one-worker-a-minute", marks=pytest.mark.slow),
        pytest.param(2, 60, "1s", id="two-workers-a-minute", marks=pytest.mark.slow),
    ],
)
async def test_prometheus_counts_what_was_sent_and_has_data_for_everything(
    start_proxy: Callable[..., RunningProxy],
    start_prometheus: Callable[[str, str], Prometheus],
    tmp_path: Path,
    gone: int,
    workers: int,
    seconds: float,
    interval: str,
) -> None:
    (tmp_path / "matchers.py").write_text(MATCHERS)
    async with _serve_upstream() as upstream:
        config = PROXY.format(workers=workers, upstream=upstream, gone=gone)
        proxy = start_proxy(config, {"PYTHONPATH": str(tmp_path)})
        prometheus = start_prometheus(proxy.admin_url.removeprefix("http://"), interval)
        await asyncio.to_thread(prometheus.until, "up == 1", bool)
        sent = await _send(proxy.urls[0], seconds)
        await asyncio.to_thread(_check_counts, prometheus, sent)
        await asyncio.to_thread(_check_expressions, prometheus)


def _check_counts(prometheus: Prometheus, sent: Sent) -> None:
    """Wait until all that was sent is scraped: then every count is right, and none ever went down."""
    prometheus.until("sum(traceward_requests_total)", lambda total: total.get(()) == sent.total())
    by_rule = prometheus.query("sum by (rule, status) (traceward_requests_total)")
    assert by_rule == {(("rule", rule), ("status", status)): n for (rule, status), n in sent.items()}
    for total in (
        "sum(traceward_decisions_total)",
        "sum(traceward_contexts_total)",
        "sum(traceward_decision_seconds_count)",
    ):
        assert prometheus.query(total) == {(): sent.total()}, total
    kept = sum(n for (rule, _), n in sent.items() if rule not in ("gone", "strict"))
    assert prometheus.query("sum(traceward_overhead_seconds_count)") == {(): kept}
    named = 'label_replace({__name__=~"traceward_.+_(total|count|bucket)"}, "name", "$1", "__name__", "(.+)")'
    assert prometheus.query(f"max(resets({named}[5m:1s]))") == {(): 0}


def _check_expressions(prometheus: Prometheus) -> None:
    """Every expression of the dashboard, of the records and of the alerts is good, and has data."""
    for expression in _dashboard_expressions():
        prometheus.until(expression, bool)
    prometheus.until("job_rule:traceward_sampled_by_rate:stddev1h", bool)
    for rule in prometheus.rules():
        assert rule["health"] == "ok", rule
        prometheus.query(rule["query"])
        for name in _names(rule["query"]):
            assert prometheus.query(name), rule["name"]
        if rule["type"] == "recording":
            assert prometheus.query(rule["name"]), rule["name"]


def _dashboard_expressions() -> Iterator[str]:
    """Give the dashboard's expressions with its variables as when all is chosen."""
    dashboard = json.loads((CONFIG / "grafana" / "traceward.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "5m")
            yield re.sub(r"\$(job|instance|rule)", ".*", expression)


def _names(expression: str) -> set[str]:
    return set(re.findall(r"(?:\w+:)?traceward_[a-z_]+(?::\w+)?", expression))


def test_the_dashboard_asks_for_every_metric() -> None:
    from proxy.observability import catalog

    asked = {name for expression in _dashboard_expressions() for name in _names(expression)}
    for metric in vars(catalog).values():
        if isinstance(metric, catalog.Metric):
            assert any(name.startswith(metric.name) for name in asked), metric.name


def test_every_panel_takes_the_chosen_data_source() -> None:
    text = (CONFIG / "grafana" / "traceward.json").read_text()
    assert set(re.findall(r'"uid": "(.*?)"', text)) == {"traceward", "${datasource}"}
    panels = json.loads(text)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = Counter(
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    )
    assert max(taken.values()) == 1
