"""What is measured of a proxy in one round: each function returns figures by their names."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeAlias

from bench.load import pace, saturate, transfer
from bench.machine import cpu_seconds, family, resident
from bench.requests import Kind
from bench.running import SIZES, Bench, Running, fetch

Figures: TypeAlias = dict[str, float]
Measure: TypeAlias = Callable[[Bench, Running], Figures]

GIB = 2**30
MIB = 2**20
KIB = 2**10
#: More requests a second would be the load's own latency: it shares a core with the upstream.
MOST_PACED = 8000
#: Connections that load at a rate is spread over.
PACED_CONNECTIONS = 64
IDLE_CONNECTIONS = 2000
#: How long a proxy that was just used is left alone before its memory is read, seconds.
SETTLE_SECONDS = 1.0

_REQUEST = b"GET /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n"


def requests(kind: Kind, connections: int = 16) -> Measure:
    """Return what measures requests of a kind, as many as the proxy answers."""

    def measure(bench: Bench, proxy: Running) -> Figures:
        with cpu_of(proxy) as cpu:
            answered = saturate(
                proxy, kind, seconds=bench.seconds, connections=connections, folder=bench.folder
            )
        return {
            "cpu_us": cpu() / answered.requests * 1e6,
            "requests_per_second": answered.requests / answered.seconds,
            "busy": cpu() / answered.seconds,
            "rss_mib": resident(proxy.pid) / MIB,
        }

    return measure


def latency() -> Measure:
    """Return what measures latency at half of saturation, which it measures first, once for each proxy.

    At most at ``MOST_PACED``.
    """
    saturations: dict[int, float] = {}

    def measure(bench: Bench, proxy: Running) -> Figures:
        if proxy.pid not in saturations:
            most = saturate(
                proxy,
                Kind.OTHERS,
                seconds=bench.seconds,
                connections=PACED_CONNECTIONS,
                folder=bench.folder,
            )
            saturations[proxy.pid] = most.requests / most.seconds
        asked = min(saturations[proxy.pid] / 2, MOST_PACED)
        found = pace(
            proxy,
            Kind.OTHERS,
            rate=asked,
            seconds=bench.seconds,
            connections=PACED_CONNECTIONS,
            folder=bench.folder,
        )
        return {
            "p50_ms": found.p50 * 1e3,
            "p99_ms": found.p99 * 1e3,
            "asked_per_second": asked,
            "requests_per_second": found.rate,
        }

    return measure


def bulk(direction: str) -> Measure:
    """Return what measures bodies of 256 MiB, one after another."""

    def measure(bench: Bench, proxy: Running) -> Figures:
        began = time.perf_counter()
        with cpu_of(proxy) as cpu:
            size = transfer(proxy, direction, size=SIZES[-1], seconds=bench.seconds)
        seconds = time.perf_counter() - began
        return {
            "cpu_s_per_gib": cpu() / (size / GIB),
            "mib_per_second": size / MIB / seconds,
            "rss_mib": resident(proxy.pid) / MIB,
        }

    return measure


def memory(bench: Bench, proxy: Running) -> Figures:
    """Measure memory after the first requests, and what idle connections add that each made one."""
    fetch(proxy.port)
    time.sleep(SETTLE_SECONDS)
    idle = resident(proxy.pid)
    with ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=10))
            sock.sendall(_REQUEST)
            if not sock.recv(65_536).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("a request failed")
        time.sleep(SETTLE_SECONDS)
        held = resident(proxy.pid)
    return {"rss_mib": idle / MIB, "kib_per_connection": (held - idle) / KIB / IDLE_CONNECTIONS}


def started(bench: Bench, proxy: Running) -> Figures:
    """Say how long it took to the first answer."""
    return {"start_s": proxy.started_in, "rss_mib": resident(proxy.pid) / MIB}


def per_cpu_second(connections: int) -> Measure:
    """Return what measures requests for each CPU second of all processes, whatever their number."""

    def measure(bench: Bench, proxy: Running) -> Figures:
        with cpu_of(proxy) as cpu:
            answered = saturate(
                proxy, Kind.OTHERS, seconds=bench.seconds, connections=connections, folder=bench.folder
            )
        return {
            "requests_per_cpu_second": answered.requests / cpu(),
            "requests_per_second": answered.requests / answered.seconds,
            "processes": len(list(family(proxy.pid))),
        }

    return measure


@contextmanager
def cpu_of(proxy: Running) -> Iterator[Callable[[], float]]:
    """Give a function that says what CPU time the proxy took within the block, seconds."""
    took = 0.0
    before = cpu_seconds(proxy.pid)
    yield lambda: took
    took = cpu_seconds(proxy.pid) - before
