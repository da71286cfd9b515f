"""Records of exchanges, as the data plane gives them."""

from collections.abc import Callable

import pytest

from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.record import ExchangeRecord

SAMPLED = TraceDecision(Decision.SAMPLED, Reason.RATE, Context.STARTED)


@pytest.fixture
def make_record() -> Callable[..., ExchangeRecord]:
    """Make the record of a sampled request that the upstream answered, but for what is given."""

    def make(**changes: object) -> ExchangeRecord:
        record = ExchangeRecord(0.0, "127.0.0.1")
        answered: dict[str, object] = {
            "rule": "api",
            "matched": True,
            "trace": SAMPLED,
            "status": 200,
            "upstream": "default",
            "target": "http://127.0.0.1:9000",
            "duration": 0.5,
            "upstream_seconds": 0.4,
            "overhead": 0.00003,
            "decision_seconds": 0.000004,
        }
        for name, value in (answered | changes).items():
            setattr(record, name, value)
        return record

    return make
