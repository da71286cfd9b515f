"""Who is believed: networks, unix peers, and verified certificates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

UNIX: Final = "unix"

_CIDR: Final = re.compile(r"[0-9A-Fa-f.:]+(/[0-9]+)?")
#: Parsing an address costs 2 us, and the same few peers come again and again.
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Networks:
    """A set of client addresses: CIDR networks, and ``unix`` for peers on a unix socket."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False
    _answers: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, entries: Sequence[str]) -> "Networks":
        """Return the networks that ``entries`` name: CIDR, bare addresses and ``unix``.

        Raises ValueError, which says what to write instead.
        """
        networks = tuple(_parse_network(entry) for entry in entries if entry != UNIX)
        return cls(networks, UNIX in entries)

    def contains(self, address: str) -> bool:
        """Return whether ``address`` is inside; text that is no address is in no network.

        ``unix`` is a peer on a unix socket. An IPv4-mapped IPv6 address counts as the IPv4 one, and
        a zone id (``%eth0``) is left out.
        """
        answer = self._answers.get(address)
        if answer is None:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            answer = self._answers[address] = self._search(address)
        return answer

    def _search(self, address: str) -> bool:
        if address == UNIX:
            return self.unix
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if parsed.version == 6 and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.networks)


def _parse_network(entry: str) -> IPv4Network | IPv6Network:
    if "%" in entry:
        raise ValueError(f"{entry!r} has a zone id; write {entry.partition('%')[0]}")
    if _CIDR.fullmatch(entry) is None:
        raise ValueError(f"{entry!r} is no network; {_EXAMPLES}")
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(f"{entry!r} is no network; {_EXAMPLES}") from None
    address = ip_address(entry.partition("/")[0])
    if address != network.network_address:
        raise ValueError(
            f"{entry!r} has host bits set; write {network} for the network, or {address} for the address"
        )
    return _as_ipv4(network)


_EXAMPLES: Final = "write an address or a CIDR network such as 10.0.0.0/8 or fd00::/8, or unix"


def _as_ipv4(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if network.version == 4 or network.prefixlen < 96 or network.network_address.ipv4_mapped is None:
        return network
    return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Whose trace context is believed (``tracing.trust``)."""

    everyone: bool = True  # all
    clients: Networks = Networks()  # empty and no certificates: none
    certificates: bool = False

    def believes(self, client: str, certificate: bool) -> bool:
        """Return whether the client at an address, with or without a verified certificate, is believed."""
        return self.everyone or (certificate and self.certificates) or self.clients.contains(client)
