"""One client connection: its requests are answered in the order they came.

Requests behind the current one wait in a queue, and reading pauses while one does.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from proxy.client import Client
from proxy.exchange import Exchange
from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.framing import NO_BODY, request_framing
from proxy.message.head import RequestHead
from proxy.message.upgrade import offered_protocols
from proxy.server.clock import clock
from proxy.server.flow_control import EXCHANGE_BUSY, NOT_CONNECTED, OFFER_PENDING, PEER_FULL, ReadGate
from proxy.server.relay import Relay
from proxy.server.request_reader import RequestReader
from proxy.server.transport import abort, peer_address
from proxy.server.tunnel import Tunnel

if TYPE_CHECKING:
    from proxy.server.data_plane import DataPlane, ListenerFacts

#: How long a closed connection is still read, so that the answer is not lost to a reset, seconds.
LINGER_SECONDS: Final = 2.0
#: How long a drain waits for the request that an idle client may be sending just now, seconds.
DRAIN_GRACE_SECONDS: Final = 0.5


class DownstreamConnection(RequestReader):
    """The wire side of one client: the exchanges of its requests, one at a time."""

    __slots__ = (
        "_advancing",
        "_client",
        "_closing",
        "_eof",
        "_listener",
        "_queue",
        "_took_at",
        "_transport",
        "_unsent_when_checked",
        "current",
        "deadline",
        "full",
        "gate",
    )
    _transport: asyncio.Transport
    gate: ReadGate

    def __init__(self, plane: "DataPlane", listener: "ListenerFacts") -> None:
        super().__init__(plane)
        self._listener = listener
        self._queue: deque[Relay] = deque()
        self._advancing = False
        self._closing = False
        self._eof = False
        self._unsent_when_checked = 0
        self._took_at = 0.0
        self._client: Client | None = None
        self.current: Relay | None = None
        self.deadline = 0.0
        self.full = False  # the client takes less than there is to write

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away where there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self.gate = ReadGate(self._transport)
        plane = self.plane
        # In a drain it is idle as others are, unless its first request is on its way.
        self.deadline = clock() + (DRAIN_GRACE_SECONDS if plane.draining else plane.limits.header_timeout)
        if not plane.admit(self):
            detail = f"there are more than {plane.limits.connections} connections"
            self._refuse(RefusedMessage(ErrorKind.OVERLOAD, detail))

    def data_received(self, data: bytes) -> None:
        """Parse what came and pass it on in one write."""
        if self._closing:
            return
        started = clock()
        if self.current is None:
            if not self._head_began:
                self._head_began = True
                self.deadline = started + self.plane.limits.header_timeout
        elif self._closes_after_last():
            return
        self._read(data, started)
        relay = self.current
        if relay is not None and relay.unsent:
            relay.write_upstream(started)

    def eof_received(self) -> bool:
        """Answer what was asked before the client closed its side; a request cut short is an error."""
        self._eof = True
        receiving = self._receiving
        if receiving is not None:
            self._receiving = None
            receiving.refuse(RefusedMessage(ErrorKind.BAD_REQUEST, "the connection ended before the request"))
        if self.current is None:
            self._transport.close()
            return False
        return self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is in flight: nobody waits for it."""
        self._closing = True
        self.plane.forget(self)
        relay = self.current
        if relay is not None:
            relay.leave()
            self._close_exchange(relay, clock())
        self._queue.clear()

    def pause_writing(self) -> None:
        """Stop reading the response while the client does not take it."""
        self.full = True
        self._unsent_when_checked = 0
        if self.current is not None:
            self.current.hold_upstream()

    def resume_writing(self) -> None:
        """Read the response again."""
        self.full = False
        if self.current is not None:
            self.current.release_upstream()

    # The relay's side.

    def write(self, parts: list[bytes]) -> None:
        """Write the parts in order, in one piece."""
        if self._transport.is_closing():
            return
        self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def finish(self, relay: Relay, now: float) -> None:
        """End an exchange whose response is written at ``now``, and turn to the next one."""
        self.current = None
        if self._receiving is relay:
            self._receiving = None
        plane = self.plane
        limits = plane.limits
        plane.observe(relay.exchange.close(now - relay.head_at))
        if self._held is not None and not self._queue and relay.persist and self._read_held(now):
            return
        if not relay.persist or (self._eof and not self._queue):
            self.close()
            return
        self.deadline = now + (limits.header_timeout if self._head_began else limits.keepalive_timeout)
        if plane.draining and not self._queue and not self._in_head:
            # The client was not told: its next request may be on its way.
            self.deadline = now + DRAIN_GRACE_SECONDS
        elif self._queue:
            self._advance()

    def join(
        self,
        relay: Relay,
        upstream: asyncio.Transport,
        early: bytes,
        idle_timeout: float,
        on_end: Callable[[], None],
        now: float,
    ) -> None:
        """End an exchange that upgraded the connection at ``now``, and leave it to a tunnel."""
        plane = self.plane

        def forget(tunnel: Tunnel) -> None:
            plane.forget(tunnel)
            on_end()

        self._close_exchange(relay, now)
        self._closing = True
        tunnel = Tunnel(self._transport, upstream, idle_timeout=idle_timeout, on_end=forget)
        plane.connections.discard(self)
        plane.connections.add(tunnel)
        tunnel.join(self._held or b"", early, client_full=self.full, client_ended=self._eof)

    def abort(self, relay: Relay) -> None:
        """Cut the connection so that the answer cannot look complete."""
        relay.leave()
        self._close_exchange(relay, clock())
        self._closing = True
        abort(self._transport)

    def close(self) -> None:
        """Close once everything is written; read on for a moment, so that the client can read the answer."""
        if self._closing:
            return
        self._closing = True
        self._queue.clear()
        self.deadline = clock() + LINGER_SECONDS
        if self._eof or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self.gate.release(PEER_FULL | EXCHANGE_BUSY | NOT_CONNECTED | OFFER_PENDING)

    # The data plane's side.

    @property
    def idle(self) -> bool:
        """Whether no request is in flight or has begun to come."""
        return self.current is None and not self._head_began

    def wind_down(self, now: float) -> None:
        """Close soon, unless a request that is on its way comes first."""
        self.deadline = min(self.deadline, now + DRAIN_GRACE_SECONDS)

    def cut(self) -> None:
        """End at once; an answer that was not begun says why."""
        relay = self.current
        if relay is None:
            self._transport.abort()
        elif relay.answering:
            self.abort(relay)
        else:
            relay.refuse(RefusedMessage(ErrorKind.DRAINING, "the proxy is going down"))

    def expire(self, now: float) -> None:
        """Act on a deadline that passed."""
        unsent = self._transport.get_write_buffer_size()
        if unsent and self._takes_some(unsent, now):
            return
        if self._closing:
            self._transport.abort()
        elif self.current is not None:
            self.current.expire()
        elif self._in_head:
            detail = f"the request head did not come within {self.plane.limits.header_timeout:g} s"
            self._refuse(RefusedMessage(ErrorKind.REQUEST_TIMEOUT, detail))
        else:
            self.close()

    def _takes_some(self, unsent: int, now: float) -> bool:
        """Whether a client for whom so many bytes wait took any of late, and is given more time."""
        limits = self.plane.limits
        if unsent != self._unsent_when_checked:
            self._unsent_when_checked = unsent
            self._took_at = now
        elif now - self._took_at >= limits.body_timeout:
            return False
        self.deadline = now + limits.stall_check
        return True

    def _take_request(self, head: RequestHead, started: float) -> None:
        if (self.current is not None or self._closing) and self._closes_after_last():
            # It came in the read of a request that ends the connection.
            return
        framing = request_framing(head)
        plane, client = self.plane, self._client
        if client is None or client.policy is not plane.policy:
            client = self._identify()
        relay = Relay(self, Exchange(client, plane.ids, plane.wall_clock()), head, framing)
        if framing is NO_BODY and head.plain:
            relay.request_complete = True
        else:
            self._receiving = relay
        if self.current is None:
            self.current = relay
            relay.begin(started)
        else:
            self._queue.append(relay)
            self.gate.hold(EXCHANGE_BUSY)

    def _identify(self) -> Client:
        transport, listener = self._transport, self._listener
        self._client = client = Client(
            self.plane.policy,
            listener.scheme,
            peer_address(transport),
            listener.authority,
            certificate=listener.tls and bool(transport.get_extra_info("peercert")),
        )
        return client

    def _closes_after_last(self) -> bool:
        last = self._queue[-1] if self._queue else self.current
        return self._closing or (last is not None and last.request_complete and not last.persist)

    def _refuse(self, refused: RefusedMessage) -> None:
        self._in_head = self._head_began = False
        receiving, self._receiving = self._receiving, None
        if receiving is None:
            head = RequestHead(b"", b"", [], (1, 1))
            exchange = Exchange(self._identify(), self.plane.ids, self.plane.wall_clock())
            receiving = Relay(self, exchange, head, NO_BODY)
            if self.current is None:
                self.current = receiving
                receiving.head_at = clock()
            else:
                self._queue.append(receiving)
        receiving.refuse(refused)
        if not self._closing:
            self.gate.hold(EXCHANGE_BUSY)

    def _last_offers(self) -> bool:
        last = self._queue[-1] if self._queue else self.current
        offers = last is not None and not last.has_body and offered_protocols(last.head) is not None
        if offers and not self._closing:
            self.gate.hold(OFFER_PENDING)
        return offers

    def _read_held(self, now: float) -> bool:
        """Read what came behind an offer that the upstream did not take up: requests.

        Return whether one of them is in flight, or ended the connection.
        """
        held, self._held = self._held, None
        self.gate.release(OFFER_PENDING)
        if held:
            self._read(held, now)
        if self.current is not None:
            self.current.write_upstream(now)
        return self.current is not None or self._closing

    def _advance(self) -> None:
        """Begin queued requests until one is in flight; a loop, since any of them may end at once."""
        if self._advancing:
            return
        self._advancing = True
        while self.current is None and self._queue and not self._closing:
            relay = self.current = self._queue.popleft()
            if not self._queue:
                self.gate.release(EXCHANGE_BUSY)
            now = clock()
            relay.exchange.started = self.plane.wall_clock()
            relay.begin(now)
            relay.write_upstream(now)
        self._advancing = False

    def _close_exchange(self, relay: Relay, now: float) -> None:
        """Hand the record of an exchange over."""
        if self.current is relay:
            self.current = None
        if self._receiving is relay:
            self._receiving = None
        self.plane.observe(relay.exchange.close(now - relay.head_at))
