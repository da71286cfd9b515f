"""What a valid config means: defaults, short forms, units, and the dump that shows it again."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from proxy.config.addresses import Scheme, Target, TcpAddress, UnixAddress
from proxy.config.cors import Cors
from proxy.config.listen import ClientAuth
from proxy.config.load import LoadedConfig, load_config
from proxy.config.problem import ConfigError
from proxy.config.process import AccessLog, QueryRecording, ReadyMode
from proxy.config.schema import Config
from proxy.config.tracing import Participate, Unmatched
from proxy.config.upstream import Balance
from proxy.message.forwarding import XForwarded
from proxy.policy.cors import CorsMode
from proxy.policy.propagation import InvalidAction, Parent, UntrustedAction
from proxy.tracecontext.formats import Format

Load = Callable[..., LoadedConfig]
UPSTREAM = "upstream: http://127.0.0.1:9000\n"


@pytest.fixture
def defaults(load: Load) -> Config:
    return load(UPSTREAM).config


def test_defaults_of_the_process(defaults: Config) -> None:
    assert [str(listen.address) for listen in defaults.listen] == ["127.0.0.1:8080"]
    assert defaults.listen[0].scheme is Scheme.HTTP
    assert defaults.environment is None
    assert defaults.routes == ()
    assert (defaults.workers, defaults.worker_count) == (1, 1)
    assert defaults.drain_timeout == 25.0
    assert defaults.access_log is AccessLog.OFF
    assert defaults.records.query is QueryRecording.REDACT
    assert defaults.lint.ignore == ()


def test_defaults_of_an_upstream(defaults: Config) -> None:
    upstream = defaults.upstreams["default"]
    assert upstream.targets == (Target(Scheme.HTTP, TcpAddress("127.0.0.1", 9000)),)
    assert upstream.balance is Balance.ROUND_ROBIN
    assert upstream.health_check is None
    assert upstream.eject is not None
    assert (upstream.eject.after, upstream.eject.for_) == (5, 10.0)
    timeouts = upstream.timeouts
    assert (timeouts.connect, timeouts.response, timeouts.idle) == (2.0, 60.0, 60.0)
    pool = upstream.pool
    assert (pool.max_connections, pool.max_pending, pool.max_idle, pool.idle_timeout) == (
        1024,
        1024,
        256,
        4.0,
    )
    assert (upstream.retries, upstream.host) == (1, "preserve")
    tls = upstream.tls
    assert (tls.ca, tls.verify, tls.server_name, tls.cert, tls.key) == (None, True, None, None, None)


def test_defaults_of_a_health_check(load: Load) -> None:
    check = load("upstreams: {a: {targets: [http://b], health_check: {}}}").config.upstreams["a"].health_check
    assert check is not None
    assert (check.path, check.interval, check.timeout) == ("/healthz", 5.0, 1.0)
    assert (check.unhealthy_after, check.healthy_after) == (3, 2)


def test_defaults_of_tracing(defaults: Config) -> None:
    tracing = defaults.tracing
    assert tracing.sample_rate == 100
    assert (tracing.inject, tracing.parent) == ("sampled", Parent.FOLLOW)
    assert (tracing.invalid, tracing.untrusted) == (InvalidAction.RESTART, UntrustedAction.RESTART)
    assert tracing.trust.everyone
    assert tracing.unmatched is Unmatched.FORWARD
    assert tracing.participate is Participate.AUTO
    assert tracing.extract == tracing.propagators == (Format.TRACECONTEXT,)
    assert tracing.tracestate is not None
    assert (tracing.tracestate.key, tracing.tracestate.origin) == ("dd", "rum")
    assert (tracing.w3c_level, tracing.threshold) == (1, False)
    assert tracing.sample_by is None
    assert (tracing.max_traces_per_second, tracing.trace_url, tracing.secret) == (None, None, None)
    response = tracing.response
    assert (response.server_timing, response.traceresponse, response.trace_id_header) == (False, False, None)
    assert tracing.rules == ()


def test_defaults_of_the_rest(defaults: Config) -> None:
    cors = defaults.cors
    assert (cors.mode, cors.allow_origins, cors.max_age) == (CorsMode.AUGMENT, (), 600.0)
    assert cors.allow_methods == ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    assert (cors.allow_headers, cors.expose_headers, cors.allow_credentials) == ((), (), False)
    assert (defaults.forwarded.x_forwarded, defaults.forwarded.trusted_proxies) == (XForwarded.APPEND, ())
    limits = defaults.limits
    assert (limits.header_bytes, limits.headers, limits.request_body) == (32768, 100, None)
    assert limits.connections == 10_000
    assert (limits.header_timeout, limits.keepalive_timeout, limits.body_timeout) == (10.0, 75.0, 60.0)
    admin = defaults.admin
    assert (admin.listen, admin.token) == (TcpAddress("127.0.0.1", 9901), None)
    assert admin.ready.mode is ReadyMode.ANY
    spans = defaults.spans
    assert (spans.otlp, spans.service_name, spans.headers, spans.queue) == (None, "traceward", {}, 2048)


RATES = [
    pytest.param("", 100, id="none"),
    pytest.param("environment: development\n", 100, id="development"),
    pytest.param("environment: testing\n", 50, id="testing"),
    pytest.param("environment: production\n", 10, id="production"),
    pytest.param("environment: production\ntracing: {inject: all}\n", 10, id="with-a-section"),
    pytest.param("environment: production\ntracing: {sample_rate: 3}\n", 3, id="its-own"),
]


@pytest.mark.parametrize(("text", "rate"), RATES)
def test_the_environment_sets_the_default_rate(text: str, rate: int, load: Load) -> None:
    assert load(UPSTREAM + text).config.tracing.sample_rate == rate


LISTEN = [
    pytest.param("0.0.0.0:80", [("0.0.0.0:80", "http")], id="one"),
    pytest.param("{address: 0.0.0.0:80, scheme: https}", [("0.0.0.0:80", "https")], id="mapping"),
    pytest.param("['[::1]:80', unix:/a]", [("[::1]:80", "http"), ("unix:/a", "http")], id="list"),
    pytest.param("[a:0, a:0]", [("a:0", "http"), ("a:0", "http")], id="free-ports"),
]


@pytest.mark.parametrize(("text", "listeners"), LISTEN)
def test_listen(text: str, listeners: list[tuple[str, str]], load: Load) -> None:
    config = load(f"{UPSTREAM}listen: {text}").config
    assert [(str(listen.address), str(listen.scheme)) for listen in config.listen] == listeners


def test_upstream_is_short_for_the_default_one(load: Load) -> None:
    config = load("upstream: unix:/a.sock\nupstreams: {b: {targets: [https://c]}}").config
    assert list(config.upstreams) == ["default", "b"]
    assert config.upstreams["default"].targets == (Target(Scheme.HTTP, UnixAddress("/a.sock")),)


TRUST = [
    pytest.param("all", (True, (), False), id="all"),
    pytest.param("none", (False, (), False), id="none"),
    pytest.param("{clients: [10.0.0.0/8, unix]}", (False, ("10.0.0.0/8", "unix"), False), id="clients"),
    pytest.param("{certificates: true}", (False, (), True), id="certificates"),
]


@pytest.mark.parametrize(("text", "expected"), TRUST)
def test_trust(text: str, expected: tuple[bool, tuple[str, ...], bool], load: Load) -> None:
    trust = load(f"{UPSTREAM}tracing: {{trust: {text}}}").config.tracing.trust
    assert (trust.everyone, trust.clients, trust.certificates) == expected


READY = [
    pytest.param("any", (ReadyMode.ANY, ()), id="any"),
    pytest.param("all", (ReadyMode.ALL, ()), id="all"),
    pytest.param("[default]", (ReadyMode.NAMED, ("default",)), id="names"),
]


@pytest.mark.parametrize(("text", "expected"), READY)
def test_ready(text: str, expected: tuple[ReadyMode, tuple[str, ...]], load: Load) -> None:
    ready = load(f"{UPSTREAM}admin: {{ready: {text}}}").config.admin.ready
    assert (ready.mode, ready.upstreams) == expected


NULLS = "upstreams: {a: {targets: [http://b], health_check: null, eject: ~, tls: {cert: null}}}\n"


def test_null_switches_off(load: Load) -> None:
    config = load(NULLS + "tracing: {tracestate: null, sample_by: null}\nadmin: {listen: null}").config
    assert config.upstreams["a"].eject is None
    assert config.tracing.tracestate is None
    assert config.tracing.sample_by is None
    assert config.admin.listen is None


AS_WRITTEN = [
    pytest.param("1.10", "1.10", id="version"),
    pytest.param("0x10", "0x10", id="hexadecimal"),
    pytest.param("true", "true", id="boolean"),
    pytest.param("null", "null", id="null"),
    pytest.param("1e3", "1e3", id="float"),
    pytest.param("'007'", "007", id="quoted"),
]


@pytest.mark.parametrize(("text", "name"), AS_WRITTEN)
def test_text_is_taken_as_written(text: str, name: str, load: Load) -> None:
    rule = load(f"{UPSTREAM}tracing: {{rules: [{{match: /, name: {text}}}]}}").config.tracing.rules[0]
    assert rule.name == name


def test_off_is_a_word(load: Load) -> None:
    config = load(f"{UPSTREAM}access_log: off\ncors: {{mode: off}}\nforwarded: {{x_forwarded: off}}").config
    assert (config.access_log, config.cors.mode) == (AccessLog.OFF, CorsMode.OFF)


def test_a_variable_may_hold_a_number_in_quotes_too(load: Load) -> None:
    text = (
        UPSTREAM + 'tracing: {sample_rate: "${R:-10}", threshold: "${T}"}\nworkers: ${W}\ndrain_timeout: ${D}'
    )
    config = load(text, {"T": "true", "W": "auto", "D": "0"}).config
    assert (config.tracing.sample_rate, config.tracing.threshold) == (Decimal(10), True)
    assert (config.workers, config.drain_timeout) == ("auto", 0.0)
    assert config.worker_count >= 1


def test_an_empty_variable_in_quotes_is_no_missing_secret(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"admin\.token: is empty"):
        load(UPSTREAM + 'admin: {token: "${TOKEN}"}', {"TOKEN": ""})


ORIGINS = [
    pytest.param("https://App.Example.com:443", "https://app.example.com", id="as-browsers-write-it"),
    pytest.param("https://*.example.com:8443", "https://*.example.com:8443", id="subdomains"),
    pytest.param("capacitor://localhost", "capacitor://localhost", id="another-scheme"),
    pytest.param("http://[::1]:3000", "http://[::1]:3000", id="ipv6"),
]


@pytest.mark.parametrize(("text", "origin"), ORIGINS)
def test_origins(text: str, origin: str) -> None:
    assert Cors.model_validate({"allow_origins": [text]}).allow_origins == (origin,)


def test_plain_data_will_do() -> None:
    config = Config.model_validate(
        {
            "upstream": "http://a",
            "workers": 2,
            "limits": {"request_body": None},
            "tracing": {"sample_rate": 0.5},
        }
    )
    assert config.workers == 2
    assert config.tracing.sample_rate == Decimal("0.5")


FULL = """
environment: production
listen: [127.0.0.1:80, {address: unix:/a.sock, scheme: https}]
upstream: http://127.0.0.1:9000
upstreams:
  checkout:
    targets: ["https://[::1]:9000", unix:/b.sock]
    balance: least_requests
    health_check: {interval: 250ms}
    eject: null
    host: target
routes: [{host: Shop.example.com, path_prefix: /checkout/, upstream: checkout}]
tracing:
  sample_rate: 0.01
  trust: {clients: [10.0.0.0/8, unix], certificates: true}
  extract: [b3, tracecontext]
  tracestate: null
  sample_by: {cookie: sid}
  response: {trace_id_header: x-trace-id}
  rules:
    - {match: /a/, sample_rate: 5, response: {traceresponse: true}}
    - sample_by: trace_id
      match: {regex: a, methods: [GET], headers: {X-Tenant: acme}, function: "operator:truth"}
    - {match: /healthz, trace: false}
cors: {mode: answer, allow_origins: ["*"], max_age: 90s}
limits: {request_body: 10MiB}
admin: {listen: unix:/admin.sock, token: hush, ready: [checkout]}
spans: {otlp: http://c:4318/v1/traces, headers: {authorization: hush}}
workers: auto
lint: {ignore: [unnamed-rule]}
drain_timeout: 0
"""


def dump(config: Config) -> Mapping[str, object]:
    dumped: Mapping[str, object] = json.loads(config.model_dump_json(by_alias=True))
    return dumped


def test_a_dump_is_a_config_again(load: Load) -> None:
    dumped = dump(load(FULL).config)
    assert dump(Config.model_validate(dumped)) == dumped


def test_a_dump_is_in_the_words_of_the_config(load: Load) -> None:
    dumped = load(FULL).config.model_dump(mode="json", by_alias=True)
    assert dumped["tracing"]["rules"][0] == {
        "match": {"prefix": "/a/"},
        "sample_rate": 5,
        "response": {"traceresponse": True},
    }
    assert dumped["tracing"]["sample_rate"] == 0.01
    assert dumped["upstreams"]["checkout"]["targets"] == ["https://[::1]:9000", "unix:/b.sock"]
    assert dumped["upstreams"]["checkout"]["health_check"]["interval"] == "250ms"
    assert dumped["limits"]["request_body"] == "10MiB"
    assert dumped["admin"]["ready"] == ["checkout"]


def test_a_dump_tells_no_secrets(load: Load) -> None:
    text = FULL.replace("  sample_rate: 0.01", "  secret: hush")
    assert "hush" not in load(text).config.model_dump_json()
    assert "hush" in repr(load(text).config.admin.token)


def test_no_message_repeats_a_secret(errors: Callable[[str], list[str]]) -> None:
    text = """tracing: {secret: "hush hush"}
admin: {token: "hush\\n"}
spans: {headers: {authorization: "hush\\n"}}"""
    found = errors(text)
    assert [line.split(": ")[1] for line in found] == [
        "tracing.secret",
        "admin.token",
        "spans.headers.authorization",
    ]
    assert "hush" not in "".join(found)


def test_files_are_those_that_were_read(tmp_path: Path, certificate: tuple[str, str]) -> None:
    for name, text in (("c.pem", certificate[0]), ("k.pem", certificate[1]), ("m.py", "def f(url): ...")):
        (tmp_path / name).write_text(text)
    path = tmp_path / "config.yaml"
    path.write_text(
        UPSTREAM
        + "listen: {address: 127.0.0.1:0, tls: {cert: c.pem, key: k.pem, client_ca: c.pem}}\n"
        + "tracing: {rules: [{match: {function: 'm:f'}}]}"
    )
    loaded = load_config(path, {})
    assert loaded.files == {path, tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "m.py"}
    assert loaded.folder == tmp_path
    tls = loaded.config.listen[0].tls
    assert tls is not None
    assert (tls.cert, tls.client_auth) == (tmp_path / "c.pem", ClientAuth.REQUIRE)
    assert loaded.config.listen[0].scheme is Scheme.HTTPS


TLS = [
    pytest.param(
        "key.pem", "key.pem", "1:45: listen.tls.cert: FOLDER/key.pem has no certificate", id="no-certificate"
    ),
    pytest.param(
        "cert.pem", "cert.pem", "1:60: listen.tls.key: FOLDER/cert.pem has no private key", id="no-key"
    ),
    pytest.param(
        "cert.pem", "other.pem", "1:60: listen.tls.key: FOLDER/other.pem is not the key of", id="other-key"
    ),
    pytest.param(
        "cert.pem",
        "encrypted.pem",
        "1:60: listen.tls.key: FOLDER/encrypted.pem cannot be used: it is encrypted",
        id="encrypted-key",
    ),
    pytest.param(
        "cert.pem", "text.pem", "1:60: listen.tls.key: FOLDER/text.pem has no private key", id="text"
    ),
]


@pytest.mark.parametrize(("cert", "key", "line"), TLS)
def test_certificates_that_do_not_load(
    cert: str,
    key: str,
    line: str,
    tmp_path: Path,
    certificate: tuple[str, str],
    other_key: str,
    encrypted_key: str,
    errors: Callable[[str], list[str]],
) -> None:
    files = {"cert.pem": certificate[0], "key.pem": certificate[1], "other.pem": other_key, "text.pem": "x"}
    files["encrypted.pem"] = encrypted_key
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (found,) = errors(f"listen: {{address: 127.0.0.1:80, tls: {{cert: {cert}, key: {key}}}}}")
    assert found.startswith(line)


def test_authorities_and_an_own_certificate(
    tmp_path: Path, certificate: tuple[str, str], load: Load, errors: Callable[[str], list[str]]
) -> None:
    (tmp_path / "c.pem").write_text(certificate[0])
    (tmp_path / "k.pem").write_text(certificate[1])
    text = "upstreams: {{a: {{targets: [https://b], tls: {{cert: c.pem, key: k.pem, ca: {}}}}}}}"
    tls = load(text.format("c.pem")).config.upstreams["a"].tls
    assert (tls.cert, tls.key, tls.ca) == (tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "c.pem")
    assert errors(text.format("k.pem")) == [
        "1:74: upstreams.a.tls.ca: FOLDER/k.pem has no certificate: write a PEM file with one"
    ]


def test_every_file_of_a_listener_that_does_not_load_is_told_at_once(
    tmp_path: Path, errors: Callable[[str], list[str]]
) -> None:
    (tmp_path / "x.pem").write_text("x")
    assert errors("listen: {address: 127.0.0.1:80, tls: {cert: x.pem, key: x.pem, client_ca: x.pem}}") == [
        "1:45: listen.tls.cert: FOLDER/x.pem has no certificate: write a PEM file with one",
        "1:75: listen.tls.client_ca: FOLDER/x.pem has no certificate: write a PEM file with one",
    ]


def test_a_file_that_cannot_be_read_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "nope.yaml", {})
    assert (
        str(caught.value)
        == f"{tmp_path}/nope.yaml:1:1: cannot be read: No such file or directory: name a YAML file"
    )
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path, {})
