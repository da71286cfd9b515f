"""Settings that are valid, and do nothing beside the others of the same config."""

from collections.abc import Iterator
from typing import TypeAlias

from proxy.config.addresses import Scheme
from proxy.config.messages import AT_KEY
from proxy.config.problem import Location
from proxy.config.rule import RuleSettings, TracingChoices
from proxy.config.schema import DEFAULT, Config
from proxy.config.section import Section
from proxy.policy.cors import CorsMode
from proxy.policy.propagation import UntrustedAction

_Unused: TypeAlias = tuple[Location, str]


def unused_settings(config: Config) -> Iterator[_Unused]:
    """Yield the place of each setting that does nothing, and what to write instead.

    What the default says is no setting here, but in a rule, where nobody lists the defaults.
    """
    for index, rule in enumerate(config.tracing.rules):
        yield from _of_rule(config, ("tracing", "rules", index), rule)
    yield from _of_trust(config)
    yield from _of_cors(config)
    yield from _of_upstreams(config)


def _is_set(section: Section, key: str) -> bool:
    default = type(section).model_fields[key].default
    return key in section.model_fields_set and getattr(section, key) != default


def _of_rule(config: Config, here: Location, rule: RuleSettings) -> Iterator[_Unused]:
    """Give what a rule sets of tracing where it leaves requests alone, or where everybody is trusted."""
    if not rule.trace:
        message = "does nothing beside trace: false: leave it out, or write trace: true"
        for key in ("sample_rate", *TracingChoices.model_fields):
            if key in rule.model_fields_set:
                yield (*here, key), message
    elif config.tracing.trust.everyone and "untrusted" in rule.model_fields_set:
        yield (*here, "untrusted"), _ALL_TRUSTED


_ALL_TRUSTED = (
    "does nothing while everybody is trusted: write tracing.trust: none, or {clients: [10.0.0.0/8]}, "
    "or leave it out"
)


def _of_trust(config: Config) -> Iterator[_Unused]:
    tracing = config.tracing
    everyone = tracing.trust.everyone
    if everyone and _is_set(tracing, "untrusted"):
        yield ("tracing", "untrusted"), _ALL_TRUSTED
    if tracing.secret is None:
        return
    if everyone:
        yield ("tracing", "secret"), _ALL_TRUSTED
    elif not any(each.untrusted is UntrustedAction.CAP for each in (tracing, *tracing.rules)):
        message = (
            "does nothing without untrusted: cap, which alone decides by it: write that, or leave it out"
        )
        yield ("tracing", "secret"), message


def _of_cors(config: Config) -> Iterator[_Unused]:
    mode = config.cors.mode
    if mode is CorsMode.ANSWER:
        return
    for key in type(config.cors).model_fields:
        if key != "mode" and _is_set(config.cors, key):
            yield ("cors", key), f"does nothing beside mode: {mode}: write mode: answer, or leave it out"


def _of_upstreams(config: Config) -> Iterator[_Unused]:
    named = {DEFAULT, *config.admin.ready.upstreams, *(route.upstream for route in config.routes)}
    for name, upstream in config.upstreams.items():
        if name not in named:
            yield (
                ("upstreams", name, AT_KEY),
                f"gets no requests, for no route names it: write routes: [{{path_prefix: /{name}/, "
                f"upstream: {name}}}], or leave it out",
            )
        encrypted = any(target.scheme is Scheme.HTTPS for target in upstream.targets)
        if not encrypted and _is_set(upstream, "tls"):
            message = "does nothing, for no target is https://: write targets: [https://...], or leave it out"
            yield ("upstreams", name, "tls"), message
