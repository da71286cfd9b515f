"""Which rule a request falls under: the first that matches, found without a scan of all."""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.policy.propagation import TracingPolicy


@dataclass(frozen=True, slots=True)
class Match:
    """The conditions of a rule; all that are set must hold."""

    prefix: str | None = None  # of the URL, or of the target where it starts with "/"
    regex: str | None = None  # RE2, searched in the URL
    function: Callable[[str], bool] | None = None  # called with the URL
    function_name: str | None = None  # module:callable, for people
    methods: frozenset[bytes] | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()  # (lower-case name, exact value)


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule; ``tracing`` is None where the rule matches and leaves the request alone."""

    name: str
    match: Match
    tracing: TracingPolicy | None
