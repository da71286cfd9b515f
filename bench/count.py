"""What Python executes for one decision and one proxied request: ``python -m bench.count``.

Bytecodes, calls of Python functions and calls of C functions. They do not depend on the machine, its
load or the time of day, so a test holds them to a budget; ``--record`` writes a new one.
"""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from bench.decide import SCENARIOS, build_policy, make_head, prepare_deciding
from bench.in_process import KINDS, Rig, request_and_answer
from proxy.client import Client
from proxy.tracecontext.ids import IdSource

#: Bytecodes differ from one version of Python to the next.
VERSION = "{}.{}".format(*sys.version_info)
BUDGET = Path(__file__).with_name("budget.json")
WARM_UP = 200
COUNTED = 100


#: Bytecodes, calls of Python functions, calls of C functions.
Counts: TypeAlias = tuple[int, int, int]


def main() -> int:
    """Print the counts; return the exit status."""
    counts = count_all()
    print(f"{'':<10} {'bytecodes':>10} {'functions':>10} {'C calls':>10}")
    for kind, (bytecodes, functions, calls) in counts.items():
        print(f"{kind:<10} {bytecodes:>10} {functions:>10} {calls:>10}")
    if "--record" in sys.argv:
        budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
        budget[VERSION] = counts
        BUDGET.write_text(json.dumps(budget, indent=1) + "\n")
    return 0


def count_all() -> dict[str, Counts]:
    """Return the median counts of a decision, with three rules, and of a proxied request of each kind."""
    return {"deciding": _median(_decisions()), **{kind: _median(_exchanges(kind)) for kind in KINDS}}


def _decisions() -> Iterator[Callable[[], object]]:
    scenario = SCENARIOS[0]
    client = Client(build_policy(scenario.matches), "https", "192.0.2.1")
    ids, source = IdSource(os.urandom), random.Random(0)
    while True:
        authority, target = scenario.make_authority_and_target(source)
        head = make_head(authority, target)
        yield prepare_deciding(client, ids, head, f"https://{authority}{target}")


def _exchanges(kind: str) -> Iterator[Callable[[], object]]:
    rig = Rig()
    for number in count():
        assert rig.answered == number
        yield partial(rig.exchange, *request_and_answer(kind, number))


def _median(runs: Iterator[Callable[[], object]]) -> Counts:
    for run in islice(runs, WARM_UP):
        run()
    counts = []
    for run in islice(runs, COUNTED):
        with counting() as counter:
            run()
        counts.append((counter["opcode"], counter["call"], counter["c_call"]))
    middle = [sorted(column)[COUNTED // 2] for column in zip(*counts, strict=True)]
    return middle[0], middle[1], middle[2]


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count what this thread executes."""
    counter: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        counter[event] += 1
        return trace

    def profile(frame: FrameType, event: str, arg: object) -> None:
        if event == "c_call":
            counter[event] += 1

    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        yield counter
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])


if __name__ == "__main__":
    sys.exit(main())
