"""What tracing costs by rule, and what sampling all of it would: estimates from what was counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy.overhead.distribution import Distribution, Estimate, subtract
from proxy.overhead.reading import Buckets, Reading, Rule
from proxy.policy.outcome import Decision, Reason
from proxy.record import NO_RULE

Json: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a rule's requests cost; times in seconds, rates in percent.

    ``actual_rate`` is of the requests that were decided by rate. ``unsampled`` counts those that a rate
    of 100 % would have sampled.
    """

    rule: str
    requests: int
    configured_rate: float | None
    actual_rate: float | None
    deciding: Distribution
    sampled: Distribution
    not_sampled: Distribution
    header_bytes: int
    started: int  # sampled by rate
    unsampled: int
    capped: bool  # max_traces_per_second kept some from being sampled

    @property
    def difference(self) -> Estimate | None:
        """How much more of the proxy's time a sampled request takes; None where that cannot be told."""
        sampled, not_sampled = self.sampled.mean(), self.not_sampled.mean()
        if sampled is None or not_sampled is None:
            return None
        return subtract(sampled, not_sampled)

    @property
    def bytes_per_trace(self) -> float | None:
        """Bytes of headers for each request that is sampled by rate."""
        return self.header_bytes / self.started if self.started else None


@dataclass(frozen=True, slots=True)
class Raise:
    """What a rate of 100 % everywhere would change, of the requests that were counted.

    ``seconds`` is how much more of the proxy's time they would take, all together; ``own_seconds`` what
    all of them take now. ``told`` of the ``more`` requests are those of rules with enough requests sampled
    and enough not; ``seconds`` and ``bytes`` are of these, and the other rules are ``unknown``.
    """

    requests: int
    more: int
    told: int
    sampled: int
    seconds: Estimate | None
    own_seconds: float
    bytes: float
    unknown: Sequence[str]
    capped: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The costs of every rule with requests, most first; ``seconds`` between two scrapes, or None."""

    version: str
    seconds: float | None
    costs: Sequence[Cost]

    def raised(self) -> Raise:
        """Estimate what sampling all that is decided by rate would change."""
        ruled = [cost for cost in self.costs if cost.configured_rate is not None]
        known = [(cost, cost.difference) for cost in ruled if cost.unsampled]
        told = [(cost, difference) for cost, difference in known if difference is not None]
        seconds = None
        if told:
            seconds = Estimate(
                math.fsum(cost.unsampled * difference.value for cost, difference in told),
                math.hypot(*(cost.unsampled * difference.error for cost, difference in told)),
            )
        return Raise(
            requests=sum(cost.requests for cost in ruled),
            more=sum(cost.unsampled for cost in ruled),
            told=sum(cost.unsampled for cost, _ in told),
            sampled=sum(cost.started for cost in ruled),
            seconds=seconds,
            own_seconds=math.fsum(cost.sampled.sum + cost.not_sampled.sum for cost in ruled),
            bytes=math.fsum(cost.unsampled * (cost.bytes_per_trace or 0.0) for cost, _ in told),
            unknown=[cost.rule for cost, difference in known if difference is None],
            capped=any(cost.capped for cost in ruled),
        )

    def to_json(self) -> Json:
        """Return all of it as JSON."""
        raised = self.raised()
        return {
            "version": self.version,
            "seconds": self.seconds,
            "rules": [_cost_json(cost) for cost in self.costs],
            "at_100_percent": {
                "requests": raised.requests,
                "sampled_now": raised.sampled,
                "more_sampled": raised.more,
                "more_seconds": _estimate_json(raised.seconds),
                "own_seconds_now": raised.own_seconds,
                "more_header_bytes": raised.bytes,
                "unknown": list(raised.unknown),
                "capped": raised.capped,
            },
        }


def make_report(reading: Reading, seconds: float | None = None) -> Report:
    """Return what a reading tells, of ``seconds`` between two scrapes or of all time since the start."""
    costs = [_cost(name, rule) for name, rule in reading.rules.items() if rule.requests]
    costs.sort(key=lambda cost: (cost.rule == NO_RULE, -cost.requests, cost.rule))
    return Report(reading.version, seconds, costs)


def _cost(name: str, rule: Rule) -> Cost:
    started = rule.decisions.get((Decision.SAMPLED, Reason.RATE), 0.0)
    unsampled = rule.decisions.get((Decision.NOT_SAMPLED, Reason.RATE), 0.0)
    decided = started + unsampled
    return Cost(
        name,
        int(rule.requests),
        rule.rate,
        100 * started / decided if decided else None,
        rule.deciding.distribution(),
        _overhead(rule, Decision.SAMPLED),
        _overhead(rule, Decision.NOT_SAMPLED),
        int(rule.header_bytes),
        int(started),
        int(unsampled),
        any(count and reason == Reason.RATE_LIMIT for (_, reason), count in rule.decisions.items()),
    )


def _overhead(rule: Rule, decision: Decision) -> Distribution:
    return rule.overhead.get(decision, Buckets()).distribution()


def _cost_json(cost: Cost) -> Json:
    return {
        "rule": cost.rule,
        "requests": cost.requests,
        "configured_rate": cost.configured_rate,
        "actual_rate": cost.actual_rate,
        "sampled_by_rate": cost.started,
        "not_sampled_by_rate": cost.unsampled,
        "decision_seconds": _distribution_json(cost.deciding),
        "overhead_seconds": {
            "sampled": _distribution_json(cost.sampled),
            "not_sampled": _distribution_json(cost.not_sampled),
            "difference": _estimate_json(cost.difference),
        },
        "header_bytes": cost.header_bytes,
        "header_bytes_per_request": cost.header_bytes / cost.requests,
    }


def _distribution_json(distribution: Distribution) -> Json:
    count = distribution.count
    mean = distribution.mean()
    return {
        "count": int(count),
        "mean": distribution.sum / count if count else None,
        "standard_error": None if mean is None else mean.error,
        "p50": distribution.quantile(0.5),
        "p99": distribution.quantile(0.99),
    }


def _estimate_json(estimate: Estimate | None) -> Json | None:
    return None if estimate is None else {"value": estimate.value, "standard_error": estimate.error}
