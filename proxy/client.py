"""Who asks, under one policy: what a connection tells about the requests that come over it."""

from dataclasses import dataclass, field
from typing import Final

from proxy.message.forwarding import XForwarded, client_address, forwarded_fields
from proxy.message.head import RequestHead
from proxy.message.lines import encode_lines
from proxy.policy.cors import CorsPolicy
from proxy.policy.location import Locator
from proxy.policy.propagation import TracingPolicy
from proxy.policy.routes import Route
from proxy.policy.rules import RuleSet
from proxy.policy.trust import Networks, TrustPolicy

#: For how many hosts a client's X-Forwarded-* are remembered.
REMEMBERED_HOSTS: Final = 64


@dataclass(frozen=True, slots=True)
class Policy:
    """All that decides about requests, compiled from one config; a reload swaps it whole."""

    rules: RuleSet
    tracing: TracingPolicy  # the section itself, for requests that no rule matches
    strip_unmatched: bool  # unmatched: strip
    trust: TrustPolicy
    cors: CorsPolicy
    x_forwarded: XForwarded
    trusted_proxies: Networks
    routes: tuple[Route, ...]
    default_upstream: str | None  # None: 404 where no route matches
    locator: Locator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "locator", Locator(self.rules, self.routes, self.default_upstream))


class Client:
    """What a connection tells about whoever opened it, under one policy."""

    __slots__ = (
        "_certificate",
        "_own_lines",
        "authority",
        "peer",
        "policy",
        "proxy",
        "scheme",
        "trusted",
    )

    def __init__(
        self,
        policy: Policy,
        scheme: str,
        peer: str,
        authority: str = "localhost",
        *,
        certificate: bool = False,
    ) -> None:
        self.policy = policy
        self.scheme = scheme
        self.peer = peer
        self.authority = authority
        self.proxy = policy.trusted_proxies.contains(peer)
        self._certificate = certificate
        self._own_lines: dict[bytes | None, bytes] = {}  # by Host
        self.trusted = policy.trust.believes(peer, certificate)

    def own_lines(self, head: RequestHead) -> bytes:
        """Return X-Forwarded-* for a request that came with none; clients ask for few hosts."""
        lines = self._own_lines.get(head.host)
        if lines is None:
            _, fields = forwarded_fields(
                self.policy.x_forwarded, head, peer=self.peer, peer_is_trusted=self.proxy, scheme=self.scheme
            )
            if len(self._own_lines) >= REMEMBERED_HOSTS:
                self._own_lines.clear()
            lines = self._own_lines[head.host] = encode_lines(fields)
        return lines

    def believes(self, head: RequestHead) -> bool:
        """Whether the trace context of this request is believed."""
        if not self.proxy or head.plain or b"x-forwarded-for" not in head.present:
            return self.trusted
        return self.policy.trust.believes(self.address(head), self._certificate)

    def address(self, head: RequestHead) -> str:
        """Return who a request is from: the peer, or whom the trusted proxy that it is forwarded for."""
        if not self.proxy or head.plain:
            return self.peer
        return client_address(head, self.peer, True, self.policy.trusted_proxies.contains)
