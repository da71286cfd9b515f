"""Which rule or route of a list can never be reached, for an earlier one matches all that it does."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.config.expressions import matches_every_url
from proxy.config.rule import MatchSettings
from proxy.config.upstream import RouteSettings
from proxy.policy.rules import normalize_prefix


@dataclass(frozen=True, slots=True)
class _Conditions:
    prefix: str  # normalised; empty where any URL will do
    regex: str | None
    function: str | None
    methods: frozenset[str] | None
    headers: frozenset[tuple[str, str]]

    def cover(self, other: "_Conditions") -> bool:
        """Return whether all but the prefix holds wherever ``other`` does."""
        if self.regex is not None and self.regex != other.regex:
            return False
        if self.function is not None and self.function != other.function:
            return False
        if self.methods is not None and (other.methods is None or not other.methods <= self.methods):
            return False
        return self.headers <= other.headers


def shadowed(matches: Sequence[MatchSettings]) -> Iterator[tuple[int, int]]:
    """Yield the index of each match that is hidden, and of the first that hides it."""
    earlier: dict[str, list[tuple[int, _Conditions]]] = {}
    for index, match in enumerate(matches):
        conditions = _conditions(match)
        hiding = [
            number
            for prefix in _shorter(conditions.prefix)
            for number, other in earlier.get(prefix, ())
            if other.cover(conditions)
        ]
        if hiding:
            yield index, min(hiding)
        else:
            earlier.setdefault(conditions.prefix, []).append((index, conditions))


def _conditions(match: MatchSettings) -> _Conditions:
    prefix = "" if match.prefix is None else normalize_prefix(match.prefix)
    regex = match.regex
    return _Conditions(
        prefix="" if prefix == "/" else prefix,
        regex=None if regex is None or matches_every_url(regex) else regex,
        function=None if match.function is None else match.function.name,
        methods=None if match.methods is None else frozenset(match.methods),
        headers=frozenset((name.lower(), value) for name, value in match.headers.items()),
    )


def _shorter(prefix: str) -> Iterator[str]:
    """Yield the prefixes that hold for every URL that ``prefix`` holds for, itself among them."""
    for length in range(len(prefix) + 1):
        yield prefix[:length]
    authority = prefix.find("://")
    if authority < 0:
        return
    path = prefix.find("/", authority + 3)
    if path >= 0:
        for length in range(path + 2, len(prefix) + 1):
            yield prefix[path:length]


def shadowed_routes(routes: Sequence[RouteSettings]) -> Iterator[tuple[int, int]]:
    """Yield the index of each route that is hidden, and of the first that hides it."""
    earlier: dict[tuple[str | None, str], int] = {}
    for index, route in enumerate(routes):
        prefix = route.path_prefix or "/"
        hiding = [
            earlier[host, prefix[:length]]
            for host in {None, route.host, _without_port(route.host)}
            for length in range(1, len(prefix) + 1)
            if (host, prefix[:length]) in earlier
        ]
        if hiding:
            yield index, min(hiding)
        else:
            earlier[route.host, prefix] = index


def _without_port(host: str | None) -> str | None:
    return None if host is None else re.sub(r":[0-9]+$", "", host)
