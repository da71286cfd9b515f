"""Heads that pass unread: none of their fields frames, routes, forwards or traces a message.

Most requests and responses have such a head, and come whole in one read. Their lines go on as they
came, and no field is looked at. Peers say the same fields again and again, so a connection keeps the
last ones that were found plain: what begins or ends with the same bytes needs no second look.

What is found here is held to the grammar by the wire parser, which sees the same bytes.
"""

import re

from proxy.message.head import OWS, PlainRequestHead, PlainResponseHead

#: Fields that are longer are not kept, bytes: what an idle connection costs stays small.
KEPT_BYTES = 2048

# Beginnings of the names of fields that somebody here reads, after "\n" for a quick search. They
# cover more than is needed: whoever is taken for marked is read field by field, which is never wrong.
_MARKED_IN_REQUEST = re.compile(rb"\n(?:x[-_][bdf]|tr|te:|b[3a]|con|kee|pro|upg|forw|exp)")
_MARKED_IN_RESPONSE = re.compile(
    rb"\n(connection|content-length|keep-alive|proxy-connection|te|transfer-encoding|upgrade):"
)
_FINAL_STATUS = re.compile(rb"HTTP/1\.1 [2-9][0-9][0-9][ \r]")
_KEPT_ALIVE = b"\r\nconnection: keep-alive\r\n"
_VERSION = b" HTTP/1.1"
# Of other methods some do not end as these do: CONNECT.
_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"POST", b"PUT", b"PATCH"})


class PlainRequests:
    """Finds the plain requests of one connection."""

    __slots__ = ("_host", "_lines", "_rest")

    def __init__(self) -> None:
        self._rest = b""  # what followed the last request line, and in it:
        self._lines = self._host = b""

    def find(self, data: bytes) -> PlainRequestHead | None:
        """Return the head, where ``data`` is one request with a plain one.

        Such a request has no body: what announces one is a mark.
        """
        end = data.find(b"\r\n")
        rest = data[end:]
        if rest == self._rest:
            lines, host = self._lines, self._host
        else:
            fields = split_request_fields(rest)
            if fields is None:
                return None
            lines, host = fields
            if len(rest) <= KEPT_BYTES:
                self._rest, self._lines, self._host = rest, lines, host
        method_end = data.find(b" ")
        target_end = end - len(_VERSION)
        method, target = data[:method_end], data[method_end + 1 : target_end]
        if not target or b" " in target or data[target_end:end] != _VERSION or method not in _METHODS:
            return None
        return PlainRequestHead(method, target, lines, host)


def split_request_fields(rest: bytes) -> tuple[bytes, bytes] | None:
    """Return the field lines and the value of Host, where ``rest``, all behind a request line, is plain."""
    end = len(rest) - 4
    if end <= 0 or rest.find(b"\r\n\r\n") != end:
        return None
    lines = rest[:end]
    lowered = lines.lower()
    host = lowered.find(b"\r\nhost:")
    if host < 0 or lowered.find(b"\r\nhost:", host + 7) >= 0 or _MARKED_IN_REQUEST.search(lowered):
        return None
    host_end = lines.find(b"\r\n", host + 7)
    value = lines[host + 7 :] if host_end < 0 else lines[host + 7 : host_end]
    return lines, value.strip(OWS)


def find_plain_response(data: bytes) -> PlainResponseHead | None:
    """Return the head, where ``data`` begins with a final response that has a plain one.

    Such a response keeps its connection open and has one Content-Length.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or not _FINAL_STATUS.match(data):
        return None
    start = data.find(b"\r\n")
    lowered = data[start : end + 2].lower()
    marks = _MARKED_IN_RESPONSE.findall(lowered)
    received, phrase = data[: end + 4], data[13:start]
    if marks == [b"content-length"]:
        return PlainResponseHead(received, phrase, data[start:end])
    if len(marks) != 2 or b"content-length" not in marks:
        return None
    line = lowered.find(_KEPT_ALIVE)
    if line < 0:
        return None
    line += start
    return PlainResponseHead(received, phrase, data[start:line] + data[line + len(_KEPT_ALIVE) - 2 : end])
