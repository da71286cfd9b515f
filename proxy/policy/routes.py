"""Which upstream a request goes to: the first route that matches."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """A route: all that is set must hold. ``host`` is lower case."""

    upstream: str
    host: str | None = None
    path_prefix: str | None = None


def choose_upstream(routes: Sequence[Route], default: str | None, authority: str, target: str) -> str | None:
    """Return the upstream of the first route that matches, else ``default``.

    ``authority`` is as in the URLs that rules see: lower case, without a default port. Its port
    counts only where the route's host has one. The target ``*`` counts as ``/``.
    """
    if not routes:
        return default
    path = "/" if target == "*" else target
    host = _without_port(authority)
    for route in routes:
        if route.host is not None and route.host != host and route.host != authority:
            continue
        if route.path_prefix is None or path.startswith(route.path_prefix):
            return route.upstream
    return default


def _without_port(authority: str) -> str:
    host, colon, _ = authority.rpartition(":")
    # The last colon of an IPv6 literal without a port is inside its brackets.
    return host if colon and not authority.endswith("]") else authority
