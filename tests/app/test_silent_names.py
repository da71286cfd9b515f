"""Names whose servers do not answer: they cost nobody but those who ask for them."""

from pathlib import Path

import pytest

from tests.app.conftest import Start, Upstream, status_of

#: Loaded with the config, which it patches the resolver of.
MATCHERS = """
import socket, time

_resolve = socket.getaddrinfo

def resolve(host, *arguments, **options):
    if b"silent" in (host if isinstance(host, bytes) else str(host).encode()):
        time.sleep(600)
    return _resolve(host, *arguments, **options)

socket.getaddrinfo = resolve

def matches(url):
    return True
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_silent_name_costs_no_other_upstream_and_no_drain(
    start: Start, upstream: Upstream, tmp_path: Path, workers: int
) -> None:
    (tmp_path / "matchers.py").write_text(MATCHERS)
    silent = ", ".join(f"'http://silent{number}.test'" for number in range(8))
    proxy = start(f"""
listen: 127.0.0.1:0
upstreams:
  default:
    targets: ['http://localhost:{upstream.server_port}']
    health_check: {{path: /, interval: 100ms, timeout: 5s}}
    pool: {{max_idle: 0}}
  silent:
    targets: [{silent}]
    health_check: {{path: /, interval: 100ms, timeout: 50ms, unhealthy_after: 1000}}
    timeouts: {{connect: 50ms}}
    eject: {{after: 1000, for: 10s}}
routes: [{{path_prefix: /silent/, upstream: silent}}]
tracing: {{rules: [{{name: api, match: {{function: 'matchers:matches'}}, sample_rate: 100}}]}}
admin: {{listen: 127.0.0.1:0}}
workers: {workers}
""")
    for _ in range(3):
        assert status_of(proxy.urls[0] + "/silent/") == 504
        assert proxy.get("/api/")[0] == 200
    healthy = proxy.count(
        "traceward_upstream_healthy", upstream="default", target=f"http://localhost:{upstream.server_port}"
    )
    assert healthy == 1
    assert proxy.end() == 0
