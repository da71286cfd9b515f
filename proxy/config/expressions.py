"""What an expression or a prefix says about the URLs that it matches, as far as a warning needs it."""

import re

_ANY = re.compile(r"\^?(https\?://)?(\.[*+]\??)?(\$)?|[.^$/]|://|\^?https\?://|\^?\.\+")
_LITERAL = re.compile(r"(?:[A-Za-z0-9:/_~%&=@,;!'\"<>#` -]|\\[^A-Za-z0-9]|\.(?![*+?{]))+")
_SCHEME = re.compile(r"\^?\(?(?:\?:)?(https?)://")


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
    text = re.sub(r"\\(.)", r"\1", body)
    return text if re.match(r"https?://.", text) else None


def scheme_of(pattern: str) -> str | None:
    """Return the only scheme that a prefix or an expression can match; None where it is any."""
    found = _SCHEME.match(pattern)
    return None if found is None else found[1]
