"""Warnings about configs that are valid and yet unlikely to be meant; ``lint.ignore`` silences them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

from proxy.config.addresses import Scheme
from proxy.config.compile import rule_name
from proxy.config.expressions import literal_prefix, matches_every_url, scheme_of
from proxy.config.load import LoadedConfig
from proxy.config.messages import AT_KEY
from proxy.config.problem import Location, write_path
from proxy.config.process import LintCode
from proxy.config.rule import Inject, RuleSettings
from proxy.config.schema import Config, Environment
from proxy.config.shadow import shadowed, shadowed_routes
from proxy.config.tracing import Participate
from proxy.config.unused import unused_settings
from proxy.policy.propagation import Parent

_RANGES = {
    Environment.DEVELOPMENT: (Decimal(100), Decimal(100)),
    Environment.TESTING: (Decimal(50), Decimal(80)),
    Environment.PRODUCTION: (Decimal(10), Decimal(20)),
}

_Finding: TypeAlias = tuple[LintCode, Location, str]


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One warning; ``path`` is the key as the user wrote it."""

    code: LintCode
    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {path}{self.message} [{self.code}]"


def lint(loaded: LoadedConfig) -> list[LintWarning]:
    """Return the warnings that are not ignored, sorted by place."""
    config = loaded.config
    warnings = []
    for code, location, message in _find(config):
        if code not in config.lint.ignore:
            written, place = loaded.document.locate(location, key=location[-1:] == (AT_KEY,))
            path = write_path(written)
            warnings.append(LintWarning(code, loaded.file, place.line, place.column, path, message))
    return sorted(warnings, key=lambda warning: (warning.line, warning.column))


def _find(config: Config) -> Iterator[_Finding]:
    yield from _sample_rate(config)
    for index, rule in enumerate(config.tracing.rules):
        yield from _rule(config, index, rule)
    yield from _shadowed_rules(config)
    for index, hiding in shadowed_routes(config.routes):
        message = f"is never reached, for routes[{hiding}] takes all of this: write it first, or leave it out"
        yield LintCode.SHADOWED, ("routes", index), message
    for location, message in unused_settings(config):
        yield LintCode.UNUSED_SETTINGS, location, message
    yield from _exposed(config)
    yield from _unrecorded_spans(config)
    yield from _otlp_without_path(config)
    if not config.upstreams:
        message = "there is no upstream, so every request gets 404: write upstream: http://127.0.0.1:9000"
        yield LintCode.NO_UPSTREAM, (), message


def _sample_rate(config: Config) -> Iterator[_Finding]:
    if config.environment is None:
        return
    least, most = _RANGES[config.environment]
    rate = config.tracing.sample_rate
    if not least <= rate <= most:
        usual = f"{least}" if least == most else f"{least} to {most}"
        message = (
            f"is {rate}, and in {config.environment} {usual} is usual: write that, or another environment"
        )
        yield LintCode.RATE_RANGE, ("tracing", "sample_rate"), message


def _rule(config: Config, index: int, rule: RuleSettings) -> Iterator[_Finding]:
    here: Location = ("tracing", "rules", index)
    match = rule.match
    if rule.name is None:
        name = rule_name(rule, index)
        message = f"has no name and is counted as {name}, until a rule before it changes that: write name"
        yield LintCode.UNNAMED_RULE, here, message
    if rule.trace and _matches_all(rule):
        yield LintCode.MATCHES_ALL, (*here, "match"), "matches every request: write which are to be traced"
    elif rule.trace and match.prefix is not None and _ends_inside_segment(match.prefix):
        message = (
            f"matches {match.prefix}-other too: write {match.prefix}/, if only what is beneath it is meant"
        )
        yield LintCode.PREFIX_WITHOUT_SLASH, (*here, "match", "prefix"), message
    if match.regex is not None and match.prefix is None:
        prefix = literal_prefix(match.regex)
        if prefix is not None:
            message = f"is no more than a prefix: write prefix: {prefix}"
            yield LintCode.REGEX_FOR_PREFIX, (*here, "match", "regex"), message
    for key, pattern in (("prefix", match.prefix), ("regex", match.regex)):
        yield from _unserved(config, (*here, "match", key), pattern)


def _matches_all(rule: RuleSettings) -> bool:
    match = rule.match
    if match.function is not None or match.methods is not None or match.headers:
        return False
    return match.prefix in (None, "/") and (match.regex is None or matches_every_url(match.regex))


def _ends_inside_segment(prefix: str) -> bool:
    path = prefix if prefix.startswith("/") else prefix.partition("://")[2].partition("/")[2]
    last = path.rpartition("/")[2]
    return bool(last) and not any(mark in last for mark in ".?=&")


def _unserved(config: Config, location: Location, pattern: str | None) -> Iterator[_Finding]:
    scheme = None if pattern is None else scheme_of(pattern.lower())
    if scheme is None or config.forwarded.trusted_proxies:
        return
    if any(listen.scheme == scheme for listen in config.listen):
        return
    address = config.listen[0].address
    remedy = f"write listen: {{address: {address}, scheme: {scheme}}}"
    if scheme == Scheme.HTTPS:
        remedy += " where TLS ends before the proxy, or name what ends it in forwarded.trusted_proxies"
    yield LintCode.SCHEME_UNSERVED, location, f"is for {scheme}, which no listener serves: {remedy}"


def _shadowed_rules(config: Config) -> Iterator[_Finding]:
    rules = config.tracing.rules
    for index, hiding in shadowed([rule.match for rule in rules]):
        name = rule_name(rules[hiding], hiding)
        message = (
            f"is never reached, for {name} before it matches all of this: write it first, or leave it out"
        )
        yield LintCode.SHADOWED, ("tracing", "rules", index, "match"), message


def _exposed(config: Config) -> Iterator[_Finding]:
    open_to_all = [index for index, listen in enumerate(config.listen) if not listen.address.loopback]
    if config.tracing.trust.everyone and open_to_all:
        location: Location = ("tracing", "trust")
        if "trust" not in config.tracing.model_fields_set:
            location = ("listen", open_to_all[0])
        message = "lets anybody decide what is traced: write tracing.trust: none, or {clients: [10.0.0.0/8]}"
        yield LintCode.TRUST_ALL_EXPOSED, location, message
    admin = config.admin
    if admin.listen is not None and not admin.listen.loopback and admin.token is None:
        message = "is open to others, so without a token only metrics and health are served: write token"
        yield LintCode.ADMIN_EXPOSED, ("admin", "listen"), message


def _otlp_without_path(config: Config) -> Iterator[_Finding]:
    if config.spans.otlp is None:
        return
    url = urlsplit(config.spans.otlp)
    if url.path in ("", "/"):
        instead = urlunsplit(url._replace(path="/v1/traces"))
        message = f"has no path, and collectors take spans at /v1/traces: write {instead}"
        yield LintCode.OTLP_WITHOUT_PATH, ("spans", "otlp"), message


def _unrecorded_spans(config: Config) -> Iterator[_Finding]:
    if config.spans.otlp is not None:
        yield from _unsampled_starts(config)
    elif any(rule.trace and _starts_or_changes(config, rule) for rule in config.tracing.rules):
        message = "traces start here and their first span goes nowhere: write spans: {otlp: URL}"
        written = "otlp" in config.spans.model_fields_set
        yield LintCode.NO_SPAN_RECORDED, ("spans", "otlp") if written else ("tracing", "rules"), message


def _starts_or_changes(config: Config, rule: RuleSettings) -> bool:
    """Whether an upstream may see a parent-id of the proxy's own."""
    tracing = config.tracing
    parent = rule.parent if "parent" in rule.model_fields_set else tracing.parent
    if parent is not Parent.FOLLOW or tracing.participate is Participate.ALWAYS:
        return True
    return bool(_rate(config, rule)) or _injects_all(config, rule)


def _unsampled_starts(config: Config) -> Iterator[_Finding]:
    """Give the places that have every trace which starts here sent, and none of them sampled."""
    places: dict[Location, None] = {}
    for index, rule in enumerate(config.tracing.rules):
        if rule.trace and not _rate(config, rule) and _injects_all(config, rule):
            own = "inject" in rule.model_fields_set
            places[("tracing", "rules", index, "inject") if own else ("tracing", "inject")] = None
    message = (
        "sends the traces that start here, and with sample_rate: 0 none of them has a span: "
        "write inject: sampled, or a sample_rate above 0"
    )
    yield from ((LintCode.NO_SPAN_RECORDED, place, message) for place in places)


def _rate(config: Config, rule: RuleSettings) -> Decimal:
    return config.tracing.sample_rate if rule.sample_rate is None else rule.sample_rate


def _injects_all(config: Config, rule: RuleSettings) -> bool:
    inject = rule.inject if "inject" in rule.model_fields_set else config.tracing.inject
    return inject is Inject.ALL
