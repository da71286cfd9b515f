"""Which rule a request falls under: the first that matches, found without a scan of all.

Each rule waits where its most telling condition finds it: under its method and one of its header
values, then under its prefix in a table; rules with an expression are found by a set of all
expressions. What is found is checked for the rest, lowest first, and functions come last, so that
one is called only when every rule before it is known not to match.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from proxy.message.head import OWS, RequestHead
from proxy.policy.expressions import ExpressionSet, compile_regex
from proxy.policy.prefixes import PrefixTable, normalize_prefix
from proxy.policy.propagation import TracingPolicy

__all__ = ["Match", "Rule", "RuleSet", "compile_regex", "normalize_prefix"]


@dataclass(frozen=True, slots=True)
class Match:
    """The conditions of a rule; all that are set must hold."""

    prefix: str | None = None  # of the URL, or of the target where it starts with "/"
    regex: str | None = None  # RE2, searched in the URL
    function: Callable[[str], object] | None = None  # called with the URL
    function_name: str | None = None  # module:callable, for people
    methods: frozenset[bytes] | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()  # (lower-case name, exact value)


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule; ``tracing`` is None where the rule matches and leaves the request alone."""

    name: str
    match: Match
    tracing: TracingPolicy | None


class RuleSet:
    """Rules in order. ``on_error`` is called with the rule's name and what its function raised."""

    __slots__ = ("_index", "_without_headers", "by_url_alone", "rules")

    def __init__(self, rules: Sequence[Rule], on_error: Callable[[str, Exception], None]) -> None:
        """Raises ValueError where ``normalize_prefix`` or ``compile_regex`` would."""
        self.rules = tuple(rules)
        #: Whether the URL alone tells the rule. A function may not say the same twice.
        self.by_url_alone = not any(
            rule.match.function or rule.match.headers or rule.match.methods is not None for rule in rules
        )
        normal = [_normalize(rule) for rule in self.rules]
        self._index = _Index(self.rules, normal, on_error)
        self._without_headers = self._index
        if any(match.headers for match in normal):
            normal = [replace(match, headers=()) for match in normal]
            self._without_headers = _Index(self.rules, normal, on_error)

    def match(self, url: str, target: str, method: bytes, head: RequestHead | None) -> Rule | None:
        """Return the first rule that matches, or None.

        ``url`` is ``scheme://authority/path?query``, the authority in lower case without a default
        port, and ``scheme://authority`` for the target ``*``. ``target`` is path and query.
        Without a head (for preflights) header conditions are taken to hold.
        """
        if head is None:
            return self._without_headers.find(url, target, method, None)
        return self._index.find(url, target, method, head)


def _normalize(rule: Rule) -> Match:
    match = rule.match
    if match.prefix is None:
        return match
    return replace(match, prefix=normalize_prefix(match.prefix))


_Pair: TypeAlias = tuple[bytes, bytes]
#: A header value and a method that rules ask for; None where they do not.
_Key: TypeAlias = tuple[_Pair | None, bytes | None]


class _Index:
    """The rules by number, a lower one first; ``len(rules)`` is the number of no rule."""

    __slots__ = (
        "_base",
        "_expression_of",
        "_expressions",
        "_field_names",
        "_first_expression",
        "_groups",
        "_has_more",
        "_matches",
        "_numbers_of",
        "_on_error",
        "_results",
        "_rules",
    )

    def __init__(
        self, rules: Sequence[Rule], matches: Sequence[Match], on_error: Callable[[str, Exception], None]
    ) -> None:
        self._rules = rules
        self._results: tuple[Rule | None, ...] = (*rules, None)
        self._matches = matches
        self._on_error = on_error
        grouped: dict[_Key, list[int]] = {(None, None): []}
        rarity = Counter(pair for match in matches for pair in match.headers)
        for number, match in enumerate(matches):
            if match.regex is None or match.function is not None:
                for key in _keys(match, rarity):
                    grouped.setdefault(key, []).append(number)
        self._groups = {key: _Group(numbers, matches) for key, numbers in grouped.items()}
        self._base = self._groups.pop((None, None))
        self._field_names = frozenset(pair[0] for pair, _ in self._groups if pair is not None)
        self._expression_of: dict[str, int] = {}
        self._numbers_of: list[list[int]] = []
        self._first_expression = len(rules)
        for number, match in enumerate(matches):
            if match.regex is not None:
                self._add_expression(number, match.regex, alone=match.function is None)
        self._expressions = ExpressionSet(list(self._expression_of))
        self._has_more = bool(self._groups or self._expression_of or self._base.has_unfinished)

    def _add_expression(self, number: int, pattern: str, *, alone: bool) -> None:
        place = self._expression_of.setdefault(pattern, len(self._expression_of))
        if place == len(self._numbers_of):
            self._numbers_of.append([])
        if alone:
            self._numbers_of[place].append(number)
            self._first_expression = min(self._first_expression, number)

    def find(self, url: str, target: str, method: bytes, head: RequestHead | None) -> Rule | None:
        # The server-wide target "*" has no path; prefixes end their authority with a slash.
        located = url + "/" if target == "*" else url
        best = self._base.first(located, target)
        if not self._has_more:
            return self._results[best]
        unfinished = self._base.unfinished(located, target)
        if self._groups:
            for group in self._find_groups(method, head):
                best = min(best, group.first(located, target))
                if group.has_unfinished:
                    unfinished += group.unfinished(located, target)
        found: list[int] | None = None
        if self._first_expression < best:
            found = self._expressions.search(url)
            best = self._first_of(found, best, located, target, method, head)
        if not unfinished:
            return self._results[best]
        return self._results[self._settle(unfinished, best, found, url, method, head)]

    def _find_groups(self, method: bytes, head: RequestHead | None) -> list["_Group"]:
        keys: list[_Key] = [(None, method)]
        if head is not None and not self._field_names.isdisjoint(head.present):
            for (_, value), name in zip(head.fields, head.names, strict=True):
                if name in self._field_names:
                    pair = (name, value.strip(OWS))
                    keys += (pair, None), (pair, method)
        return [group for key in keys if (group := self._groups.get(key)) is not None]

    def _first_of(
        self, found: list[int], best: int, url: str, target: str, method: bytes, head: RequestHead | None
    ) -> int:
        """Return the lowest number with an expression of ``found`` and all else that holds, or ``best``."""
        numbers = [number for place in found for number in self._numbers_of[place]]
        numbers.sort()
        for number in numbers:
            if number >= best:
                break
            match = self._matches[number]
            if match.methods is not None and method not in match.methods:
                continue
            if match.prefix is not None:
                text = target if match.prefix.startswith("/") else url
                if not text.startswith(match.prefix):
                    continue
            if _has_headers(match, head):
                return number
        return best

    def _settle(
        self,
        unfinished: list[int],
        best: int,
        found: list[int] | None,
        url: str,
        method: bytes,
        head: RequestHead | None,
    ) -> int:
        """Return the lowest of ``best`` and the unfinished ones that hold, calling functions in order."""
        for number in sorted(set(unfinished)):
            if number >= best:
                break
            match = self._matches[number]
            if not _has_headers(match, head):
                continue
            if match.regex is not None:
                if found is None:
                    found = self._expressions.search(url)
                if self._expression_of[match.regex] not in found:
                    continue
            if match.function is None or self._call(number, match.function, url):
                return number
        return best

    def _call(self, number: int, function: Callable[[str], object], url: str) -> bool:
        try:
            return bool(function(url))
        except Exception as error:  # the user's code; a request must not fail by it
            self._on_error(self._rules[number].name, error)
            return False


def _keys(match: Match, rarity: Counter[_Pair]) -> list[_Key]:
    pair = min(match.headers, key=lambda pair: (rarity[pair], pair)) if match.headers else None
    if match.methods is None:
        return [(pair, None)]
    return [(pair, method) for method in match.methods]


def _has_headers(match: Match, head: RequestHead | None) -> bool:
    if not match.headers or head is None:
        return True
    return all(value in head.get_all(name) for name, value in match.headers)


class _Group:
    """Rules that share a method and a header value, by their prefixes of the URL and of the target."""

    __slots__ = ("_of_target", "_of_url", "has_unfinished")

    def __init__(self, numbers: Sequence[int], matches: Sequence[Match]) -> None:
        of_url: list[tuple[str, int, bool]] = []
        of_target: list[tuple[str, int, bool]] = []
        for number in numbers:
            match = matches[number]
            prefix = match.prefix or ""
            complete = match.function is None and len(match.headers) < 2
            (of_target if prefix.startswith("/") else of_url).append((prefix, number, complete))
        self.has_unfinished = not all(complete for *_, complete in of_url + of_target)
        self._of_url = PrefixTable(of_url, len(matches))
        self._of_target = PrefixTable(of_target, len(matches)) if of_target else None

    def first(self, url: str, target: str) -> int:
        number = self._of_url.first(url)
        if self._of_target is None:
            return number
        return min(number, self._of_target.first(target))

    def unfinished(self, url: str, target: str) -> list[int]:
        if not self.has_unfinished:
            return []
        numbers = self._of_url.unfinished(url)
        if self._of_target is not None:
            numbers += self._of_target.unfinished(target)
        return numbers
