"""URLs for records: who asked with which secret is not written down.

Query keys are kept and values replaced, whichever way a server splits a query: a value ends at ``&``
alone, so that nothing behind a ``;`` in it is taken for a key; an encoded ``=`` ends a key too.
"""

import re

#: What stands for what is not told.
REDACTED = "REDACTED"

_VALUE = re.compile(r"(=|%3[Dd])[^&]+")
# A piece without "=" is a flag (?wsdl) or a value whose key everybody knows (?eyJhbGciOi...).
_BARE = re.compile(r"(?<![^&])(?![A-Za-z_.\-]{1,32}(?![^&]))(?:(?!%3[Dd])[^&=])+(?![^&])")
_USER = re.compile(r"(?<=://)[^/?#]*@")


def redact_query(query: str) -> str:
    """Return a query with its keys alone; of what has no key, only what looks like a name."""
    return _VALUE.sub(rf"\1{REDACTED}", _BARE.sub(REDACTED, query))


def redact_url(url: str) -> str:
    """Return a URL without user information and without the values of its query."""
    before, mark, query = url.partition("?")
    if "@" in before:
        before = _USER.sub(f"{REDACTED}@", before)
    return f"{before}?{redact_query(query)}" if mark else before
