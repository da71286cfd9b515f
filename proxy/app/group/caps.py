"""Which bucket of the group's memory keeps which cap on traces."""

from collections.abc import Iterator, Mapping

from proxy.config.compile import Cap, rule_name
from proxy.config.schema import Config
from proxy.server.group_limits import MOST_CAPS, GroupMemory


class TooManyCaps(ValueError):
    """A config with more caps than the group's memory holds; the text says so."""


class CapPlaces:
    """Gives each cap a bucket; one that stays as it was keeps it, and what is in it.

    A bucket that is given up is left alone for one config more: requests in flight may use it.
    """

    def __init__(self, memory: GroupMemory) -> None:
        self._memory = memory
        self._places: dict[Cap, int] = {}
        self._given_up: set[int] = set()

    def prepare(self, config: Config) -> Mapping[Cap, int]:
        """Return the places for another config; nothing changes yet.

        Raises:
            TooManyCaps: there are not so many.
        """
        wanted = list(_caps(config))
        taken = set(self._places.values()) | self._given_up
        free = (place for place in range(MOST_CAPS) if place not in taken)
        try:
            return {cap: self._places[cap] if cap in self._places else next(free) for cap in wanted}
        except StopIteration:
            text = f"more than {MOST_CAPS} max_traces_per_second are too many for several workers"
            raise TooManyCaps(text) from None

    def commit(self, places: Mapping[Cap, int]) -> None:
        """Use these from now on."""
        for cap, place in places.items():
            if cap not in self._places:
                self._memory.clear_bucket(place)
        self._given_up = set(self._places.values()) - set(places.values())
        self._places = dict(places)


def _caps(config: Config) -> Iterator[Cap]:
    tracing = config.tracing
    if tracing.max_traces_per_second is not None:
        yield Cap(None, tracing.max_traces_per_second)
    for index, rule in enumerate(tracing.rules):
        if rule.max_traces_per_second is not None:
            yield Cap(rule_name(rule, index), rule.max_traces_per_second)
