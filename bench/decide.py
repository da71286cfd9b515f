"""What deciding about a request costs, in microseconds: ``python -m bench.decide``.

First matching alone, then all of it: from a request's head to the fields that go upstream. The URLs
vary, as real ones do: an automaton that keeps seeing one URL answers from its cache.
"""

import gc
import os
import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from proxy.client import Client, Policy
from proxy.exchange import Exchange
from proxy.message.forwarding import XForwarded
from proxy.message.head import Field, RequestHead
from proxy.message.lines import encode_lines
from proxy.policy.cors import CorsPolicy
from proxy.policy.propagation import TracingPolicy
from proxy.policy.rules import Match, Rule, RuleSet
from proxy.policy.sampling import Sampler
from proxy.policy.trust import Networks, TrustPolicy
from proxy.tracecontext.ids import IdSource

REQUESTS = 20_000
WARM_UP = 2_000
FIELDS: list[Field] = [
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Origin", b"https://app.example.com"),
    (b"Cookie", b"sid=0123456789abcdef"),
    (b"Connection", b"keep-alive"),
]


#: Returns what is to be measured of one request.
Prepare: TypeAlias = Callable[[Client, IdSource, RequestHead, str], Callable[[], object]]


class Scenario(NamedTuple):
    name: str
    matches: list[Match]
    make_authority_and_target: Callable[[random.Random], tuple[str, str]]


def few_authority_and_target(source: random.Random) -> tuple[str, str]:
    path = source.choice(["checkout", "cart", "api", "static"])
    return "api.example.com", f"/{path}/{source.getrandbits(64):x}?page={source.randrange(1000)}"


def many_authority_and_target(source: random.Random) -> tuple[str, str]:
    service = source.randrange(12_000)
    return f"api{service % 100}.example.com", f"/service-{service}/{source.getrandbits(64):x}"


def domain_authority_and_target(source: random.Random) -> tuple[str, str]:
    tenant = source.choice(["www", "api", "eu.api"])
    authority = f"{tenant}.my-api-domain{source.randrange(1_300)}.com"
    return authority, f"/v1/{source.getrandbits(64):x}/items?id={source.randrange(10**6)}"


SCENARIOS = [
    Scenario(
        "3 rules",
        [
            Match(prefix="https://api.example.com/checkout/"),
            Match(prefix="/cart/"),
            Match(prefix="https://api.example.com/api/", methods=frozenset({b"GET"})),
        ],
        few_authority_and_target,
    ),
    Scenario(
        "10,000 prefixes",
        [Match(prefix=f"https://api{i % 100}.example.com/service-{i}/") for i in range(10_000)],
        many_authority_and_target,
    ),
    Scenario(
        "1,000 expressions",
        [Match(regex=rf"https://.*\.my-api-domain{i}\.com/") for i in range(1_000)],
        domain_authority_and_target,
    ),
]


def ignore(name: str, error: Exception) -> None:
    """Nothing here has a function to fail."""


def build_policy(matches: list[Match]) -> Policy:
    tracing = TracingPolicy(Sampler(Decimal(10)))
    return Policy(
        rules=RuleSet([Rule(f"rule-{i}", match, tracing) for i, match in enumerate(matches)], ignore),
        tracing=tracing,
        strip_unmatched=False,
        trust=TrustPolicy(),
        cors=CorsPolicy(),
        x_forwarded=XForwarded.APPEND,
        trusted_proxies=Networks(),
        routes=(),
        default_upstream="default",
    )


def make_head(authority: str, target: str) -> RequestHead:
    """Return a head as it comes from the wire: its fields, and the lines that they were read from."""
    fields = [(b"Host", authority.encode()), *FIELDS]
    return RequestHead(b"GET", target.encode(), fields, lines=encode_lines(fields))


def measure(scenario: Scenario, prepare: Prepare) -> list[int]:
    """Return how long each request took, in nanoseconds, sorted."""
    policy = build_policy(scenario.matches)
    client = Client(policy, "https", "192.0.2.1")
    ids = IdSource(os.urandom)
    source = random.Random(0)
    took = []
    for _ in range(WARM_UP + REQUESTS):
        authority, target = scenario.make_authority_and_target(source)
        head = make_head(authority, target)
        run = prepare(client, ids, head, f"https://{authority}{target}")
        started = time.perf_counter_ns()
        run()
        took.append(time.perf_counter_ns() - started)
    return sorted(took[WARM_UP:])


def prepare_matching(client: Client, ids: IdSource, head: RequestHead, url: str) -> Callable[[], object]:
    target = head.target.decode()
    return lambda: client.policy.rules.match(url, target, b"GET", head)


def prepare_deciding(client: Client, ids: IdSource, head: RequestHead, url: str) -> Callable[[], object]:
    return lambda: Exchange(client, ids, 0.0).receive_request(head, 0.0)


def report(name: str, took: list[int]) -> None:
    median, p99 = took[len(took) // 2] / 1000, took[len(took) * 99 // 100] / 1000
    print(f"| {name:<32} | {median:>9.2f} | {p99:>6.2f} |")


def main() -> None:
    print(f"| {'':<32} | median us | p99 us |")
    print(f"|{'-' * 34}|{'-' * 10}:|{'-' * 7}:|")
    gc.disable()
    for scenario in SCENARIOS:
        report(f"matching, {scenario.name}", measure(scenario, prepare_matching))
        report(f"deciding, {scenario.name}", measure(scenario, prepare_deciding))


if __name__ == "__main__":
    main()
