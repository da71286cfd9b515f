"""What a request makes Python execute, held to what was recorded: ``python -m bench.count --record``."""

import json

import pytest

from bench.count import BUDGET, VERSION, count_all

SLACK = 1.1


def test_a_request_executes_no_more_than_was_recorded() -> None:
    recorded = json.loads(BUDGET.read_text())
    if VERSION not in recorded:
        pytest.skip(f"nothing is recorded for Python {VERSION}: python -m bench.count --record")
    budget, counts = recorded[VERSION], count_all()
    assert counts.keys() == budget.keys()
    over = {
        kind: (now, budget[kind])
        for kind, now in counts.items()
        if any(figure > then * SLACK for figure, then in zip(now, budget[kind], strict=True))
    }
    assert not over, f"bytecodes, function calls, C calls: now against recorded {over}"
