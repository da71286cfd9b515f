"""Back-pressure: a transport is read only while nobody holds it."""

import asyncio
from typing import Final

# Why a transport is not read, as bits: on the path of every request, where enum's flags cost more
# than what they guard.

#: The other leg's write buffer is full.
PEER_FULL: Final = 1
#: A request is parsed and waits for the one before it.
EXCHANGE_BUSY: Final = 2
#: A body comes and there is no upstream connection to write it to.
NOT_CONNECTED: Final = 4
#: An upgrade is offered: whether what follows is a request is the upstream's to say.
OFFER_PENDING: Final = 8


class ReadGate:
    """Pauses the reading of one transport while at least one hold is on."""

    __slots__ = ("_transport", "holds")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.holds = 0

    def hold(self, hold: int) -> None:
        """Stop reading until this and every other hold is released."""
        if not self.holds and not self._transport.is_closing():
            self._transport.pause_reading()
        self.holds |= hold

    def release(self, hold: int) -> None:
        """Take holds off."""
        if not self.holds & hold:
            return
        self.holds &= ~hold
        if not self.holds and not self._transport.is_closing():
            self._transport.resume_reading()
