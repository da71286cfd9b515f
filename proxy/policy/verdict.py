"""What becomes of an inbound decision: followed, capped, or made again by rate."""

from typing import Final

from proxy.message.head import RequestHead
from proxy.policy.inbound import Inbound
from proxy.policy.outbound import OT
from proxy.policy.outcome import Reason
from proxy.policy.sampling import keyed_randomness, take_from_all
from proxy.policy.tracing import Parent, TracingPolicy
from proxy.tracecontext import probability, tracestate
from proxy.tracecontext.probability import Probability

# Looking up a member of an enumeration costs 80 ns, too much for every request.
_FOLLOW: Final = Parent.FOLLOW
_CAP: Final = Parent.CAP
_BY_PARENT: Final = Reason.PARENT
_BY_RATE: Final = Reason.RATE

_UNKNOWN: Final = Probability(None, None)


class Verdict:
    """The decision, and the value of the ``ot`` member that agrees with it (None: no member)."""

    __slots__ = ("ot", "ot_changed", "reason", "sampled")

    def __init__(self, sampled: bool, reason: Reason, ot: bytes | None, *, ot_changed: bool) -> None:
        self.sampled = sampled
        self.reason = reason
        self.ot = ot
        self.ot_changed = ot_changed


def judge(
    policy: TracingPolicy, head: RequestHead, found: Inbound, trace_id: bytes, now: float, *, trusted: bool
) -> Verdict:
    """Decide about a context that came; ``trace_id`` is what the rate is held against."""
    theirs = found.context.sampled
    parent = policy.parent if trusted else _CAP
    ot = tracestate.value_of(found.members, OT) if found.members else None
    if theirs is not None and (parent is _FOLLOW or (parent is _CAP and not theirs)):
        if trusted:
            return Verdict(theirs, _BY_PARENT, ot, ot_changed=False)
        return Verdict(theirs, _BY_PARENT, None, ot_changed=ot is not None)

    # Nothing that an untrusted client chose may decide, its trace-id and its ``ot`` included.
    known = probability.parse(ot) if trusted and ot is not None else _UNKNOWN
    sampler = policy.sampler
    if trusted:
        randomness = sampler.randomness(head, trace_id, known.randomness)
    else:
        randomness = keyed_randomness(policy.secret, trace_id)
    sampled = randomness >= sampler.threshold
    capping = parent is _CAP and theirs is not None
    reason = (_BY_PARENT if sampled else Reason.CAP) if capping else _BY_RATE
    if sampled and policy.limits and not take_from_all(policy.limits, now):
        sampled, reason = False, Reason.RATE_LIMIT
    if not trusted:
        return Verdict(sampled, reason, None, ot_changed=ot is not None)

    threshold = None
    if sampled and policy.writer.threshold is not None:
        threshold = _true_threshold(policy.writer.threshold, known.threshold, randomness, capping=capping)
    updated = probability.with_threshold(ot, threshold)
    return Verdict(sampled, reason, updated, ot_changed=updated != ot)


def _true_threshold(ours: int, theirs: int | None, randomness: int, *, capping: bool) -> int | None:
    """Return the larger threshold; None where it would be a lie.

    A sampler ahead of a cap that gave no threshold sampled with a probability that nobody knows, and
    one whose threshold lies above R did not sample by it.
    """
    if theirs is None:
        return None if capping else ours
    larger = max(ours, theirs)
    return larger if randomness >= larger else None
