"""Heads that pass unread: none of their fields frames, routes, forwards or traces a message.

Most requests and responses have such a head, and come whole in one read. Their lines go on as they
came, and no field is looked at. The wire parser sees the same bytes and holds them to the grammar.
"""

import re

from proxy.message.head import OWS

# Beginnings of the names of fields that somebody here reads, after "\n" for a quick search. They
# cover more than is needed: whoever is taken for marked is read field by field, which is never wrong.
_MARKED_IN_REQUEST = re.compile(rb"\n(?:x[-_][bdf]|tr|te:|b[3a]|con|kee|pro|upg|forw|exp)")
_MARKED_IN_RESPONSE = re.compile(
    rb"\n(connection|content-length|keep-alive|proxy-connection|te|transfer-encoding|upgrade):"
)
_FIRST_LETTER = ord("A")
_KEPT_ALIVE = b"\r\nconnection: keep-alive\r\n"


def split_plain_request(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the field lines and the value of Host, where ``data`` is one request with a plain head.

    Such a request has no body: what announces one is a mark.
    """
    end = len(data) - 4
    if data.find(b"\r\n\r\n") != end or end <= 0 or data[0] < _FIRST_LETTER:
        return None
    start = data.find(b"\r\n")
    lowered = data[start:end].lower()
    host = lowered.find(b"\r\nhost:")
    if host < 0 or lowered.find(b"\r\nhost:", host + 7) >= 0 or _MARKED_IN_REQUEST.search(lowered):
        return None
    lines = data[start:end]
    host_end = lines.find(b"\r\n", host + 7)
    value = lines[host + 7 :] if host_end < 0 else lines[host + 7 : host_end]
    return lines, value.strip(OWS)


def split_plain_response(data: bytes) -> tuple[bytes, bytes] | None:
    """Return reason phrase and field lines for the client, where ``data`` begins with a plain final response.

    Such a response keeps its connection open and has one Content-Length.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or not data.startswith(b"HTTP/1.1 ") or not b"2" <= data[9:10] <= b"9":
        return None
    start = data.find(b"\r\n")
    lowered = data[start : end + 2].lower()
    marks = _MARKED_IN_RESPONSE.findall(lowered)
    phrase = data[13:start]
    if marks == [b"content-length"]:
        return phrase, data[start:end]
    if len(marks) != 2 or b"content-length" not in marks:
        return None
    line = lowered.find(_KEPT_ALIVE)
    if line < 0:
        return None
    line += start
    return phrase, data[start:line] + data[line + len(_KEPT_ALIVE) - 2 : end]
