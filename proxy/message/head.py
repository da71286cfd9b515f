"""Request and response heads, as received.

Fields keep the order, case and bytes they came with. A value may keep trailing white space (the
wire parser drops only what leads), so whoever parses a value strips it, and whoever forwards one
does not.
"""

from typing import TypeAlias

#: (name, value) as received.
Field: TypeAlias = tuple[bytes, bytes]

OWS = b" \t"


class _Head:
    """Fields beside their lower-case names, so that nothing lower-cases a name twice."""

    __slots__ = ("fields", "names", "present")

    def __init__(self, fields: list[Field]) -> None:
        self.fields = fields
        self.names = [field[0].lower() for field in fields]
        self.present = set(self.names)

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


class RequestHead(_Head):
    """The head of a request: ``method`` and ``target`` are the bytes of the request line.

    ``version`` is (1, 0) or (1, 1).
    """

    __slots__ = ("method", "target", "version")

    def __init__(
        self, method: bytes, target: bytes, fields: list[Field], version: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__(fields)
        self.method = method
        self.target = target
        self.version = version


class ResponseHead(_Head):
    """The head of a response."""

    __slots__ = ("phrase", "status", "version")

    def __init__(
        self, status: int, phrase: bytes, fields: list[Field], version: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__(fields)
        self.status = status
        self.phrase = phrase
        self.version = version
