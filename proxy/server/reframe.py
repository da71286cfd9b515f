"""Framing what follows a request that offers an upgrade which nobody takes up.

llhttp stops framing at the head of any request with ``Connection: upgrade``, even one with a body.
A fresh parser, primed with the framing fields of that head alone, reads on where it stopped.
"""

from typing import Final, Protocol

import httptools

from proxy.message.head import RequestHead

_FRAMING_FIELDS: Final = (b"content-length", b"transfer-encoding")


class Callbacks(Protocol):
    """What a request parser calls."""

    def on_message_begin(self) -> None:
        """Take the first byte of a request."""

    def on_url(self, target: bytes) -> None:
        """Take a piece of the request target."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""

    def on_headers_complete(self) -> None:
        """Take the end of a head."""

    def on_body(self, data: bytes) -> None:
        """Take a piece of a body."""

    def on_message_complete(self) -> None:
        """Take the end of a request."""


class _Primed:
    """Passes callbacks on, but for those of the priming head."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self.priming = True

    def on_message_begin(self) -> None:
        if not self.priming:
            self._callbacks.on_message_begin()

    def on_url(self, target: bytes) -> None:
        if not self.priming:
            self._callbacks.on_url(target)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.priming:
            self._callbacks.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.priming:
            self._callbacks.on_headers_complete()

    def on_body(self, data: bytes) -> None:
        self._callbacks.on_body(data)

    def on_message_complete(self) -> None:
        self._callbacks.on_message_complete()


def parse_after_offer(callbacks: Callbacks, head: RequestHead | None) -> httptools.HttpRequestParser:
    """Return a parser for the bytes behind ``head``, whose body is yet to come; None: it has none."""
    if head is None:
        return httptools.HttpRequestParser(callbacks)
    primed = _Primed(callbacks)
    parser = httptools.HttpRequestParser(primed)
    lines = [b"POST / HTTP/1.1", b"Host: primed"]
    lines += [
        b": ".join(field)
        for field, name in zip(head.fields, head.names, strict=True)
        if name in _FRAMING_FIELDS
    ]
    parser.feed_data(b"\r\n".join([*lines, b"\r\n"]))
    primed.priming = False
    return parser
