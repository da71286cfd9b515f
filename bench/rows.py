"""The rows of the comparison: which proxies, set up how, and what is measured of each."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from bench.machine import BOTH_CORES, PROXY_CORE
from bench.measure import Measure, bulk, latency, memory, per_cpu_second, requests, started
from bench.peer import NGINX, NGINX_LUA, PEERS, TRACEWARD, TRACEWARD_COMPILED, Peer, Setup
from bench.requests import Kind


class Column(NamedTuple):
    """A figure of a table."""

    title: str
    digits: int


class Variant(NamedTuple):
    """A proxy in one setup."""

    label: str
    peer: Peer
    setup: Setup


class Row(NamedTuple):
    """What is measured in rounds that go from variant to variant.

    The first figure is what ratios to the first variant are of.
    """

    name: str
    title: str
    columns: Mapping[str, Column]
    variants: tuple[Variant, ...]
    measure: Measure
    #: The upstream has to read bodies wholly.
    sink: bool = False
    #: Each round starts the proxy anew.
    fresh: bool = False
    #: Unless told otherwise.
    rounds: int = 5
    cores: frozenset[int] = PROXY_CORE


REQUESTS = {
    "cpu_us": Column("CPU us/request", 1),
    "requests_per_second": Column("requests/s", 0),
    "busy": Column("busy", 2),
    "rss_mib": Column("RSS MiB", 1),
}
BULK = {
    "cpu_s_per_gib": Column("CPU s/GiB", 3),
    "mib_per_second": Column("MiB/s", 0),
    "rss_mib": Column("RSS MiB", 1),
}
LATENCY = {
    "p99_ms": Column("p99 ms", 3),
    "p50_ms": Column("p50 ms", 3),
    "asked_per_second": Column("asked/s", 0),
    "requests_per_second": Column("requests/s", 0),
}
MEMORY = {"rss_mib": Column("RSS MiB, idle", 1), "kib_per_connection": Column("+ KiB/connection", 1)}
START = {"start_s": Column("to first answer, s", 3), "rss_mib": Column("RSS MiB", 1)}
WORKERS = {
    "requests_per_cpu_second": Column("requests/CPU s", 0),
    "requests_per_second": Column("requests/s", 0),
    "processes": Column("processes", 0),
}


def _all(setup: Setup | None = None) -> tuple[Variant, ...]:
    return tuple(Variant(peer.name, peer, setup or Setup()) for peer in PEERS)


def _sampled() -> tuple[Variant, ...]:
    peers = (Variant(NGINX.name, NGINX, Setup()), Variant(NGINX_LUA.name, NGINX_LUA, Setup()))
    own = tuple(
        Variant(
            f"{peer.name}, {rate} %{', spans' if spans else ''}", peer, Setup(rate=Decimal(rate), spans=spans)
        )
        for peer in (TRACEWARD, TRACEWARD_COMPILED)
        for spans in (False, True)
        for rate in (0, 10, 100)
    )
    return peers + own


_RULES = (
    Variant("3 expressions", TRACEWARD, Setup()),
    *(
        Variant(f"{number:,} rule{'s' * (number > 1)}", TRACEWARD, Setup(rules=number))
        for number in (1, 100, 10_000)
    ),
)
_WORKERS = tuple(
    Variant(f"{number} worker{'s' * (number > 1)}", TRACEWARD, Setup(workers=number)) for number in (1, 2)
)

ROWS = (
    Row("same", "small GET, the same again and again", REQUESTS, _all(), requests(Kind.SAME)),
    Row(
        "others", "small GET, each with a URL and a field of its own", REQUESTS, _all(), requests(Kind.OTHERS)
    ),
    Row("traced", "small GET, each of those with a traceparent", REQUESTS, _all(), requests(Kind.TRACED)),
    Row(
        "sampled",
        "small GET, the same again and again, sampled, with and without spans",
        REQUESTS,
        _sampled(),
        requests(Kind.SAME),
        rounds=3,
    ),
    Row("rules", "small GET, many rules", REQUESTS, _RULES, requests(Kind.OTHERS)),
    Row("post", "POST of 16 KiB", REQUESTS, _all(), requests(Kind.POST), sink=True, rounds=3),
    Row("large", "response of 64 KiB", REQUESTS, _all(), requests(Kind.LARGE), rounds=3),
    Row("connections", "small GET, 512 connections", REQUESTS, _all(), requests(Kind.OTHERS, 512), rounds=3),
    Row(
        "tls",
        "small GET, TLS to the client",
        REQUESTS,
        _all(Setup(tls=True)),
        requests(Kind.OTHERS),
        rounds=3,
    ),
    Row("download", "256 MiB to the client", BULK, _all(), bulk("download"), rounds=3),
    Row("upload", "256 MiB to the upstream", BULK, _all(), bulk("upload"), sink=True, rounds=3),
    Row(
        "latency",
        "small GET at half of a proxy's own saturation, 8,000 a second at most",
        LATENCY,
        _all(),
        latency(),
    ),
    Row("memory", "2,000 idle connections", MEMORY, _all(), memory, fresh=True, rounds=1),
    Row("start", "start to first request served", START, _all(), started, fresh=True),
    Row(
        "workers",
        "two workers against one, on both cores, 512 connections",
        WORKERS,
        _WORKERS,
        per_cpu_second(512),
        cores=BOTH_CORES,
    ),
)
