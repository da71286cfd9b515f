"""Two connections joined after an upgrade: bytes pass both ways, unread.

Each way has back-pressure of its own: who is not written to is not read from. The end of one way
is passed on as such; a failure of either side cuts both, so that no stream looks complete.
"""

import asyncio
from collections.abc import Callable

from proxy.server.clock import clock
from proxy.server.transport import abort


class TunnelEnd(asyncio.Protocol):
    """One side of a tunnel: what it reads, the other side writes."""

    __slots__ = ("_ended", "_tunnel", "other", "transport")
    other: "TunnelEnd"

    def __init__(self, tunnel: "Tunnel", transport: asyncio.Transport) -> None:
        self._tunnel = tunnel
        self.transport = transport
        self._ended = False

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        self._tunnel.touch()
        if not self.other.transport.is_closing():
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass on that no more comes; the other way stays open where the transports can do so."""
        self._ended = True
        other = self.other.transport
        if self.other._ended or not other.can_write_eof() or not self.transport.can_write_eof():
            other.close()
            return False
        other.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side: in order, or by a reset where this one was cut off."""
        self._ended = True
        other = self.other.transport
        if exc is None:
            other.close()
        else:
            abort(other)
        self._tunnel.lose(self)

    def pause_writing(self) -> None:
        """Read no more from the other side than this one takes."""
        if not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on at the other side."""
        self._tunnel.touch()
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class Tunnel:
    """A client's connection and an upstream's, joined; the data plane sweeps it as it does a connection."""

    __slots__ = ("_ends", "_idle_timeout", "_on_end", "_open", "deadline")

    #: No request is in flight on it: that ended with its 101.
    current = None
    idle = False

    def __init__(
        self,
        downstream: asyncio.Transport,
        upstream: asyncio.Transport,
        *,
        idle_timeout: float,
        on_end: Callable[["Tunnel"], None],
    ) -> None:
        """``on_end`` is called once both connections are lost."""
        self._ends = (TunnelEnd(self, downstream), TunnelEnd(self, upstream))
        self._ends[0].other, self._ends[1].other = self._ends[1], self._ends[0]
        self._open = set(self._ends)
        self._idle_timeout = idle_timeout
        self._on_end = on_end
        self.deadline = clock() + idle_timeout

    def join(
        self, from_client: bytes, from_upstream: bytes, *, client_full: bool, client_ended: bool
    ) -> None:
        """Take both transports over, and begin with what came behind the two heads."""
        downstream, upstream = self._ends
        for end in self._ends:
            end.transport.set_protocol(end)
            end.transport.resume_reading()
        if client_full:
            downstream.pause_writing()
        if from_client:
            downstream.data_received(from_client)
        if from_upstream:
            upstream.data_received(from_upstream)
        if client_ended and not downstream.eof_received():
            downstream.transport.close()

    def touch(self) -> None:
        """Note that something passed."""
        self.deadline = clock() + self._idle_timeout

    def lose(self, end: TunnelEnd) -> None:
        """Note that one connection is gone."""
        self._open.discard(end)
        if not self._open:
            self._on_end(self)

    # The data plane's side.

    def wind_down(self, now: float) -> None:
        """Stay until the drain ends: nobody can tell when the two are done."""

    def close(self) -> None:
        """Close both sides once what was read is written."""
        for end in self._ends:
            end.transport.close()

    def cut(self) -> None:
        """End at once."""
        for end in self._ends:
            abort(end.transport)

    def expire(self, now: float) -> None:
        """End a tunnel in which nothing passed for too long."""
        if any(end.transport.get_write_buffer_size() for end in self._ends):
            self.cut()
        else:
            self.close()
