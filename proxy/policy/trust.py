"""Who is believed: networks, unix peers, and verified certificates."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Networks:
    """A set of client addresses: CIDR networks, and ``unix`` for peers on a unix socket."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Whose trace context is believed (``tracing.trust``)."""

    everyone: bool = True  # all
    clients: Networks = Networks()  # empty and no certificates: none
    certificates: bool = False
