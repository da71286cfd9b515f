"""Config to policy: rules merged over the section, and the bytes that the core compares."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from proxy.client import Policy
from proxy.config.compile import compile_policy
from proxy.config.load import LoadedConfig
from proxy.message.forwarding import XForwarded
from proxy.policy.cors import CorsMode, CorsPolicy
from proxy.policy.propagation import (
    InvalidAction,
    Parent,
    ResponsePolicy,
    TracingPolicy,
    UntrustedAction,
)
from proxy.policy.routes import Route
from proxy.policy.sampling import SampleBy
from proxy.tracecontext.formats import Format

Compile = Callable[[str], Policy]
UPSTREAM = "upstream: http://127.0.0.1:9000\n"


def unexpected(rule: str, error: Exception) -> None:
    raise AssertionError(rule) from error


@pytest.fixture
def policy_of(load: Callable[..., LoadedConfig]) -> Compile:
    return lambda text: compile_policy(load(UPSTREAM + text).config, unexpected, secret=b"s")


def tracing_of(policy: Policy, index: int = 0) -> TracingPolicy:
    tracing = policy.rules.rules[index].tracing
    assert tracing is not None
    return tracing


SECTION = """
tracing:
  sample_rate: 7
  inject: all
  parent: cap
  invalid: strip
  untrusted: cap
  propagators: [b3]
  extract: [datadog, b3]
  tracestate: {key: tw, origin: null}
  participate: always
  w3c_level: 2
  threshold: true
  sample_by: {header: X-Session}
  trace_url: http://j/{trace_id}
  response: {server_timing: true, trace_id_header: X-Trace}
  max_traces_per_second: 100
"""


def test_the_section(policy_of: Compile) -> None:
    tracing = policy_of(SECTION + "spans: {otlp: http://c/}").tracing
    assert tracing.sampler.rate == 7
    assert tracing.sampler.by == SampleBy(header=b"x-session")
    assert (tracing.inject_all, tracing.parent, tracing.invalid) == (True, Parent.CAP, InvalidAction.STRIP)
    assert tracing.untrusted is UntrustedAction.CAP
    assert (tracing.propagators, tracing.extract) == ((Format.B3,), (Format.DATADOG, Format.B3))
    assert (tracing.member_key, tracing.member_origin) == (b"tw", None)
    assert (tracing.always_participate, tracing.w3c_level, tracing.write_threshold) == (True, 2, True)
    assert (tracing.trace_url, tracing.records_span) == ("http://j/{trace_id}", True)
    assert tracing.response == ResponsePolicy(server_timing=True, trace_id_header=b"X-Trace")


def test_a_rule_takes_what_the_section_has(policy_of: Compile) -> None:
    policy = policy_of(SECTION + "  rules: [{match: /}]")
    assert tracing_of(policy) == policy.tracing


RULE = """
  rules:
    - match: /
      sample_rate: 0.5
      inject: sampled
      parent: follow
      invalid: restart
      untrusted: restart
      propagators: [tracecontext]
      sample_by: trace_id
      max_traces_per_second: null
      response: {server_timing: false, traceresponse: true}
"""


def test_a_rule_sets_things_for_itself_back_to_defaults_too(policy_of: Compile) -> None:
    tracing = tracing_of(policy_of(SECTION + RULE))
    assert (tracing.sampler.rate, tracing.sampler.by) == (Decimal("0.5"), None)
    assert (tracing.inject_all, tracing.parent, tracing.invalid) == (
        False,
        Parent.FOLLOW,
        InvalidAction.RESTART,
    )
    assert tracing.untrusted is UntrustedAction.RESTART
    assert tracing.propagators == (Format.TRACECONTEXT,)
    assert tracing.extract == (Format.DATADOG, Format.B3)
    assert tracing.response == ResponsePolicy(traceresponse=True, trace_id_header=b"X-Trace")


def test_the_overall_cap_is_one_for_all_rules(policy_of: Compile) -> None:
    policy = policy_of(SECTION + "  rules: [{match: /a, max_traces_per_second: 5}, {match: /b}]")
    (overall,) = policy.tracing.limits
    own, shared = tracing_of(policy, 0).limits
    assert (overall.per_second, own.per_second) == (100, 5)
    assert shared is overall
    assert tracing_of(policy, 1).limits == (overall,)


def test_matches(policy_of: Compile) -> None:
    rules = policy_of("""
tracing:
  rules:
    - {match: /a, trace: false}
    - {name: b, match: {prefix: https://h/, regex: x, methods: [GET, PUT], headers: {X-T: v}}}
    - {match: {function: "operator:truth"}}
""").rules.rules
    assert [rule.name for rule in rules] == ["rule-1", "b", "rule-3"]
    assert (rules[0].match.prefix, rules[0].tracing) == ("/a", None)
    match = rules[1].match
    assert (match.prefix, match.regex) == ("https://h/", "x")
    assert (match.methods, match.headers) == (frozenset({b"GET", b"PUT"}), ((b"x-t", b"v"),))
    assert rules[2].match.function_name == "operator:truth"
    assert rules[2].match.function is not None
    assert rules[2].match.function("x") is True


def test_secrets(load: Callable[..., LoadedConfig]) -> None:
    config = load(UPSTREAM).config
    assert len(compile_policy(config, unexpected).tracing.secret) == 32
    assert (
        compile_policy(config, unexpected).tracing.secret != compile_policy(config, unexpected).tracing.secret
    )
    assert compile_policy(config, unexpected, secret=b"x").tracing.secret == b"x"
    own = load(UPSTREAM + "tracing: {secret: own}").config
    assert compile_policy(own, unexpected, secret=b"x").tracing.secret == b"own"


def test_the_rest(policy_of: Compile) -> None:
    policy = policy_of("""
upstreams: {b: {targets: [http://b]}}
routes: [{host: "Shop.example.com:8080", path_prefix: /c/, upstream: b}, {upstream: default}]
tracing: {trust: {clients: [10.0.0.0/8, unix], certificates: true}, unmatched: strip}
cors: {mode: answer, allow_origins: [https://a], allow_credentials: true, max_age: 90s}
forwarded: {x_forwarded: replace, trusted_proxies: [192.168.0.0/16]}
""")
    assert policy.routes == (Route("b", "shop.example.com:8080", "/c/"), Route("default"))
    assert policy.default_upstream == "default"
    assert policy.strip_unmatched
    assert not policy.trust.everyone
    assert policy.trust.certificates
    assert policy.trust.clients.contains("10.1.2.3")
    assert policy.trust.clients.contains("unix")
    assert policy.trusted_proxies.contains("192.168.1.1")
    assert policy.x_forwarded is XForwarded.REPLACE
    assert policy.cors == CorsPolicy(CorsMode.ANSWER, ("https://a",), allow_credentials=True, max_age=90)


def test_without_a_default_upstream_there_is_none(load: Callable[..., LoadedConfig]) -> None:
    config = load("upstreams: {b: {targets: [http://b]}}").config
    assert compile_policy(config, unexpected).default_upstream is None
