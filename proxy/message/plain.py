"""Messages that pass unread: no field of theirs frames, routes or forwards them.

Most requests and responses are so, and come whole in one read. Their lines go on as they came, and
no field is looked at but those of a W3C trace context. Peers say the same fields again and again, so
a connection keeps the last ones that were found plain: the same bytes need no second look.

What is found here is held to the grammar by the wire parser, which sees the same bytes.
"""

import re
from typing import Final

from proxy.message.head import OWS, Head, PlainRequestHead, PlainResponseHead

#: Fields that are longer are not kept, bytes: what an idle connection costs stays small.
KEPT_BYTES: Final = 2048

# Beginnings of the names of fields that somebody here reads, after "\n" for a quick search. They
# cover more than is needed: whoever is taken for marked is read field by field, which is never wrong.
_MARKED_IN_REQUEST: Final = re.compile(
    rb"\n(?:x[-_][bdf]|tr|te:|b[3a]|con(?!nection: keep-alive(?![^\r])|tent-)|http2|kee|pro|upg|forw|exp)"
)
# Context fields as nearly everybody writes them; others are marked.
_TRACEPARENT: Final = b"\r\ntraceparent: "
_TRACESTATE: Final = b"\r\ntracestate: "
_MARKED_IN_RESPONSE: Final = re.compile(
    rb"\n(connection|content-length|http2-settings|keep-alive|proxy-connection|te|transfer-encoding|upgrade):([^\r]*)"
)
# Not those that never have a body, whatever their Content-Length says. llhttp takes any byte in a phrase.
_PLAIN_STATUS: Final = re.compile(rb"HTTP/1\.1 (?!204|304)[2-9][0-9][0-9] [\t -~\x80-\xff]*\r\n")
_KEEP_ALIVE: Final = b"\r\nconnection: keep-alive"
_LENGTH: Final = b"\r\ncontent-length:"
_MOST_DIGITS: Final = 16
_KEPT_MARK: Final = (b"connection", b" keep-alive")
_VERSION: Final = b" HTTP/1.1"
# Of other methods some do not end as these do: CONNECT.
_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"POST", b"PUT", b"PATCH"})


class Findings:
    """What is to be known of plain field lines.

    ``host`` is the value of Host, ``ending`` the line that goes no further (``Connection: keep-alive``,
    or nothing), ``length`` the bytes of body that the lines announce, ``count`` how many lines there are.
    """

    __slots__ = ("count", "ending", "host", "length")

    def __init__(self, host: bytes, ending: bytes, length: int, count: int) -> None:
        self.host = host
        self.ending = ending
        self.length = length
        self.count = count


class PlainRequests:
    """Finds the plain requests of one connection."""

    __slots__ = ("_found", "_kept")

    def __init__(self) -> None:
        # The last field lines that were found plain, and what was found in them.
        self._kept: bytes | None = None
        self._found = Findings(b"", b"", 0, 0)

    def find(self, data: bytes) -> PlainRequestHead | None:
        """Return the head, where ``data`` is one request with a plain one, its body included."""
        # The first blank line, for whatever follows it: were it the last one, lines could end in the midst.
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        end = data.find(b"\r\n")
        target_end = end - len(_VERSION)
        method_end = data.find(b" ")
        if not 0 < method_end < target_end or data[target_end:end] != _VERSION:
            return None
        method, target = data[:method_end], data[method_end + 1 : target_end]
        # find(), for "in" first takes what is sought for a number.
        if not target or target.find(b" ") >= 0 or method not in _METHODS:
            return None
        lines = data[end:head_end]
        bare, context = lines, None
        if lines.find(b"\r\ntrace") >= 0:
            bare, context = _take_context(lines)
        if bare == self._kept:
            found: Findings | None = self._found
        else:
            found = look_at(bare)
            if found is not None and len(bare) <= KEPT_BYTES:
                self._kept, self._found = bare, found
        if found is None or found.length != len(data) - head_end - 4:
            return None
        count = found.count if context is None else found.count + len(context.fields)
        ending = found.ending
        if ending:
            bare = bare.replace(ending, b"", 1)
            lines = lines.replace(ending, b"", 1) if context is not None else bare
        return PlainRequestHead(method, target, lines, found.host, found.length, bare, count, context)


def _take_context(lines: bytes) -> tuple[bytes, Head]:
    """Return the lines less a traceparent and a tracestate, and these."""
    bare, traceparent = _take(lines, _TRACEPARENT)
    bare, tracestate = _take(bare, _TRACESTATE)
    fields = []
    if traceparent is not None:
        fields.append((b"traceparent", traceparent))
    if tracestate is not None:
        fields.append((b"tracestate", tracestate))
    return bare, Head(fields, b"")


def _take(lines: bytes, name: bytes) -> tuple[bytes, bytes | None]:
    before, found, rest = lines.partition(name)
    if not found:
        return lines, None
    end = rest.find(b"\r\n")
    return (before, rest) if end < 0 else (before + rest[end:], rest[:end])


def look_at(lines: bytes) -> Findings | None:
    """Return what is to be known of the field lines of a request, where they are plain."""
    lowered = lines.lower()
    host = lowered.find(b"\r\nhost:")
    if host < 0 or _MARKED_IN_REQUEST.search(lowered):
        return None
    if lowered.find(b"\r\nhost:", host + 7) >= 0:
        return None
    length = 0
    place = lowered.find(_LENGTH)
    if place >= 0:
        digits = _value(lines, place + len(_LENGTH))
        if not _is_length(digits) or lowered.find(_LENGTH, place + 1) >= 0:
            return None
        length = int(digits)
    kept = lowered.find(_KEEP_ALIVE)
    if kept >= 0 and lowered.find(_KEEP_ALIVE, kept + 1) >= 0:
        return None
    ending = lines[kept : kept + len(_KEEP_ALIVE)] if kept >= 0 else b""
    return Findings(_value(lines, host + 7), ending, length, lines.count(b"\r\n"))


def _is_length(digits: bytes) -> bool:
    """Whether it counts bytes in a usual way; llhttp judges all others."""
    return len(digits) < _MOST_DIGITS and digits.isdigit()


def _value(lines: bytes, start: int) -> bytes:
    end = lines.find(b"\r\n", start)
    return (lines[start:] if end < 0 else lines[start:end]).strip(OWS)


def find_plain_response(data: bytes) -> PlainResponseHead | None:
    """Return the head, where ``data`` is one final response with a plain one.

    Such a response keeps its connection open and has one Content-Length.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or not _PLAIN_STATUS.match(data):
        return None
    start = data.find(b"\r\n")
    lowered = data[start : end + 2].lower()
    length = None
    sent = received = data[: end + 4]
    for mark in _MARKED_IN_RESPONSE.findall(lowered):
        if mark[0] == b"content-length" and length is None:
            length = mark[1].strip(OWS)
        elif mark == _KEPT_MARK and sent is received:
            line = start + lowered.find(_KEEP_ALIVE + b"\r\n")
            sent = received[:line] + received[line + len(_KEEP_ALIVE) :]
        else:
            return None
    if length is None or not _is_length(length) or int(length) != len(data) - len(received):
        return None
    return PlainResponseHead(received, sent, start, int(length))
