"""What an expression or a prefix says about the URLs that it matches, as far as `check` needs it."""

import re

import re2
from proxy.policy.rules import compile_regex

_ANY = re.compile(r"\^?(https\?://)?(\.[*+]\??)?(\$)?|[.^$/]|://|\^?https\?://|\^?\.\+")
_LITERAL = re.compile(r"(?:[A-Za-z0-9:/_~%&=@,;!'\"<>#` -]|\\[^A-Za-z0-9]|\.(?![*+?{]))+")
_SCHEME = re.compile(r"\^?\(?(?:\?:)?(https?)://")
_STARTS = (b"http://", b"https://")
#: No word character, and in no expression that people write.
_OTHER = "\x01"
_BOUND_LENGTH = 32


def matches_every_url(regex: str) -> bool:
    """Return whether an expression is one of the common ways to write "everything"."""
    return _ANY.fullmatch(regex) is not None


def literal_prefix(regex: str) -> str | None:
    """Return the prefix that an expression stands for; None where it is more than that."""
    body = regex.removeprefix("^")
    if body.endswith(".*"):
        body = body[:-2]
    if not (regex.startswith("^") or _SCHEME.match(body)) or not _LITERAL.fullmatch(body):
        return None
    text = _unescape(body)
    return text if re.match(r"https?://.", text) else None


def scheme_of(pattern: str) -> str | None:
    """Return the only scheme that a prefix or an expression can match; None where it is any."""
    found = _SCHEME.match(pattern)
    return None if found is None else found[1]


def matches_no_url(regex: str) -> bool:
    r"""Return whether a valid expression can match nothing that begins with http:// or https://.

    Only of expressions that hold to the start of the URL is that said; in doubt it is False.
    """
    # Whether \b and \B hold depends on what is in front, which the probe for anchors puts there.
    if r"\b" in regex or r"\B" in regex or not _is_anchored(regex):
        return False
    bounds = _bounds(regex)
    return bounds is not None and not any(_in_reach(*bounds, start) for start in _STARTS)


def _is_anchored(regex: str) -> bool:
    """Return whether nothing can match behind another character."""
    if "^" not in regex and r"\A" not in regex:
        return False
    behind = f"{_OTHER}(?:{regex})"
    try:
        # Where the expression holds to the start, the search ends at the character before it.
        ends = _bounds(behind) == (_OTHER.encode(), _OTHER.encode())
        return ends and compile_regex(behind).search(_OTHER) is None
    except ValueError:  # \Q without \E takes the bracket in
        return False


def _bounds(regex: str) -> tuple[bytes, bytes] | None:
    """Return the least and the greatest text that an expression can match, both rounded."""
    try:
        return compile_regex(regex).possiblematchrange(_BOUND_LENGTH)
    except re2.error:
        return None


def _in_reach(least: bytes, greatest: bytes, start: bytes) -> bool:
    """Return whether some text between the bounds is the beginning of a URL with this start."""
    if any(least <= start[:length] <= greatest for length in range(len(start))):
        return True
    return greatest >= start and least <= start + b"\xff" * _BOUND_LENGTH


def instead_of(regex: str) -> str:
    """Return what to write in place of an expression that ``matches_no_url``."""
    body = regex.removeprefix("^")
    plain = body.removesuffix(".*")
    simple = body != regex and "^" not in body.replace("[^", "") and r"\A" not in body
    if "://" in body:
        return "begin it with ^https?://"
    if not simple:
        return "begin it with ^https?:// and the host, or with ^https?://[^/]*/ for any"
    if not body.startswith("/") and not (_bounds(regex) or (b"",))[0].startswith(b"/"):
        return f"^https?://{body}"
    anywhere = f"^https?://[^/]*{body}"
    if not _LITERAL.fullmatch(plain):
        return anywhere
    return f"prefix: {_unescape(plain)}, or regex: {anywhere}"


def _unescape(literal: str) -> str:
    return re.sub(r"\\(.)", r"\1", literal)
