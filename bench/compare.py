"""What Traceward costs beside nginx, nginx with Lua, HAProxy, Caddy and a plain aiohttp proxy.

Installs nothing: what is missing is left out, and that is said. The proxy that is measured has one core, load
and upstream another; rounds go from proxy to proxy, and medians are told. Linux, with two cores.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from bench.load import pacing_tool, saturating_tool
from bench.machine import BOTH_CORES, LOAD_CORE, describe
from bench.peer import TRACEWARD, Setup
from bench.results import Results
from bench.rig import allow_open_files
from bench.rows import ROWS, Row, Variant
from bench.running import Bench, Running, fetch, serve
from bench.table import markdown, text

#: How long spans may take to reach the collector, seconds.
SPANS_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit status."""
    options = parse(arguments)
    if len(BOTH_CORES) < 2:
        _say("Linux and two cores are needed: one for the proxy, one for load and upstream")
        return 1
    allow_open_files()
    os.sched_setaffinity(0, LOAD_CORE)
    rows = [row for row in ROWS if not options.only or row.name in options.only]
    results = Results()
    machine = describe()
    began = time.monotonic()
    _say(f"load: {saturating_tool()}; at a rate: {pacing_tool()}; upstream: {_upstream()}")
    with tempfile.TemporaryDirectory() as name, serve(Path(name), options.seconds) as bench:
        without = {variant.label: why for row in rows for variant, why in missing(bench, row)}
        for label, why in without.items():
            _skip(results, f"{label}: {why}")
        for row in rows:
            measure_row(bench, row, options.rounds, results, without)
            if row.name in results.rounds and not options.markdown:
                print("\n".join(text(results, row)), flush=True)
            if options.json is not None:  # after each row, so that a run may be cut short
                write(options.json, options, machine, results)
    if options.markdown:
        print("\n".join(markdown(results, rows)))
    _say(f"{time.monotonic() - began:.0f} s")
    return 0


def write(path: Path, options: argparse.Namespace, machine: dict[str, object], results: Results) -> None:
    """Write all figures of all rounds so far."""
    told = {
        "machine": machine,
        "tools": {"saturating": saturating_tool(), "pacing": pacing_tool(), "upstream": _upstream()},
        "rounds": options.rounds or {row.name: row.rounds for row in ROWS},
        "seconds": options.seconds,
        "skipped": results.skipped,
        "rows": results.as_json(ROWS),
    }
    path.write_text(json.dumps(told, indent=1) + "\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="ROW", choices=[row.name for row in ROWS], help="these rows"
    )
    parser.add_argument("--rounds", type=_positive, help="rounds of each row; left out: 5, or fewer")
    parser.add_argument("--seconds", type=_positive, default=2, help="seconds of load in each round, 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures of all rounds there")
    parser.add_argument("--markdown", action="store_true", help="print the tables of the README instead")
    return parser.parse_args(arguments)


def missing(bench: Bench, row: Row) -> Iterator[tuple[Variant, str]]:
    """Give the variants of a row that cannot run here, and why."""
    exported: bool | None = None
    for variant in row.variants:
        why = variant.peer.missing()
        if why is None and variant.setup.spans:
            exported = exports_spans(bench) if exported is None else exported
            why = None if exported else "this Traceward exports no spans"
        if why is not None:
            yield variant, why


def exports_spans(bench: Bench) -> bool:
    """Whether a span of a sampled request reaches the collector."""
    before = bench.spans_received()
    with bench.proxy(TRACEWARD, Setup(spans=True, rules=1)) as proxy:
        for _ in range(100):  # of which ten are sampled
            fetch(proxy.port)
        end = time.monotonic() + SPANS_SECONDS
        while bench.spans_received() == before:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
    return True


def measure_row(
    bench: Bench, row: Row, rounds: int | None, results: Results, without: dict[str, str]
) -> None:
    """Measure the variants of a row that are there, in turn."""
    if any(variant.setup.tls for variant in row.variants) and (why := _lacks_tls(bench)):
        _skip(results, f"{row.name}: {why}")
        return
    variants = [variant for variant in row.variants if variant.label not in without]
    with ExitStack() as stack:
        proxies: dict[Variant, Running] = {}
        for variant in [] if row.fresh else list(variants):
            with _noting_failure(results, row, variant, variants):
                proxies[variant] = stack.enter_context(_start(bench, row, variant))
        for _ in range(rounds or row.rounds):
            for variant in list(variants):
                with _noting_failure(results, row, variant, variants):
                    if row.fresh:
                        with _start(bench, row, variant) as proxy:
                            figures = row.measure(bench, proxy)
                    else:
                        figures = row.measure(bench, proxies[variant])
                    results.add(row, variant.label, figures)


def _start(bench: Bench, row: Row, variant: Variant) -> AbstractContextManager[Running]:
    return bench.proxy(variant.peer, variant.setup, sink=row.sink, cores=row.cores)


@contextmanager
def _noting_failure(results: Results, row: Row, variant: Variant, variants: list[Variant]) -> Iterator[None]:
    """Leave a variant out once it failed: what the others show is not lost by it."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        variants.remove(variant)
        _skip(results, f"{row.name}, {variant.label}: failed: {error}")


def _lacks_tls(bench: Bench) -> str | None:
    if bench.pem is None:
        return "there is no openssl here to make a certificate"
    return None if saturating_tool() == "wrk" else "there is no wrk here, and nothing else sends over TLS"


def _upstream() -> str:
    return (
        "nginx"
        if shutil.which("nginx")
        else "bench.sink, so saturation is the upstream's where a proxy is fast"
    )


def _skip(results: Results, what: str) -> None:
    results.skipped.append(what)
    _say(f"skipped: {what}")


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
