"""A worker: the data plane in a process of its own, which does what the supervisor says.

It pays no heed to signals, which are for the supervisor. When that is gone, it drains and ends.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain

from proxy.app.group.channel import Channel, Message
from proxy.app.group.messages import Kind, Order, Sockets, write_gauges
from proxy.app.group.signals import IGNORED
from proxy.app.serving import Prepared, Serving, TraceLimits, settle_garbage
from proxy.config.compile import Cap
from proxy.config.load import load_text
from proxy.config.problem import ConfigError
from proxy.observability.metrics import Metrics
from proxy.observability.shared_block import SharedBlock
from proxy.server.group_limits import GroupCrowd, GroupMemory, GroupTraceLimit
from proxy.tracecontext.ids import IdSource

_LOG = logging.getLogger(__name__)


class Worker:
    """One worker, from the supervisor's first message to its last."""

    _places: Mapping[Cap, int]

    def __init__(self, sock: socket.socket) -> None:
        self._messages: asyncio.Queue[tuple[Message, list[int]]] = asyncio.Queue()
        self._channel = Channel(sock, self._receive, self._lose_supervisor)
        self._serving: Serving | None = None
        self._prepared: tuple[int, Prepared] | None = None
        self._places = {}
        self._settled = False
        self._error: str | None = None  # why it never served
        self._actions: Mapping[Kind, Callable[[Message, list[int]], Awaitable[None]]] = {
            Kind.START: self._start,
            Kind.PREPARE: self._prepare,
            Kind.COMMIT: self._commit,
            Kind.HEALTH: self._set_healthy,
            Kind.DISCARD: self._discard,
        }

    async def run(self) -> int:
        """Serve until told to drain; return the exit status: 0, or 1 where requests were cut short."""
        while True:
            message, descriptors = await self._messages.get()
            kind = Kind(message["kind"])
            if kind is Kind.DRAIN:
                break
            await self._actions[kind](message, descriptors)
        clean = True
        if self._serving is not None:
            clean = await self._serving.drain()
            self._serving.close()
        return 0 if clean and self._error is None else 1

    def _receive(self, message: Message, descriptors: list[int]) -> None:
        if message["kind"] == Kind.GAUGES:
            # At once: a scrape waits for it, and another message may take long.
            self._channel.send(write_gauges(() if self._serving is None else self._serving.gauges()))
        else:
            self._messages.put_nowait((message, descriptors))

    def _lose_supervisor(self) -> None:
        _LOG.error("the channel to the supervisor ended; this worker finishes what is in flight and ends")
        self._messages.put_nowait(({"kind": Kind.DRAIN}, []))

    async def _start(self, message: Message, descriptors: list[int]) -> None:
        counts, group = descriptors
        memory = GroupMemory(group)
        self._serving = Serving(
            Metrics(SharedBlock(counts)),
            bytes.fromhex(message["secret"]),
            IdSource(os.urandom),
            trace_limits=TraceLimits(lambda cap: GroupTraceLimit(memory, self._places[cap], cap.per_second)),
            crowd=GroupCrowd(memory, message["worker"], message["workers"]),
        )

    async def _prepare(self, message: Message, descriptors: list[int]) -> None:
        assert self._serving is not None
        order, sockets = Order.parse(message, descriptors)
        self._places = order.caps
        error = None
        try:
            prepared = await asyncio.to_thread(self._compile, self._serving, order, sockets)
            self._prepared = order.generation, prepared
        except (ConfigError, OSError) as refused:
            error = str(refused)
            for sock in chain.from_iterable(sockets.values()):
                sock.close()
        self._channel.send({"kind": Kind.PREPARED, "generation": order.generation, "error": error})
        if error is not None and not self._settled:
            self._error = error
            _LOG.error("this worker cannot serve: %s", error)
            self._messages.put_nowait(({"kind": Kind.DRAIN}, []))

    @staticmethod
    def _compile(serving: Serving, order: Order, sockets: Sockets) -> Prepared:
        config = load_text(order.text, order.path, order.environ).config
        return serving.prepare(config, sockets)

    async def _commit(self, message: Message, descriptors: list[int]) -> None:
        assert self._serving is not None
        if self._prepared is None or self._prepared[0] != message["generation"]:
            return
        generation, prepared = self._prepared
        self._prepared = None
        await self._serving.commit(
            prepared, [(upstream, target) for upstream, target in message["unhealthy"]]
        )
        if not self._settled:
            self._settled = True
            settle_garbage()
        self._channel.send({"kind": Kind.SERVING, "generation": generation})

    async def _set_healthy(self, message: Message, descriptors: list[int]) -> None:
        if self._serving is not None:
            self._serving.set_healthy(message["upstream"], message["target"], message["healthy"])

    async def _discard(self, message: Message, descriptors: list[int]) -> None:
        if self._prepared is not None:
            self._prepared[1].listeners.discard()
            self._prepared = None


def main(descriptor: int, number: int) -> int:
    """Run a worker whose supervisor is at the other end of a socket; return the exit status."""
    import uvloop

    for each in IGNORED:
        signal.signal(each, signal.SIG_IGN)
    # The supervisor starts this process with them blocked.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s %(levelname)s worker {number}: %(message)s",
    )

    gc.freeze()  # what is imported stays

    async def run() -> int:
        return await Worker(socket.socket(fileno=descriptor)).run()

    with contextlib.suppress(BrokenPipeError), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
