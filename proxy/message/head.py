"""Request and response heads, as received.

Fields keep the order, case and bytes they came with. A value may keep trailing white space (the
wire parser drops only what leads), so whoever parses a value strips it, and whoever forwards one
does not.
"""

from collections.abc import Set
from typing import Final

from proxy.message.encode import encode_response_head
from proxy.message.lines import Field, encode_lines, parse_fields

__all__ = [
    "OWS",
    "Field",
    "Head",
    "PlainRequestHead",
    "PlainResponseHead",
    "RequestHead",
    "ResponseHead",
    "context_of",
]

OWS: Final = b" \t"

#: Connection fields that say no more than what HTTP/1.1 does anyway.
_KEEP_ALIVE: Final = frozenset({b"keep-alive", b"Keep-Alive"})


class Head:
    """Fields beside their lower-case names, so that nothing lower-cases a name twice.

    ``lines`` are the same fields as bytes, each with the CRLF before it; as they came where they
    came in one piece. Where only these are given they are split when somebody asks for a field.
    ``version`` is (1, 0) or (1, 1). ``plain`` tells whether no field is one that is read here
    (``message.plain``).
    """

    __slots__ = ("_fields", "_names", "_present", "lines", "plain", "version")

    def __init__(
        self,
        fields: list[Field] | None,
        lines: bytes | None = None,
        version: tuple[int, int] = (1, 1),
        *,
        plain: bool = False,
    ) -> None:
        self._fields = fields
        self._names: list[bytes] | None = None
        self._present: set[bytes] | None = None
        self.lines = encode_lines(fields or ()) if lines is None else lines
        self.version = version
        self.plain = plain

    @property
    def fields(self) -> list[Field]:
        """The fields in order."""
        fields = self._fields
        if fields is None:
            fields = self._fields = parse_fields(self.lines)
        return fields

    @property
    def names(self) -> list[bytes]:
        """Their names in lower case, in the same order."""
        names = self._names
        if names is None:
            names = self._names = [name.lower() for name, _ in self.fields]
        return names

    @property
    def present(self) -> set[bytes]:
        """The names as a set."""
        present = self._present
        if present is None:
            present = self._present = set(self.names)
        return present

    def lines_without(self, gone: Set[bytes]) -> bytes:
        """Return the field lines but for those whose lower-case name is in ``gone``."""
        found = self.present.intersection(gone)
        if not found:
            return self.lines
        names = self.names
        if len(found) == 1:
            name = found.pop()
            if names.count(name) == 1:
                before, line, after = self.lines.partition(b"\r\n%b: %b" % self.fields[names.index(name)])
                if line and (not after or after.startswith(b"\r\n")):
                    return before + after
        rows = self.lines.split(b"\r\n")
        del rows[0]  # what is before the first CRLF
        return b"".join([b"\r\n" + row for row, name in zip(rows, names, strict=True) if name not in gone])

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of the field ``name`` (lower case) without OWS, or None."""
        if name not in self.present:
            return None
        return self.fields[self.names.index(name)][1].strip(OWS)

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the values of every field ``name`` (lower case) in order, without OWS."""
        if name not in self.present:
            return []
        return [
            field[1].strip(OWS) for field, lower in zip(self.fields, self.names, strict=True) if lower == name
        ]

    def get_list(self, name: bytes) -> list[bytes]:
        """Return the lower-case elements, none empty, of a comma-separated field (RFC 9110, 5.6.1)."""
        if name not in self.present:
            return []
        joined = b",".join(self.get_all(name)).lower()
        return [element for part in joined.split(b",") if (element := part.strip(OWS))]

    @property
    def persists(self) -> bool:
        """Whether the sender keeps the connection open (RFC 9112, 9.3).

        llhttp reads nothing behind a message with ``Proxy-Connection: close`` either.
        """
        current = self.version == (1, 1)
        if b"proxy-connection" in self.present and b"close" in self.get_list(b"proxy-connection"):
            return False
        if b"connection" not in self.present:
            return current
        names = self.names
        if names.count(b"connection") == 1 and self.fields[names.index(b"connection")][1] in _KEEP_ALIVE:
            return True
        options = self.get_list(b"connection")
        return b"close" not in options and (current or b"keep-alive" in options)


class RequestHead(Head):
    """The head of a request: ``method`` and ``target`` are the bytes of the request line.

    ``host`` is the value of the one Host field; None: there is none, or more than one.
    """

    __slots__ = ("host", "method", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        fields: list[Field],
        version: tuple[int, int] = (1, 1),
        lines: bytes | None = None,
    ) -> None:
        Head.__init__(self, fields, lines, version)
        self.method = method
        self.target = target
        names = self.names
        self.host: bytes | None = None
        if names.count(b"host") == 1:
            self.host = fields[names.index(b"host")][1].strip(OWS)


class ResponseHead(Head):
    """The head of a response."""

    __slots__ = ("phrase", "status")

    def __init__(
        self,
        status: int,
        phrase: bytes,
        fields: list[Field],
        version: tuple[int, int] = (1, 1),
        lines: bytes | None = None,
    ) -> None:
        Head.__init__(self, fields, lines, version)
        self.status = status
        self.phrase = phrase

    def encode(self, lines: bytes) -> bytes:
        """Return the head as bytes, with these field lines."""
        return encode_response_head(self.status, self.phrase, lines)


class PlainRequestHead(RequestHead):
    """The head of a request that was found plain (``message.plain``): its fields are split when asked for.

    ``context`` has the fields that tell of its trace, each at most once; None: there are none. ``bare``
    are its lines less those of ``context``, ``length`` the bytes of its body, ``count`` its fields.
    """

    __slots__ = ("bare", "context", "count", "length")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        lines: bytes,
        host: bytes,
        length: int,
        bare: bytes,
        count: int,
        context: Head | None = None,
    ) -> None:
        self._fields = self._names = self._present = None
        self.lines = lines
        self.version = (1, 1)
        self.plain = True
        self.method = method
        self.target = target
        self.host = host
        self.length = length
        self.bare = bare
        self.count = count
        self.context = context

    @property
    def persists(self) -> bool:
        """Whether the client keeps the connection open."""
        return True


class PlainResponseHead(ResponseHead):
    """The head of a response that was found plain; it may stand for all that begin with the same bytes.

    ``received`` is all of it, ``sent`` the same less its Connection field, ``length`` the bytes of body
    behind it. Its first line ends at ``start``.
    """

    __slots__ = ("length", "received", "sent")

    def __init__(self, received: bytes, sent: bytes, start: int, length: int) -> None:
        self._fields = self._names = self._present = None
        self.lines = sent[start:-4]
        self.version = (1, 1)
        self.plain = True
        self.status = int(received[9:12])
        self.phrase = received[13:start]
        self.received = received
        self.sent = sent
        self.length = length

    @property
    def persists(self) -> bool:
        """Whether the upstream keeps the connection open."""
        return True

    def encode(self, lines: bytes) -> bytes:
        """Return the head as bytes, with these field lines."""
        return self.sent if lines is self.lines else encode_response_head(self.status, self.phrase, lines)


def context_of(head: RequestHead) -> Head | None:
    """Return the head to look for the fields of a trace context in; None: there are none."""
    return head.context if isinstance(head, PlainRequestHead) else head
