"""Proxies in front of one recording upstream. Each has a rule for whatever a place may be asked for."""

from collections.abc import Callable, Iterator

import pytest

from tests.conformance.harness import Live, RecordingUpstream, Running

#: Who sends X-Forwarded-For is believed by what it says: everybody else than the loopback is a stranger.
_CONFIG = """
listen: 127.0.0.1:0
upstream: http://127.0.0.1:{port}
admin: {{listen: "127.0.0.1:0"}}
forwarded: {{x_forwarded: "off", trusted_proxies: [127.0.0.1]}}
tracing:
  sample_rate: 10
  trust: {{clients: [127.0.0.1]}}
  secret: known-to-every-replica
  trace_url: https://traces.example.com/{{trace_id}}
{tracing}
  rules:
    - {{name: all, match: /all/, sample_rate: 100}}
    - {{name: nothing, match: /nothing/, sample_rate: 0}}
    - {{name: nothing-but-sent, match: /nothing-but-sent/, sample_rate: 0, inject: all}}
    - {{name: tenth, match: /tenth/, inject: all}}
    - {{name: unsent, match: /unsent/}}
    - {{name: decide, match: /decide/, parent: decide}}
    - {{name: decide-all, match: /decide-all/, parent: decide, sample_rate: 100}}
    - {{name: decide-nothing, match: /decide-nothing/, parent: decide, sample_rate: 0}}
    - {{name: cap, match: /cap/, parent: cap, untrusted: cap}}
    - {{name: strip, match: /strip/, sample_rate: 100, invalid: strip, untrusted: strip}}
    - {{name: reject, match: /reject/, sample_rate: 100, invalid: reject}}
    - {{name: forward, match: /forward/, sample_rate: 100, invalid: forward}}
    - {{name: every, match: /every/, sample_rate: 100, propagators: [tracecontext, b3, b3multi, datadog]}}
    - {{name: b3, match: /b3/, sample_rate: 100, propagators: [b3]}}
    - {{name: b3multi, match: /b3multi/, sample_rate: 100, propagators: [b3multi]}}
    - {{name: datadog, match: /datadog/, sample_rate: 100, propagators: [datadog]}}
    - {{name: limited, match: /limited/, sample_rate: 100, max_traces_per_second: 0.001}}
    - name: shown
      match: /shown/
      sample_rate: 100
      response: {{server_timing: true, traceresponse: true, trace_id_header: x-trace-id}}
    - {{name: skip, match: /skip/, trace: false}}
    - {{name: secure, match: "https://api.example.com/secure/"}}
cors: {cors}
"""

_FORMATS = """
  extract: [tracecontext, b3, b3multi, datadog]
  w3c_level: 2
  unmatched: strip
  threshold: true
"""
_ANSWER = """
  mode: answer
  allow_origins: [https://app.example.com, "https://*.shop.example.com"]
  allow_methods: [GET, POST]
  allow_headers: [content-type]
  expose_headers: [etag]
  allow_credentials: true
"""


@pytest.fixture(scope="session")
def upstream() -> Iterator[RecordingUpstream]:
    server = RecordingUpstream()
    yield server
    server.close()


@pytest.fixture(scope="session")
def make_live(
    start_proxy: Callable[[str], Running], upstream: RecordingUpstream
) -> Iterator[Callable[[str, str], Live]]:
    made: list[Live] = []

    def make(tracing: str, cors: str) -> Live:
        config = _CONFIG.format(port=upstream.port, tracing=tracing, cors=cors)
        made.append(Live(config, start_proxy(config), upstream))
        return made[-1]

    yield make
    for live in made:
        live.close()


@pytest.fixture(scope="session")
def passing(make_live: Callable[[str, str], Live]) -> Live:
    """The defaults: a context whose decision stands is passed on as it came."""
    return make_live("", "{mode: augment}")


@pytest.fixture(scope="session")
def participant(make_live: Callable[[str, str], Live]) -> Live:
    """``participate: always``."""
    return make_live("  participate: always", '{mode: "off"}')


@pytest.fixture(scope="session")
def polyglot(make_live: Callable[[str, str], Live]) -> Live:
    """Every format is read; Level 2 ids; ``ot=th``; no context without a rule; CORS answered."""
    return make_live(_FORMATS, _ANSWER)
