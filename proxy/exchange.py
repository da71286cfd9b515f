"""The life of one request in phases; pure."""

from dataclasses import dataclass

from proxy.message.forwarding import XForwarded
from proxy.policy.cors import CorsPolicy
from proxy.policy.propagation import TracingPolicy
from proxy.policy.routes import Route
from proxy.policy.rules import RuleSet
from proxy.policy.trust import Networks, TrustPolicy


@dataclass(frozen=True, slots=True)
class Policy:
    """All that decides about requests, compiled from one config; a reload swaps it whole."""

    rules: RuleSet
    tracing: TracingPolicy  # the section itself, for requests that no rule matches
    strip_unmatched: bool  # unmatched: strip
    trust: TrustPolicy
    cors: CorsPolicy
    x_forwarded: XForwarded
    trusted_proxies: Networks
    routes: tuple[Route, ...]
    default_upstream: str | None  # None: 404 where no route matches
