"""Which origins are allowed, https://www.rfc-editor.org/rfc/rfc6454#section-7.

An entry is one origin, all subdomains of a host (``https://*.example.com``: one label or more, not
``https://example.com``), or ``*`` for every origin.
"""

import re
from collections.abc import Sequence
from typing import Final

_LABELS: Final = re.compile(rb"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
#: A scheme, a host of 253 characters and a port. Each dot costs a copy, so length is an attack.
_LONGEST: Final = 280


class Origins:
    """The origins of a config; an exact one is found by one look-up, a subdomain by one a label."""

    __slots__ = ("_domains", "_exact", "every")

    def __init__(self, entries: Sequence[str]) -> None:
        """``entries`` are as browsers write origins: lower case, without a default port."""
        origins = [entry.encode() for entry in entries]
        self.every = b"*" in origins
        self._exact = frozenset(origin for origin in origins if b"*" not in origin)
        #: (scheme with "://", the domain with its leading dot and any port).
        self._domains = frozenset(
            (scheme + b"://", domain[1:])
            for scheme, _, domain in (origin.partition(b"://") for origin in origins)
            if domain.startswith(b"*.")
        )

    def allow(self, origin: bytes) -> bool:
        """Return whether the value of an Origin field is among them."""
        if self.every or origin in self._exact:
            return True
        return bool(self._domains) and self._is_subdomain(origin)

    def _is_subdomain(self, origin: bytes) -> bool:
        if len(origin) > _LONGEST:
            return False
        scheme, separator, host = origin.partition(b"://")
        dot = host.find(b".")
        while dot >= 0:
            if (scheme + separator, host[dot:]) in self._domains:
                return _LABELS.fullmatch(host, 0, dot) is not None
            dot = host.find(b".", dot + 1)
        return False
