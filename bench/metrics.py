"""What counting costs a request, in microseconds: ``python -m bench.metrics``.

First ``Metrics.observe`` alone; then with all else that a plain request pays for its metrics: reading
the clock five times (when its head came, was decided on, was written; when the answer came, was
written), which its timeouts need in part too, and the sums made of that. Requests are of a hundred
rules, and their times vary, so that no bucket is always the same; those sampled leave exemplars too.
"""

import gc
import random
from collections.abc import Callable
from statistics import median
from time import perf_counter as clock
from time import thread_time

from proxy.observability.metrics import Metrics
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.record import ExchangeRecord

REQUESTS = 20_000
ROUNDS = 15
RULES = 100
SHARES = (0.1, 1.0)
TRACE_ID = b"4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = TraceDecision(Decision.SAMPLED, Reason.RATE, Context.STARTED, trace_id=TRACE_ID)
NOT_SAMPLED = TraceDecision(Decision.NOT_SAMPLED, Reason.RATE, Context.NONE)


def make_records(share: float) -> list[ExchangeRecord]:
    """Return the records of 10,000 requests a second, so many sampled, with times spread as real ones are."""
    source = random.Random(0)
    records = []
    for number in range(REQUESTS):
        record = ExchangeRecord(1_795_412_355.0 + number / 10_000, "192.0.2.1")
        record.rule = f"rule-{source.randrange(RULES)}"
        record.matched = True
        record.trace = SAMPLED if source.random() < share else NOT_SAMPLED
        record.status = source.choice((200, 200, 200, 304, 404))
        record.upstream, record.target = "default", "http://127.0.0.1:9000"
        record.upstream_seconds = source.lognormvariate(-4, 1)
        record.duration = record.upstream_seconds + 0.0001
        record.overhead = source.lognormvariate(-10, 0.3)
        record.decision_seconds = source.lognormvariate(-11.4, 0.3)
        record.header_bytes = 90 if record.trace is SAMPLED else 0
        records.append(record)
    return records


def run_nothing(observe: Callable[[ExchangeRecord], None], records: list[ExchangeRecord]) -> None:
    """Go through the requests: what is not to be counted."""
    for _ in records:
        pass


def run_observe(observe: Callable[[ExchangeRecord], None], records: list[ExchangeRecord]) -> None:
    """Count the requests."""
    for record in records:
        observe(record)


def run_all(observe: Callable[[ExchangeRecord], None], records: list[ExchangeRecord]) -> None:
    """Clock the requests as the relay does, and count them."""
    for record in records:
        head_at = clock()
        record.decision_seconds = clock() - head_at
        wrote_at = clock()
        record.overhead = wrote_at - head_at - record.queue_wait - record.connect_wait
        answered_at = clock()
        record.upstream_seconds = answered_at - wrote_at
        now = clock()
        record.overhead += now - answered_at
        record.duration = now - head_at
        observe(record)


def measure(
    run: Callable[[Callable[[ExchangeRecord], None], list[ExchangeRecord]], None],
    metrics: Metrics,
    records: list[ExchangeRecord],
) -> float:
    """Return the CPU time of one request, microseconds."""
    started = thread_time()
    run(metrics.observe, records)
    return (thread_time() - started) / len(records) * 1e6


def main() -> None:
    """Print the table."""
    print(f"| {'CPU us/request':<34} | median | least |")
    print(f"|{'-' * 36}|-------:|------:|")
    gc.disable()
    for share in SHARES:
        metrics, records = Metrics(), make_records(share)
        run_observe(metrics.observe, records)
        kinds = {"nothing": run_nothing, "Metrics.observe": run_observe, "with clocks and sums": run_all}
        costs: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, run in kinds.items():
                costs[name].append(measure(run, metrics, records))
        base = median(costs.pop("nothing"))
        for name, values in costs.items():
            row = f"{name}, {share:.0%} sampled"
            print(f"| {row:<34} | {median(values) - base:>6.2f} | {min(values) - base:>5.2f} |")


if __name__ == "__main__":
    main()
