"""Config to the frozen policy that exchanges read: rules merged over the tracing section, text to bytes."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from proxy.client import Policy
from proxy.config.cors import Cors
from proxy.config.rule import Inject, MatchSettings, ResponseSettings, RuleSettings, SampleBySettings
from proxy.config.schema import DEFAULT, Config
from proxy.config.tracing import Participate, Tracing, Unmatched
from proxy.config.trust import Trust
from proxy.policy.cors import CorsPolicy
from proxy.policy.propagation import ResponsePolicy, TracingPolicy
from proxy.policy.routes import Route
from proxy.policy.rules import Match, Rule, RuleSet
from proxy.policy.sampling import SampleBy, Sampler, TraceLimit, TraceLimiter
from proxy.policy.trust import Networks, TrustPolicy

_SECRET_BYTES = 32


class Cap(NamedTuple):
    """A ``max_traces_per_second``: of the rule with this name, or of all where it is None."""

    rule: str | None
    per_second: float


def _make_limit(cap: Cap) -> TraceLimiter:
    return TraceLimit(cap.per_second)


def compile_policy(
    config: Config,
    on_matcher_error: Callable[[str, Exception], None],
    *,
    secret: bytes | None = None,
    make_limit: Callable[[Cap], TraceLimiter] = _make_limit,
) -> Policy:
    """Compile a config.

    ``on_matcher_error`` is called with a rule's name and what its function raised. ``secret`` stands
    in for ``tracing.secret: null``; without one it is made here. ``make_limit`` makes what keeps a cap.
    """
    tracing = _compile_tracing(config, _secret(config.tracing, secret), make_limit)
    rules = []
    for index, settings in enumerate(config.tracing.rules):
        name = rule_name(settings, index)
        limits = _limits(name, settings.max_traces_per_second, make_limit) + tracing.limits
        merged = _merge(settings, config.tracing, tracing, limits)
        rules.append(Rule(name, _compile_match(settings.match), merged))
    return Policy(
        rules=RuleSet(rules, on_matcher_error),
        tracing=tracing,
        strip_unmatched=config.tracing.unmatched is Unmatched.STRIP,
        trust=_compile_trust(config.tracing.trust),
        cors=_compile_cors(config.cors),
        x_forwarded=config.forwarded.x_forwarded,
        trusted_proxies=Networks.parse(config.forwarded.trusted_proxies),
        routes=tuple(Route(route.upstream, route.host, route.path_prefix) for route in config.routes),
        default_upstream=DEFAULT if DEFAULT in config.upstreams else None,
    )


def rule_name(rule: RuleSettings, index: int) -> str:
    """Return the name of the rule at ``index``, counted from 0."""
    return rule.name or f"rule-{index + 1}"


def _secret(tracing: Tracing, given: bytes | None) -> bytes:
    if tracing.secret is not None:
        return tracing.secret.encode()
    return os.urandom(_SECRET_BYTES) if given is None else given


def _compile_tracing(
    config: Config, secret: bytes, make_limit: Callable[[Cap], TraceLimiter]
) -> TracingPolicy:
    tracing = config.tracing
    member = tracing.tracestate
    return TracingPolicy(
        sampler=Sampler(tracing.sample_rate, _compile_sample_by(tracing.sample_by)),
        inject_all=tracing.inject is Inject.ALL,
        parent=tracing.parent,
        invalid=tracing.invalid,
        untrusted=tracing.untrusted,
        extract=tracing.extract,
        propagators=tracing.propagators,
        member_key=None if member is None else member.key.encode(),
        member_origin=None if member is None or member.origin is None else member.origin.encode(),
        always_participate=tracing.participate is Participate.ALWAYS,
        w3c_level=tracing.w3c_level,
        write_threshold=tracing.threshold,
        limits=_limits(None, tracing.max_traces_per_second, make_limit),
        secret=secret,
        records_span=config.spans.otlp is not None,
        response=_compile_response(tracing.response, ResponsePolicy()),
        trace_url=tracing.trace_url,
    )


def _merge(
    rule: RuleSettings, section: Tracing, base: TracingPolicy, limits: tuple[TraceLimiter, ...]
) -> TracingPolicy | None:
    """Return the section's policy with what the rule sets for itself; None where it skips requests."""
    if not rule.trace:
        return None
    given = rule.model_fields_set
    rate = base.sampler.rate if rule.sample_rate is None else rule.sample_rate
    by = _compile_sample_by(rule.sample_by) if "sample_by" in given else base.sampler.by
    return replace(
        base,
        sampler=Sampler(rate, by),
        inject_all=rule.inject is Inject.ALL if "inject" in given else base.inject_all,
        parent=rule.parent if "parent" in given else base.parent,
        invalid=rule.invalid if "invalid" in given else base.invalid,
        untrusted=rule.untrusted if "untrusted" in given else base.untrusted,
        propagators=rule.propagators if "propagators" in given else base.propagators,
        limits=limits,
        response=_compile_response(rule.response, base.response),
    )


def _limits(
    rule: str | None, per_second: float | None, make_limit: Callable[[Cap], TraceLimiter]
) -> tuple[TraceLimiter, ...]:
    return () if per_second is None else (make_limit(Cap(rule, per_second)),)


def _compile_sample_by(settings: SampleBySettings | None) -> SampleBy | None:
    if settings is None:
        return None
    if settings.header is not None:
        return SampleBy(header=settings.header.lower().encode())
    return SampleBy(cookie=None if settings.cookie is None else settings.cookie.encode())


def _compile_response(settings: ResponseSettings, base: ResponsePolicy) -> ResponsePolicy:
    given = settings.model_fields_set
    header = settings.trace_id_header
    return ResponsePolicy(
        server_timing=settings.server_timing if "server_timing" in given else base.server_timing,
        traceresponse=settings.traceresponse if "traceresponse" in given else base.traceresponse,
        trace_id_header=(
            (None if header is None else header.encode())
            if "trace_id_header" in given
            else base.trace_id_header
        ),
    )


def _compile_match(settings: MatchSettings) -> Match:
    function = settings.function
    return Match(
        prefix=settings.prefix,
        regex=settings.regex,
        function=None if function is None else function.call,
        function_name=None if function is None else function.name,
        methods=(
            None if settings.methods is None else frozenset(method.encode() for method in settings.methods)
        ),
        headers=tuple((name.lower().encode(), value.encode()) for name, value in settings.headers.items()),
    )


def _compile_trust(trust: Trust) -> TrustPolicy:
    return TrustPolicy(
        everyone=trust.everyone, clients=Networks.parse(trust.clients), certificates=trust.certificates
    )


def _compile_cors(cors: Cors) -> CorsPolicy:
    return CorsPolicy(
        mode=cors.mode,
        allow_origins=cors.allow_origins,
        allow_methods=cors.allow_methods,
        allow_headers=cors.allow_headers,
        expose_headers=cors.expose_headers,
        allow_credentials=cors.allow_credentials,
        max_age=int(cors.max_age),
    )
