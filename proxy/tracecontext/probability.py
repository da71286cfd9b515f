"""OpenTelemetry's member, ``ot=th:...;rv:...``: a sampling threshold and the randomness it is held against.

https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/. Both are 56-bit
numbers; a trace is sampled where ``rv``, or else the right-most 56 bits of its id, is not below ``th``.
"""

import re
from dataclasses import dataclass
from typing import Final

from proxy.tracecontext.tracestate import MAX_VALUE

BITS: Final = 56
_THRESHOLD: Final = re.compile(rb"[0-9a-fA-F]{1,14}")
_RANDOMNESS: Final = re.compile(rb"[0-9a-fA-F]{14}")


@dataclass(frozen=True, slots=True)
class Probability:
    """The two numbers; None where the member has none, or one that is malformed."""

    threshold: int | None
    randomness: int | None


def parse(value: bytes) -> Probability:
    """Read the value of the ``ot`` member; of a repeated subkey the first counts."""
    threshold = randomness = None
    for subkey in value.split(b";"):
        if threshold is None and subkey.startswith(b"th:") and _THRESHOLD.fullmatch(subkey, 3):
            threshold = int(subkey[3:].ljust(14, b"0"), 16)
        elif randomness is None and subkey.startswith(b"rv:") and _RANDOMNESS.fullmatch(subkey, 3):
            randomness = int(subkey[3:], 16)
    return Probability(threshold, randomness)


def encode_threshold(threshold: int) -> bytes:
    """Write a threshold below 2**56: 14 digits without the trailing zeros, at least one digit."""
    return (b"%014x" % threshold).rstrip(b"0") or b"0"


def with_threshold(value: bytes | None, threshold: int | None) -> bytes | None:
    """Return the member's value with this threshold, or with none; None where nothing is left of it."""
    subkeys = [] if value is None else value.split(b";")
    kept = [subkey for subkey in subkeys if not subkey.startswith(b"th:")]
    if threshold is not None:
        written = [b"th:" + encode_threshold(threshold), *kept]
        if len(joined := b";".join(written)) <= MAX_VALUE:
            return value if len(kept) + 1 == len(subkeys) and _same(subkeys, written) else joined
    if len(kept) == len(subkeys):
        return value
    return b";".join(kept) or None


def _same(subkeys: list[bytes], written: list[bytes]) -> bool:
    return sorted(subkeys) == sorted(written)
