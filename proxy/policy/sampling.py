"""Sampling by rate: R, the 56 right-most bits of the trace-id, against a threshold T.

A trace is sampled when R >= T, T = (1 - rate/100) * 2**56 to the nearest integer, as the
OpenTelemetry consistent samplers do it, so everyone with the same rate decides alike.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Final, Protocol

from proxy.message.head import OWS, RequestHead

_SPACE: Final = 1 << 56
_LOW_BYTES: Final = 7


@dataclass(frozen=True, slots=True)
class SampleBy:
    """What R is taken from instead of the trace-id: a header's or a cookie's value (SHA-256)."""

    header: bytes | None = None  # lower case
    cookie: bytes | None = None

    def value(self, head: RequestHead) -> bytes | None:
        """Return the value that the request is sampled by; None where it has none, or an empty one."""
        if self.header is not None:
            return head.get(self.header) or None
        if self.cookie is not None:
            return _cookie(head, self.cookie) or None
        return None


@dataclass(frozen=True, slots=True)
class Sampler:
    """A rate in percent, exact at 0 and 100, and what it is decided on.

    ``threshold`` is T; at rate 0 it is 2**56, which no R reaches.
    """

    rate: Decimal
    by: SampleBy | None = None
    threshold: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", _threshold(self.rate))

    def randomness(self, head: RequestHead, trace_id: bytes, explicit: int | None = None) -> int:
        """Return R; ``explicit`` is the trace's own (``ot=rv``), where a trusted sender gave one."""
        if self.by is not None:
            value = self.by.value(head)
            if value is not None:
                return int.from_bytes(sha256(value).digest()[-_LOW_BYTES:])
        return int(trace_id[-14:], 16) if explicit is None else explicit


def keyed_randomness(secret: bytes, trace_id: bytes) -> int:
    """Return an R that nobody without the secret can choose: HMAC-SHA-256 of the trace-id's 32 hex digits."""
    return int.from_bytes(hmac.digest(secret, trace_id, "sha256")[-_LOW_BYTES:])


class TraceLimiter(Protocol):
    """A cap on traces a second, of this process or of a group of them. ``now`` is monotonic seconds."""

    @property
    def per_second(self) -> float:
        """What it was set to."""

    def take(self, now: float) -> bool:
        """Take one trace, if there is one."""

    def give_back(self) -> None:
        """Put back what was taken and not used."""


class TraceLimit:
    """A cap on traces a second: a token bucket with a burst of one second.

    Below one trace a second the bucket still holds one, or nothing would ever pass.
    """

    __slots__ = ("_at", "_tokens", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._tokens = 0.0
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take one trace out of the bucket, if there is one."""
        if self._at is None:
            self._tokens, self._at = capacity(self.per_second), now
        taken, self._tokens, self._at = take_token(self.per_second, self._tokens, self._at, now)
        return taken

    def give_back(self) -> None:
        """Put back what was taken and not used."""
        self._tokens += 1.0


def take_token(per_second: float, tokens: float, at: float, now: float) -> tuple[bool, float, float]:
    """Take one from a bucket that held so many at ``at``; return whether there was one, and both anew.

    Several processes may share a bucket, so ``now`` may lie a little before ``at``.
    """
    if now > at:
        tokens = min(capacity(per_second), tokens + (now - at) * per_second)
        at = now
    # The sum of many small refills falls short of a whole by rounding.
    if tokens < 1.0 - 1e-9:
        return False, tokens, at
    return True, tokens - 1.0, at


def capacity(per_second: float) -> float:
    """Return how many traces a bucket holds."""
    return max(per_second, 1.0) if per_second > 0 else 0.0


def take_from_all(limits: Sequence[TraceLimiter], now: float) -> bool:
    """Take one trace from every limit, or from none: none is charged for another's refusal."""
    for place, limit in enumerate(limits):
        if not limit.take(now):
            for taken in limits[:place]:
                taken.give_back()
            return False
    return True


def _threshold(rate: Decimal) -> int:
    return round((1 - Fraction(rate) / 100) * _SPACE)


def _cookie(head: RequestHead, name: bytes) -> bytes | None:
    for value in head.get_all(b"cookie"):
        for pair in value.split(b";"):
            key, equals, text = pair.partition(b"=")
            if equals and key.strip(OWS) == name:
                return text.strip(OWS)
    return None
