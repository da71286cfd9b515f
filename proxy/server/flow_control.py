"""Back-pressure: a transport is read only while nobody holds it."""

import asyncio
from enum import IntFlag


class Hold(IntFlag):
    """Why a transport is not read."""

    PEER_FULL = 1  # the other leg's write buffer is full
    EXCHANGE_BUSY = 2  # a request is parsed and waits for the one before it
    NOT_CONNECTED = 4  # a body comes and there is no upstream connection to write it to


class ReadGate:
    """Pauses the reading of one transport while at least one hold is on."""

    __slots__ = ("_holds", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holds = 0

    @property
    def open(self) -> bool:
        """Whether the transport is being read."""
        return not self._holds

    def hold(self, hold: Hold) -> None:
        """Stop reading until this and every other hold is released."""
        if not self._holds and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holds |= hold

    def release(self, hold: Hold) -> None:
        """Take one hold off."""
        if not self._holds & hold:
            return
        self._holds &= ~hold
        if not self._holds and not self._transport.is_closing():
            self._transport.resume_reading()
