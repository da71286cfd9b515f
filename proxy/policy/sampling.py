"""Sampling by rate: R, the 56 right-most bits of the trace-id, against a threshold T.

A trace is sampled when R >= T, T = (1 - rate/100) * 2**56 to the nearest integer, as the
OpenTelemetry consistent samplers do it, so everyone with the same rate decides alike.
"""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SampleBy:
    """What R is taken from instead of the trace-id: a header's or a cookie's value (SHA-256)."""

    header: bytes | None = None  # lower case
    cookie: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sampler:
    """A rate in percent, exact at 0 and 100, and what it is decided on."""

    rate: Decimal
    by: SampleBy | None = None


class TraceLimit:
    """A cap on traces a second: a token bucket with a burst of one second. ``now`` is monotonic seconds."""

    __slots__ = ("per_second",)

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
