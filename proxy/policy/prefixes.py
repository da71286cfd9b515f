"""Prefixes of URLs: how they are written, and how the first of thousands is found by one bisection."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import TypeAlias
from urllib.parse import quote

#: Rules that still have to be checked at one prefix, and those of the next shorter one that has any.
_Open: TypeAlias = "tuple[tuple[int, ...], _Open] | None"

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[A-Za-z0-9._~-]+)(?::(?P<port>[0-9]*))?")
#: What is legal in a target already, "%" too.
_PATH_SAFE = "".join(chr(code) for code in range(0x21, 0x7F))


def normalize_prefix(prefix: str) -> str:
    """Return ``prefix`` as the URLs that rules see are written.

    Scheme and authority become lower case, a default port goes, and a missing path becomes ``/``.
    Raises ValueError, which says what to write instead, where it could never match.
    """
    if not prefix:
        raise ValueError("is empty; write a path such as /api/, or a URL such as https://api.example.com/")
    if prefix.startswith("/"):
        return _checked_path(prefix)
    found = _SCHEME.match(prefix)
    if found is None:
        instead = "https://host/path or /path" if prefix[0] in ":*" else f"https://{prefix} or /{prefix}"
        raise ValueError(f"has neither a scheme nor a leading slash; write {instead}")
    scheme = found[1].lower()
    if scheme not in _DEFAULT_PORTS:
        instead = {"ws": "http://", "wss": "https://"}.get(scheme, "http:// or https://")
        raise ValueError(f"has the scheme {scheme}, which no request comes with; write {instead}")
    rest = prefix[found.end() :]
    if not rest:
        return f"{scheme}://"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = _checked_path(rest[len(authority) :])
    return f"{scheme}://{_normal_authority(scheme, authority)}{'' if path.startswith('/') else '/'}{path}"


def _checked_path(path: str) -> str:
    if "#" in path:
        raise ValueError(
            f"has a fragment, which is never sent; leave out {path[path.index('#') :]}, or write %23 for '#'"
        )
    encoded = quote(path, safe=_PATH_SAFE)
    if encoded != path:
        what = "white space or control characters" if path.isascii() else "characters that are not ASCII"
        raise ValueError(f"has {what}; percent-encode them: {encoded}")
    return path


def _normal_authority(scheme: str, authority: str) -> str:
    if not authority:
        raise ValueError(f"has no host; write {scheme}://host/path")
    if "@" in authority:
        raise ValueError(
            f"has user information, which no URL here carries; leave out {authority.rpartition('@')[0]}@"
        )
    if "*" in authority:
        example = re.escape(authority.replace("*", "").lstrip(".")).replace("\\-", "-") or r"example\.com"
        raise ValueError(f"has a '*' in its host; write {{regex: '^{scheme}://[^/]*\\.{example}/'}}")
    if not authority.isascii():
        raise ValueError(f"has a host that is not ASCII; write it in punycode{_punycode_hint(authority)}")
    found = _HOST_AND_PORT.fullmatch(authority)
    if found is None:
        raise ValueError(
            f"has a malformed host {authority!r}; write {scheme}://host/path or {scheme}://host:port/path"
        )
    host, port = found["host"].lower(), found["port"]
    if host.startswith("["):
        _check_ipv6(host)
    if not port or port == _DEFAULT_PORTS[scheme]:
        return host
    if port.startswith("0") or len(port) > 5 or int(port) > 65535:
        raise ValueError(f"has the port {port}; write a number from 1 to 65535 without leading zeros")
    return f"{host}:{port}"


def _check_ipv6(host: str) -> None:
    try:
        IPv6Address(host[1:-1])
    except ValueError as error:
        raise ValueError(f"has a malformed IPv6 address {host}: {error}") from None


def _punycode_hint(authority: str) -> str:
    try:
        return f": {authority.encode('idna').decode('ascii')}"
    except UnicodeError:
        return ""


class PrefixTable:
    """Which numbers belong to prefixes of a text, by one bisection however many and however nested they are.

    A prefix covers an interval of all sorted strings, from itself to what follows its last extension.
    Intervals nest or are disjoint, so their ends cut the line into slots, each with one innermost
    prefix; what holds for that prefix and those around it is computed here, once.
    """

    __slots__ = ("_bounds", "_first", "_open")

    def __init__(self, entries: Iterable[tuple[str, int, bool]], none: int) -> None:
        """``entries`` are (prefix, number, whether no more must hold); ``none`` is above all numbers."""
        complete: dict[str, int] = {}
        unfinished: dict[str, list[int]] = {}
        for prefix, number, is_complete in entries:
            if is_complete:
                complete[prefix] = min(number, complete.get(prefix, none))
            else:
                unfinished.setdefault(prefix, []).append(number)
        self._bounds: list[str] = []
        self._first = [complete.get("", none)]
        self._open: list[_Open] = [(tuple(unfinished[""]), None) if "" in unfinished else None]
        stack: list[tuple[str, int, _Open]] = [("", self._first[0], self._open[0])]
        for prefix in sorted((complete.keys() | unfinished.keys()) - {""}):
            while not prefix.startswith(stack[-1][0]):
                self._close(stack)
            _, first, opened = stack[-1]
            if prefix in unfinished:
                opened = (tuple(unfinished[prefix]), opened)
            stack.append((prefix, min(first, complete.get(prefix, none)), opened))
            self._cut(prefix, stack[-1])
        while len(stack) > 1:
            self._close(stack)

    def _close(self, stack: list[tuple[str, int, _Open]]) -> None:
        prefix = stack.pop()[0]
        self._cut(prefix[:-1] + chr(ord(prefix[-1]) + 1), stack[-1])

    def _cut(self, bound: str, innermost: tuple[str, int, _Open]) -> None:
        if self._bounds and self._bounds[-1] == bound:
            del self._bounds[-1], self._first[-1], self._open[-1]
        self._bounds.append(bound)
        self._first.append(innermost[1])
        self._open.append(innermost[2])

    def first(self, text: str) -> int:
        """Return the lowest number for which a prefix of ``text`` is all that must hold, or ``none``."""
        return self._first[bisect_right(self._bounds, text)]

    def unfinished(self, text: str) -> list[int]:
        """Return the numbers of prefixes of ``text`` for which more must hold, in no order."""
        numbers: list[int] = []
        opened = self._open[bisect_right(self._bounds, text)]
        while opened is not None:
            here, opened = opened
            numbers += here
        return numbers
