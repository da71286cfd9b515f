"""What a wire parser calls where every field is wanted one by one.

httptools makes two objects and a call for each field, which plain heads (``message.plain``) do
without: connections have no ``on_header`` of their own, nor other callbacks that only heads in
pieces need, and parsers for all other heads get these.
"""

from collections.abc import Callable
from typing import Final, Protocol

#: As ``get_http_version`` writes them.
HTTP_VERSIONS: Final = {"1.1": (1, 1), "1.0": (1, 0)}


class Connection(Protocol):
    """The callbacks of a connection; one has ``on_url`` too, the other ``collect_phrase``."""

    def collect_field(self, name: bytes, value: bytes) -> None:
        """Take a field of a head or of a trailer section."""

    def begin_message(self) -> None:
        """Take the first byte of a message."""

    def on_headers_complete(self) -> None:
        """Take the end of a head."""

    def on_body(self, data: bytes) -> None:
        """Take a piece of a body."""

    def on_message_complete(self) -> None:
        """Take the end of a message."""


class FieldCallbacks:
    """The callbacks of a connection, and ``on_header``."""

    on_url: Callable[[bytes], None]
    on_status: Callable[[bytes], None]

    def __init__(self, connection: Connection) -> None:
        self.on_header = connection.collect_field
        self.on_message_begin = connection.begin_message
        self.on_headers_complete = connection.on_headers_complete
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete
        for name, collect in (("on_url", "on_url"), ("on_status", "collect_phrase")):
            callback = getattr(connection, collect, None)
            if callback is not None:
                setattr(self, name, callback)
