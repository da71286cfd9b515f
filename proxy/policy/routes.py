"""Which upstream a request goes to: the first route that matches."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """A route: all that is set must hold. ``host`` is lower case."""

    upstream: str
    host: str | None = None
    path_prefix: str | None = None
