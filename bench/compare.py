"""What proxying a small request costs, in CPU microseconds beside nginx: ``python -m bench.compare``.

nginx (one worker, setting traceparent and tracestate) and Traceward (three rules, 10 % sampled) are
pinned to one core in turn, load (wrk) and the upstream (nginx) to another. Rounds are interleaved,
medians are printed, and the ratio. Needs nginx and wrk, and two cores.

Three kinds of load: the same request and answer again and again; each request with a URL and a field
of its own, and each answer too; and such requests with a traceparent.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.rig import cpu_seconds

ROUNDS = 7
SECONDS = 2
CONNECTIONS = 16
PROXY_CORE, LOAD_CORE = "0", "1"
UPSTREAM_PORT, NGINX_PORT, TRACEWARD_PORT = 19_000, 19_001, 19_002
HEADERS = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
    "Accept: application/json",
    "Accept-Language: en",
    "Accept-Encoding: gzip, br",
    "Origin: https://shop.example.com",
    "Referer: https://shop.example.com/cart",
    "Cookie: sid=abc",
]
#: What a request has of its own, in wrk's Lua.
OWN = """
local n, of = 0, wrk.headers
function request()
  n = n + 1
  of["X-Request-Id"] = string.format("%016x", n)
  {more}
  return wrk.format("GET", "/api/orders/" .. n)
end
"""
TRACEPARENT = """of["traceparent"] = string.format("00-%016x%016x-%016x-01", n * 40503, n * 2654435761, n)"""
LOADS = {"the same": "", "others": OWN.format(more=""), "traced": OWN.format(more=TRACEPARENT)}
BODY = (
    '{"id": 12345, "name": "abcdefghijklmnopqrstuvwxyz", "items": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], '
    '"total": 99.5, "currency": "EUR", "note": "hello"}'
)

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {content}
}}
"""
UPSTREAM = """server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{body}'; }}
    location /api/orders/ {{ default_type application/json; add_header X-Request-Id $request_id;
      return 200 '{body}'; }} }}"""
PROXY = """upstream api {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://api; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_set_header traceparent "00-$request_id-0102030405060708-01";
    proxy_set_header tracestate "dd=s:1;o:rum"; }} }}"""
TRACEWARD = """
listen: 127.0.0.1:{port}
upstream: http://127.0.0.1:{upstream}
admin: {{listen: null}}
tracing:
  sample_rate: 10
  rules:
    - {{name: checkout, match: /checkout/, sample_rate: 100}}
    - {{name: partners, match: {{regex: 'https?://.*\\.example\\.com/'}}}}
    - {{name: all, match: /}}
"""


def main() -> int:
    """Print the table; return the exit status."""
    for tool in ("nginx", "wrk", "taskset"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed: nothing to compare", file=sys.stderr)
            return 1
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as processes:
        scripts = {kind: write_script(Path(name), kind) for kind in LOADS}
        costs: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for kind, script in scripts.items():
                for proxy, (process, port) in processes.items():
                    costs.setdefault((kind, proxy), []).append(measure(process, port, script))
    print(f"{'requests':<10} {'':<10} {'CPU us/request':>15} {'least':>8} {'most':>8} {'x nginx':>8}")
    for (kind, proxy), values in costs.items():
        middle, nginx = median(values), median(costs[kind, "nginx"])
        print(
            f"{kind:<10} {proxy:<10} {middle:>15.1f} {min(values):>8.1f} {max(values):>8.1f}"
            f" {middle / nginx:>8.2f}"
        )
    return 0


def write_script(folder: Path, kind: str) -> Path:
    """Return the script of a kind of load."""
    path = folder / f"{kind}.lua"
    path.write_text(LOADS[kind])
    return path


@contextmanager
def serve(folder: Path) -> Iterator[dict[str, tuple[int, int]]]:
    """Run the upstream and both proxies; give the process and the port of each proxy."""
    upstream = UPSTREAM.format(port=UPSTREAM_PORT, body=BODY)
    proxy = PROXY.format(port=NGINX_PORT, upstream=UPSTREAM_PORT)
    config = folder / "traceward.yaml"
    config.write_text(TRACEWARD.format(port=TRACEWARD_PORT, upstream=UPSTREAM_PORT))
    started = [
        pinned(LOAD_CORE, nginx_command(folder / "upstream", upstream)),
        pinned(PROXY_CORE, nginx_command(folder / "nginx", proxy)),
        pinned(PROXY_CORE, [sys.executable, "-m", "proxy", "run", "-c", str(config)]),
    ]
    try:
        for port in (UPSTREAM_PORT, NGINX_PORT, TRACEWARD_PORT):
            wait_until(lambda port=port: load(port, None, seconds=1, connections=1) > 0)  # type: ignore[misc]
        yield {"nginx": (child_of(started[1].pid), NGINX_PORT), "traceward": (started[2].pid, TRACEWARD_PORT)}
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(timeout=30)


def pinned(core: str, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command on one core."""
    return subprocess.Popen(["taskset", "-c", core, *command], stdout=subprocess.DEVNULL)


def nginx_command(folder: Path, content: str) -> list[str]:
    """Return the command of an nginx with a folder of its own."""
    folder.mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, content=content))
    return ["nginx", "-e", str(folder / "error"), "-c", str(folder / "nginx.conf")]


def child_of(pid: int) -> int:
    """Return nginx's worker."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def measure(pid: int, port: int, script: Path) -> float:
    """Return the CPU microseconds that a proxy took for each request of one round."""
    before = cpu_seconds(pid)
    requests = load(port, script, seconds=SECONDS, connections=CONNECTIONS)
    return (cpu_seconds(pid) - before) / requests * 1e6


def load(port: int, script: Path | None, *, seconds: int, connections: int) -> int:
    """Send requests for so long; return how many were answered, 0 where nobody listens."""
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}"]
    for header in HEADERS:
        command += ["-H", header]
    if script is not None:
        command += ["-s", str(script)]
    answer = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/api/orders"], capture_output=True, text=True, check=False
    )
    if "Non-2xx" in answer.stdout or "Socket errors" in answer.stdout:
        raise RuntimeError(f"requests failed:\n{answer.stdout}")
    found = re.search(r"(\d+) requests in", answer.stdout)
    return int(found[1]) if found else 0


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for servers to start, ten seconds at most."""
    end = time.monotonic() + 10
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("a server did not start")


if __name__ == "__main__":
    sys.exit(main())
