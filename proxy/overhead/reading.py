"""A scrape of a proxy, and what came between two of them, by rule."""

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from proxy.overhead.distribution import Distribution
from proxy.record import NO_RULE

#: How long a proxy may take to answer, seconds.
TIMEOUT = 30.0
#: The longest scrape, bytes: that of tens of thousands of rules.
LARGEST = 512 * 1024 * 1024

_SCHEME = re.compile(r"https?://", re.IGNORECASE)


class Unreadable(Exception):
    """There is no scrape, or it is of no proxy, or nothing can be told from it."""


@dataclass(slots=True)
class Buckets:
    """A histogram as scraped: cumulated counts by upper bound."""

    counts: dict[float, float] = field(default_factory=dict)
    sum: float = 0.0

    def distribution(self) -> Distribution:
        """Return the counts of each bucket alone."""
        bounds = sorted(self.counts)
        cumulated = [self.counts[bound] for bound in bounds]
        alone = [count - before for count, before in zip(cumulated, [0.0, *cumulated], strict=False)]
        return Distribution(bounds[:-1], alone or [0.0], self.sum)


@dataclass(slots=True)
class Rule:
    """What was counted for a rule; ``rate`` is in percent, None for requests that no rule matched."""

    rate: float | None = None
    requests: float = 0.0
    header_bytes: float = 0.0
    decisions: dict[tuple[str, str], float] = field(default_factory=dict)  # by decision and reason
    deciding: Buckets = field(default_factory=Buckets)
    overhead: dict[str, Buckets] = field(default_factory=dict)  # by decision


@dataclass(frozen=True, slots=True)
class Reading:
    """What a proxy counted, by the names of its rules."""

    version: str
    rules: Mapping[str, Rule]

    @property
    def requests(self) -> float:
        """How many requests there were."""
        return sum(rule.requests for rule in self.rules.values())


def check_url(url: str) -> str:
    """Return the URL to fetch; raises ValueError where it cannot be one.

    A proxy's admin address alone is completed.
    """
    example = "http://127.0.0.1:9901/metrics"
    if _SCHEME.match(url) is None:
        raise ValueError(f"{url!r} is not the URL of metrics: write one such as {example}")
    parts = urlsplit(url)
    try:
        known = parts.hostname is not None and parts.port != 0
    except ValueError:
        known = False
    if not known or any(character.isspace() for character in url):
        raise ValueError(f"{url!r} names no host and port: write a URL such as {example}")
    if parts.path in ("", "/") and not parts.query:
        return f"{parts.scheme}://{parts.netloc}/metrics"
    return url


def fetch(url: str) -> str:
    """Return the text of a scrape; ``-`` is standard input.

    Raises:
        Unreadable: nobody answers there, or not with metrics.
    """
    if url == "-":
        return sys.stdin.read(LARGEST)
    request = urllib.request.Request(url, headers={"Accept": "text/plain; version=0.0.4"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            body: bytes = response.read(LARGEST)
    except urllib.error.HTTPError as error:
        with error:
            raise Unreadable(f"{url} answers {error.code} {error.reason}: is that the admin port?") from None
    except urllib.error.URLError as error:
        raise Unreadable(f"{url} cannot be reached: {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unreadable(f"{url} cannot be read: {str(error) or type(error).__name__}") from None
    return body.decode("utf-8", "replace")


def read(text: str, source: str) -> Reading:
    """Read a scrape.

    Raises:
        Unreadable: it is no text of Prometheus' format, or not that of this proxy.
    """
    rules: dict[str, Rule] = {}
    version = None
    try:
        for name, labels, value in _samples(text):
            if name == "traceward_build_info":
                version = labels.get("version", "")
            elif "rule" in labels:
                _add(rules.setdefault(labels["rule"], Rule()), name, labels, value)
    except (ValueError, KeyError, IndexError) as error:
        raise Unreadable(f"{source} is not a scrape in Prometheus' text format: {error}") from None
    if version is None:
        raise Unreadable(
            f"{source} has no traceward_build_info, so it is not the metrics of Traceward: is it another's?"
        )
    return Reading(version, rules)


def between(before: Reading, after: Reading) -> Reading:
    """Return what came between two readings of one proxy.

    Raises:
        Unreadable: a count went down, so the proxy was started again meanwhile.
    """
    nothing = Rule()
    return Reading(
        after.version,
        {name: _subtract(rule, before.rules.get(name, nothing)) for name, rule in after.rules.items()},
    )


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _add(rule: Rule, name: str, labels: Mapping[str, str], value: float) -> None:
    match name:
        case "traceward_requests_total":
            rule.requests += value
        case "traceward_decisions_total":
            rule.decisions[labels["decision"], labels["reason"]] = value
        case "traceward_header_bytes_total":
            rule.header_bytes = value
        case "traceward_sample_rate":
            if labels["rule"] != NO_RULE:
                rule.rate = value
        case "traceward_decision_seconds_bucket":
            rule.deciding.counts[float(labels["le"])] = value
        case "traceward_decision_seconds_sum":
            rule.deciding.sum = value
        case "traceward_overhead_seconds_bucket":
            rule.overhead.setdefault(labels["decision"], Buckets()).counts[float(labels["le"])] = value
        case "traceward_overhead_seconds_sum":
            rule.overhead.setdefault(labels["decision"], Buckets()).sum = value


def _subtract(after: Rule, before: Rule) -> Rule:
    return Rule(
        after.rate,
        _less(after.requests, before.requests),
        _less(after.header_bytes, before.header_bytes),
        {key: _less(count, before.decisions.get(key, 0.0)) for key, count in after.decisions.items()},
        _less_buckets(after.deciding, before.deciding),
        {
            decision: _less_buckets(buckets, before.overhead.get(decision, Buckets()))
            for decision, buckets in after.overhead.items()
        },
    )


def _less_buckets(after: Buckets, before: Buckets) -> Buckets:
    counts = {bound: _less(count, before.counts.get(bound, 0.0)) for bound, count in after.counts.items()}
    return Buckets(counts, after.sum - before.sum)


def _less(after: float, before: float) -> float:
    if after < before:
        raise Unreadable("the proxy was started again between the two scrapes: ask once more")
    return after - before
