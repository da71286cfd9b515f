import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.trust import Networks, TrustPolicy

CONTAINED = [
    pytest.param(["10.0.0.0/8"], "10.1.2.3", True, id="in-network"),
    pytest.param(["10.0.0.0/8"], "11.0.0.1", False, id="outside"),
    pytest.param(["10.0.0.1"], "10.0.0.1", True, id="bare-address"),
    pytest.param(["10.0.0.1"], "10.0.0.2", False, id="bare-address-other"),
    pytest.param(["192.168.0.0/16", "fd00::/8"], "fd12::1", True, id="ipv6"),
    pytest.param(["FD00::/8"], "FD12::1", True, id="ipv6-upper-case"),
    pytest.param(["10.0.0.0/8"], "::ffff:10.1.2.3", True, id="mapped-address"),
    pytest.param(["::ffff:10.0.0.0/104"], "10.1.2.3", True, id="mapped-network"),
    pytest.param(["::/0"], "::ffff:10.1.2.3", False, id="mapped-is-not-ipv6"),
    pytest.param(["0.0.0.0/0"], "::1", False, id="ipv4-does-not-hold-ipv6"),
    pytest.param(["fe80::/10"], "fe80::1%eth0", True, id="zone-id"),
    pytest.param(["unix"], "unix", True, id="unix"),
    pytest.param(["0.0.0.0/0", "::/0"], "unix", False, id="unix-is-no-address"),
    pytest.param(["unix"], "127.0.0.1", False, id="unix-alone"),
    pytest.param(["0.0.0.0/0", "::/0", "unix"], "unknown", False, id="no-address"),
    pytest.param(["0.0.0.0/0", "::/0", "unix"], "", False, id="empty"),
    pytest.param(["0.0.0.0/0"], "010.0.0.1", False, id="leading-zero"),
    pytest.param([], "127.0.0.1", False, id="nothing"),
]


@pytest.mark.parametrize(("entries", "address", "inside"), CONTAINED)
def test_contains(entries: list[str], address: str, inside: bool) -> None:
    networks = Networks.parse(entries)
    assert networks.contains(address) is inside
    assert networks.contains(address) is inside  # from memory


REFUSED = [
    pytest.param(
        "10.0.0.1/8", "write 10.0.0.0/8 for the network, or 10.0.0.1 for the address", id="host-bits"
    ),
    pytest.param("fd00::1/8", "write fd00::/8 for the network, or fd00::1", id="host-bits-ipv6"),
    pytest.param("localhost", "write an address or a CIDR network", id="name"),
    pytest.param("10.0.0.0/33", "'10.0.0.0/33' is no network", id="prefix-length"),
    pytest.param("10.0.0.0/255.0.0.0", "is no network", id="netmask"),
    pytest.param("10.0.0.*", "is no network", id="asterisk"),
    pytest.param("10.0.0.0-10.0.0.9", "is no network", id="range"),
    pytest.param("fe80::1%eth0", "write fe80::1", id="zone-id"),
    pytest.param("UNIX", "or unix", id="unix-upper-case"),
    pytest.param("", "is no network", id="empty"),
]


@pytest.mark.parametrize(("entry", "message"), REFUSED)
def test_parse_says_what_to_write(entry: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Networks.parse(["127.0.0.1", entry])


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_contains_compares_the_leading_bits(base: object, length: int, address: object) -> None:
    first, other = (int.from_bytes(map(int, str(ip).split("."))) >> (32 - length) for ip in (base, address))
    network = ".".join(map(str, (first << (32 - length)).to_bytes(4)))
    assert Networks.parse([f"{network}/{length}"]).contains(str(address)) is (first == other)


@given(st.text("0123456789abcdef.:/%unix", max_size=20))
def test_parse_raises_no_other_error(entry: str) -> None:
    try:
        Networks.parse([entry])
    except ValueError:
        return
    assert entry


def test_what_is_remembered_is_bounded() -> None:
    networks = Networks.parse(["10.0.0.0/8"])
    for number in range(10_000):
        assert not networks.contains(f"client-{number}")
    assert len(networks._answers) <= 4096
    assert networks.contains("10.0.0.1")


def test_what_is_remembered_does_not_count_for_equality() -> None:
    networks = Networks.parse(["10.0.0.0/8"])
    networks.contains("10.0.0.1")
    assert networks == Networks.parse(["10.0.0.0/8"])
    assert hash(networks) == hash(Networks.parse(["10.0.0.0/8"]))


INSIDE = Networks.parse(["10.0.0.0/8"])
BELIEVED = [
    pytest.param(TrustPolicy(), "1.2.3.4", False, True, id="all"),
    pytest.param(TrustPolicy(everyone=False), "1.2.3.4", True, False, id="none"),
    pytest.param(TrustPolicy(everyone=False, clients=INSIDE), "10.1.2.3", False, True, id="client"),
    pytest.param(TrustPolicy(everyone=False, clients=INSIDE), "1.2.3.4", True, False, id="other-client"),
    pytest.param(
        TrustPolicy(everyone=False, clients=INSIDE, certificates=True),
        "1.2.3.4",
        True,
        True,
        id="certificate",
    ),
    pytest.param(
        TrustPolicy(everyone=False, clients=INSIDE, certificates=True), "1.2.3.4", False, False, id="neither"
    ),
]


@pytest.mark.parametrize(("policy", "client", "certificate", "believed"), BELIEVED)
def test_believes(policy: TrustPolicy, client: str, certificate: bool, believed: bool) -> None:
    assert policy.believes(client, certificate) is believed
