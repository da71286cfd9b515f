"""Which of several targets gets a request."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from proxy.config.upstream import Balance
from proxy.server.target import TargetPool

#: Returns one of the targets, of which there is at least one.
Choose: TypeAlias = Callable[[Sequence[TargetPool]], TargetPool]


def make_balance(balance: Balance) -> Choose:
    """Return a function that chooses a target, and remembers whose turn it is."""
    return RoundRobin().choose if balance is Balance.ROUND_ROBIN else LeastRequests().choose


class RoundRobin:
    """One after the other."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = -1

    def choose(self, targets: Sequence[TargetPool]) -> TargetPool:
        """Return the next target."""
        turn = self._turn = (self._turn + 1) % len(targets)
        return targets[turn]


class LeastRequests:
    """The one with the fewest requests in flight; of equals, one after the other."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = -1

    def choose(self, targets: Sequence[TargetPool]) -> TargetPool:
        """Return the target that has the least to do."""
        count = len(targets)
        first = (self._turn + 1) % count
        turn, least = first, targets[first].in_flight
        for place in range(first + 1, first + count):
            load = targets[place % count].in_flight
            if load < least:
                turn, least = place % count, load
        self._turn = turn
        return targets[turn]
