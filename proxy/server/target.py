"""One target of an upstream as a worker sees it: its connections, and what they say of it."""

from typing import TYPE_CHECKING

from proxy.config.addresses import Target

if TYPE_CHECKING:
    from proxy.server.upstream import UpstreamConnection


class TargetPool:
    """The connections to one target; of the idle ones, the latest used is the last."""

    __slots__ = (
        "address",
        "connecting",
        "ejected",
        "failures",
        "healthy",
        "host",
        "idle",
        "name",
        "open",
    )

    def __init__(self, address: Target, host: str | None = None) -> None:
        """``host`` is the Host that requests are sent with; None: their own."""
        self.address = address
        self.name = str(address)
        self.host = None if host is None else host.encode("ascii")
        self.idle: list[UpstreamConnection] = []
        self.open = 0  # connections, the idle ones among them
        self.connecting = 0  # attempts to make one
        self.healthy = True  # by the health checks
        self.ejected = False
        self.failures = 0  # since the last whole answer

    @property
    def in_flight(self) -> int:
        """Requests that it has, or is about to get; counted without a step on a request's path."""
        return self.open + self.connecting - len(self.idle)
