"""Where the proxy listens, and where it sends requests."""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, TypeAlias

from proxy.config.fields import Leaf
from proxy.config.names import check_url_start, split_authority
from proxy.config.scalars import Scalar, shorten


class Scheme(StrEnum):
    """How HTTP is carried."""

    HTTP = "http"
    HTTPS = "https"


_DEFAULT_PORTS = {Scheme.HTTP: 80, Scheme.HTTPS: 443}
_TARGET = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host name or address, IPv6 without brackets, and a port; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{_bracket(self.host)}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a unix socket, absolute."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return True


Address: TypeAlias = TcpAddress | UnixAddress


@dataclass(frozen=True, slots=True)
class Target:
    """One server of an upstream; on a unix socket the scheme is http."""

    scheme: Scheme
    address: Address

    @property
    def authority(self) -> str:
        """The Host that names it: without a default port, ``localhost`` for a unix socket."""
        match self.address:
            case TcpAddress(host, port) if port == _DEFAULT_PORTS[self.scheme]:
                return _bracket(host)
            case TcpAddress():
                return str(self.address)
            case UnixAddress():
                return "localhost"

    def __str__(self) -> str:
        if isinstance(self.address, UnixAddress):
            return str(self.address)
        return f"{self.scheme}://{self.authority}"


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_address(text: str) -> Address:
    """Parse ``host:port``, ``[::1]:port`` or ``unix:/path``; raises ValueError."""
    if text.startswith("unix:"):
        return _parse_unix(text)
    if "://" in text:
        scheme, _, rest = text.partition("://")
        raise ValueError(
            f"is {shorten(text)}: write it without {scheme}://, {rest.rstrip('/') or '127.0.0.1:8080'}"
        )
    if text.isdecimal():
        raise ValueError(
            f"is a port without a host: write 127.0.0.1:{text}, or 0.0.0.0:{text} for every interface"
        )
    if text.startswith(":") and text[1:].isdecimal():
        raise ValueError(f"has no host: write 127.0.0.1{text}, or 0.0.0.0{text} for every interface")
    if text.startswith("*:"):
        raise ValueError(f"is {shorten(text)}: write 0.0.0.0{text[1:]} for every interface")
    host, port = split_authority(text)
    if port is None:
        raise ValueError(f"{shorten(text)} has no port: write {_bracket(host)}:8080")
    return TcpAddress(host, port)


def _parse_unix(text: str) -> UnixAddress:
    path = text.removeprefix("unix:")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if not path.startswith("/"):
        raise ValueError(f"is {shorten(text)}: write an absolute path, unix:/run/traceward.sock")
    # What sockaddr_un holds on Linux, less the final zero.
    if len(path.encode()) > 107:
        raise ValueError("has a path over 107 bytes, too long for a unix socket: write a shorter one")
    return UnixAddress(path)


def parse_target(text: str) -> Target:
    """Parse ``http://host:port``, ``https://host:port`` or ``unix:/path``; raises ValueError."""
    if text.startswith("unix:"):
        return Target(Scheme.HTTP, _parse_unix(text))
    check_url_start(text)
    found = _TARGET.fullmatch(text)
    if found is None:
        raise ValueError(f"is {shorten(text)}: write http://host:port, https://host:port or unix:/path")
    if "@" in found["authority"]:
        raise ValueError("has user information, which is never sent: leave it out")
    scheme = Scheme(found["scheme"])
    host, port = split_authority(found["authority"])
    port = _DEFAULT_PORTS[scheme] if port is None else port
    if port == 0:
        raise ValueError("has the port 0: write a number from 1 to 65535")
    if found["rest"] not in ("", "/"):
        raise ValueError(
            f"has a path, which a target does not take: write {scheme}://{found['authority']}, "
            "for requests keep their own"
        )
    return Target(scheme, TcpAddress(host, port))


def _read_address(scalar: Scalar) -> Address:
    return parse_address(scalar.text)


def _read_target(scalar: Scalar) -> Target:
    return parse_target(scalar.text)


ADDRESS = Leaf(_read_address, "an address, such as 127.0.0.1:8080", write=str)
AnyAddress: TypeAlias = Annotated[Address, ADDRESS]
TARGET = Leaf(
    _read_target,
    "a URL, such as http://127.0.0.1:9000",
    {"type": "string", "pattern": "^(https?://|unix:/)"},
    write=str,
)
AnyTarget: TypeAlias = Annotated[Target, TARGET]
