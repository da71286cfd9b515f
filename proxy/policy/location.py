"""Where a request goes: its URL as rules see it, the rule, and the upstream.

Clients ask for the same URLs again and again, so what depends on Host and target alone is
remembered, bounded in number and size.
"""

from collections.abc import Sequence
from typing import Final

from proxy.message.head import RequestHead
from proxy.message.target import read_target
from proxy.policy.routes import Route, choose_upstream
from proxy.policy.rules import Rule, RuleSet

#: How many locations are remembered before all are forgotten, and the longest target among them.
REMEMBERED: Final = 4096
_MOST_TARGET_BYTES: Final = 512


class Location:
    """What Host and target say. ``path`` is ``target`` as text; ``rule`` is None where more decides."""

    __slots__ = ("authority", "path", "rule", "target", "upstream", "url")

    def __init__(
        self, authority: str, target: bytes, url: str, rule: Rule | None, upstream: str | None
    ) -> None:
        self.authority = authority
        self.target = target
        self.path = target.decode("ascii")
        self.url = url
        self.rule = rule
        self.upstream = upstream


class Locator:
    """Finds locations under one set of rules and routes."""

    __slots__ = ("_default", "_remembered", "_routes", "_rules", "_rules_by_url")

    def __init__(self, rules: RuleSet, routes: Sequence[Route], default: str | None) -> None:
        """``default`` is the upstream where no route matches; None: there is none."""
        self._rules = rules
        self._routes = routes
        self._default = default
        self._rules_by_url = rules.by_url_alone
        self._remembered: dict[tuple[str, bytes, bytes], Location] = {}

    def locate(self, head: RequestHead, scheme: str, local_authority: str) -> Location:
        """Return where a request goes.

        Raises:
            RefusedMessage: the target or Host is not one that can be read one way.
        """
        host, target = head.host, head.target
        if host is None:
            return self._read(head, scheme, local_authority)
        key = (scheme, host, target)
        found = self._remembered.get(key)
        if found is None:
            found = self._read(head, scheme, local_authority)
            # Other forms of a target depend on the method too.
            if target[:1] == b"/" and len(target) <= _MOST_TARGET_BYTES:
                if len(self._remembered) >= REMEMBERED:
                    self._remembered.clear()
                self._remembered[key] = found
        return found

    def match(self, location: Location, head: RequestHead) -> Rule | None:
        """Return the rule of a request."""
        if self._rules_by_url:
            return location.rule
        return self._rules.match(location.url, location.path, head.method, head)

    def match_preflight(self, location: Location, method: bytes) -> Rule | None:
        """Return the rule of the request with ``method`` that a preflight announces."""
        if self._rules_by_url:
            return location.rule
        return self._rules.match(location.url, location.path, method, None)

    def _read(self, head: RequestHead, scheme: str, local_authority: str) -> Location:
        authority, target = read_target(head, scheme, local_authority)
        path = target.decode("ascii")
        url = f"{scheme}://{authority}" if path == "*" else f"{scheme}://{authority}{path}"
        rule = self._rules.match(url, path, head.method, None) if self._rules_by_url else None
        return Location(
            authority, target, url, rule, choose_upstream(self._routes, self._default, authority, path)
        )
