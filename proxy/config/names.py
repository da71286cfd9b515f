"""Texts of the config: names, hosts, header fields, methods, URLs."""

import re
from ipaddress import IPv6Address
from typing import Annotated, TypeAlias

from proxy.config.fields import Leaf
from proxy.config.scalars import Scalar, shorten

#: RFC 9110, 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_URL = re.compile(r"https?://(?P<authority>[^/?#\s]+)(?P<rest>[/?][!-~]*)?")
_START = re.compile(r"(?P<scheme>[Hh][Tt]{2}[Pp][Ss]?)://(?P<authority>[^/?#\s@]+)(?![^/?#]*@)")
_PATH = re.compile(r"/[!\"$-~]*")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SECRET = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


#: A text is taken as written, so an editor need not mind that it looks like a number.
TEXT = {"type": ["string", "number", "boolean"]}


def read_text(scalar: Scalar) -> str:
    """Read a text as written; raises ValueError where it is empty."""
    if not scalar.text:
        raise ValueError("is empty: write a text")
    if _CONTROL.search(scalar.text):
        raise ValueError(f"has a control character: {shorten(scalar.text)}; leave it out")
    return scalar.text


def check_token(text: str) -> None:
    """Raise ValueError where ``text`` is not a field name."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{shorten(text)} is not a header name: write letters, digits and hyphens")


def read_header_name(scalar: Scalar) -> str:
    """Read the name of a header field, as written."""
    check_token(scalar.text)
    return scalar.text


def read_cookie_name(scalar: Scalar) -> str:
    """Read the name of a cookie."""
    if not _TOKEN.fullmatch(scalar.text):
        raise ValueError(f"{shorten(scalar.text)} is not a cookie name: write letters, digits and hyphens")
    return scalar.text


def read_header_value(scalar: Scalar) -> str:
    """Read the value of a header field as written: no control characters, no white space around it."""
    text = scalar.text
    if not _is_header_value(text):
        raise ValueError(
            f"{shorten(text)} is not a header value: leave out line breaks and white space around it"
        )
    return text


def _is_header_value(text: str) -> bool:
    return not _CONTROL.search(text) and text == text.strip(" \t")


def read_method(scalar: Scalar) -> str:
    """Read a request method."""
    text = scalar.text
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{shorten(text)} is not a method: write one such as GET")
    if text != text.upper():
        raise ValueError(
            f"is {shorten(text)}, and methods are compared with their case: write {text.upper()}"
        )
    return text


def read_host(scalar: Scalar) -> str:
    """Read a host name or an address without a port; IPv6 in brackets. Returned in lower case."""
    host = scalar.text
    if not is_host(host):
        raise ValueError(f"{shorten(host)} is not a host name: write one such as shop.example.com")
    return host.lower()


def is_host(host: str) -> bool:
    """Return whether ``host`` is a name or an address, IPv6 in brackets."""
    if host.startswith("[") and host.endswith("]"):
        return is_ipv6(host[1:-1])
    return _HOST.fullmatch(host) is not None


def is_ipv6(address: str) -> bool:
    """Return whether ``address`` is an IPv6 address."""
    try:
        IPv6Address(address)
    except ValueError:
        return False
    return True


def read_path(scalar: Scalar) -> str:
    """Read a path, as it stands in a request line."""
    path = scalar.text
    if not path.startswith("/"):
        raise ValueError(
            f"is {shorten(path)}: write a path with a leading slash, such as /{path or 'healthz'}"
        )
    if not _PATH.fullmatch(path):
        raise ValueError(f"is {shorten(path)}: percent-encode what is not printable ASCII, and leave out #")
    return path


def read_url(scalar: Scalar) -> str:
    """Read the URL of a server to call."""
    url = scalar.text
    check_url_start(url)
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValueError(f"{shorten(url)} is not a URL: write http://host:port/path or https://host/path")
    if "@" in parts["authority"]:
        raise ValueError("has user information: leave it out, and write an authorization header instead")
    split_authority(parts["authority"])
    return url


def split_authority(authority: str) -> tuple[str, int | None]:
    """Split ``host`` or ``host:port``, IPv6 without its brackets; raises ValueError."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None or not is_host(found["host"]):
        bracketed = bracket_bare(authority, 8080)
        instead = "one such as 127.0.0.1:8080"
        if bracketed is not None:
            instead = f"an IPv6 address in brackets, '{bracketed}'"
        raise ValueError(f"{shorten(authority)} is not a host and port: write {instead}")
    port = None if found["port"] is None else int(found["port"])
    if port is not None and port > 65535:
        raise ValueError(f"has the port {port}: write a number from 1 to 65535")
    return found["host"].strip("[]").lower(), port


def bracket_bare(authority: str, port: int | None = None) -> str | None:
    """Return an authority with its IPv6 address in brackets; None where it is no bare one.

    What may be a port is one. ``port`` stands in for none.
    """
    host, _, last = authority.rpartition(":")
    if is_ipv6(host) and last.isdecimal() and int(last) <= 65535:
        return f"[{host}]:{last}"
    if not is_ipv6(authority):
        return None
    return f"[{authority}]" if port is None else f"[{authority}]:{port}"


def check_url_start(url: str) -> None:
    """Raise ValueError for a scheme that is not in lower case, and for a bare IPv6 address."""
    found = _START.match(url)
    if found is None:
        return
    scheme, rest = found["scheme"], url[found.end() :]
    if scheme != scheme.lower():
        instead = f"{scheme.lower()}://{found['authority']}{rest}"
        raise ValueError(f"is {shorten(url)}: write the scheme in lower case, {instead}")
    bracketed = bracket_bare(found["authority"])
    if bracketed is not None:
        instead = f"{scheme}://{bracketed}{rest}"
        raise ValueError(f"is {shorten(url)}: write an IPv6 address in brackets, '{instead}'")


def read_name(scalar: Scalar) -> str:
    """Read the name of a rule or an upstream, which becomes a metric label."""
    check_name(scalar.text)
    return scalar.text


def check_name(name: str) -> None:
    """Raise ValueError where ``name`` is none that a rule or an upstream may have."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"is {shorten(name)}: write 1 to 64 letters, digits, or any of _ . -")
    if name == "none":
        raise ValueError("is none, the word for no rule: write another name")


Text: TypeAlias = Annotated[str, Leaf(read_text, "a text", TEXT)]
HeaderName: TypeAlias = Annotated[str, Leaf(read_header_name, "a header name, such as x-tenant")]
Method: TypeAlias = Annotated[str, Leaf(read_method, "a method, such as GET")]
HeaderValue: TypeAlias = Annotated[str, Leaf(read_header_value, "a text", TEXT)]


def _read_secret(scalar: Scalar) -> str:
    """Read a secret; no message repeats it."""
    text = scalar.text
    if not text:
        raise ValueError("is empty: write a text")
    if not _SECRET.fullmatch(text):
        raise ValueError("has white space or characters beyond printable ASCII: write it without")
    return text


def _read_header_secret(scalar: Scalar) -> str:
    text = scalar.text
    if not _is_header_value(text):
        raise ValueError("is not a header value: leave out line breaks and white space around it")
    return text


def redact(value: str) -> str:
    """Return what stands for a secret in a dump."""
    return "***" if value else value


SECRET = Leaf(_read_secret, "a text", TEXT, write=redact)
HEADER_SECRET = Leaf(_read_header_secret, "a text", TEXT, write=redact)
