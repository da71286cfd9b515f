"""Load at a rate, and load where there is no wrk: ``python -m bench.generator PORT``, see ``--help``.

With ``--rate`` requests come at random (Poisson) whether or not earlier ones are answered, and how long
each took counts from when it was due: a proxy that stalls is charged for all who waited. Without a rate
each connection sends again as soon as it is answered. Prints one JSON object.
"""

import argparse
import gc
import json
import random
import re
import select
import socket
import sys
import time
from collections import deque
from statistics import quantiles

from bench.requests import Kind, encode

#: How long answers are waited for in the end, seconds.
PATIENCE = 2.0
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


class Connection:
    """One connection, and what it waits for."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._missing: int | None = None
        self._head = b""

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due then."""
        self.due = due
        self._missing, self._head = None, b""
        self.sock.sendall(request)

    def receive(self) -> bool:
        """Take what came; return whether the answer is complete."""
        data = self.sock.recv(262_144)
        if not data:
            raise ConnectionError("the proxy closed a connection")
        if self._missing is None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._missing = self._body_length(self._head[:end]) - (len(self._head) - end - 4)
        else:
            self._missing -= len(data)
        return self._missing == 0

    def _body_length(self, head: bytes) -> int:
        found = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200") or found is None:
            raise RuntimeError(f"not the answer that was expected: {head.decode(errors='replace')}")
        return int(found[1])


class Generator:
    """Sends requests of a kind over so many connections."""

    def __init__(self, port: int, kind: Kind, connections: int) -> None:
        self._requests = encode(kind, time.monotonic_ns() // 1000)
        self._all = [Connection(port) for _ in range(connections)]
        self._by_descriptor = {each.sock.fileno(): each for each in self._all}
        self._idle = deque(self._all)
        self._poll = select.epoll()
        for descriptor in self._by_descriptor:
            self._poll.register(descriptor, select.EPOLLIN)
        self.took: list[float] = []

    def run(self, seconds: float, rate: float | None) -> float:
        """Send for so long; return how many seconds it was until the last answer."""
        began = time.perf_counter()
        end = began + seconds
        waiting: deque[float] = deque()
        due = began
        while True:
            now = time.perf_counter()
            if rate is None:
                waiting.extend([now] * len(self._idle) if now < end else [])
            else:
                while due <= now and due < end:
                    waiting.append(due)
                    due += random.expovariate(rate)
            while waiting and self._idle:
                self._idle.popleft().send(next(self._requests), waiting.popleft())
            if now >= end and not waiting and len(self._idle) == len(self._all):
                return now - began
            if now >= end + PATIENCE:
                return now - began
            self._receive(min(due, end + PATIENCE) - now if rate is not None else PATIENCE)

    def _receive(self, patience: float) -> None:
        ready = self._poll.poll(0)
        if not ready:
            # epoll waits whole milliseconds, select to the microsecond.
            if not select.select([self._poll], [], [], max(0.0, patience))[0]:
                return
            ready = self._poll.poll(0)
        for descriptor, _ in ready:
            connection = self._by_descriptor[descriptor]
            if connection.receive():
                self.took.append(time.perf_counter() - connection.due)
                self._idle.append(connection)


def main() -> int:
    """Run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.generator")
    parser.add_argument("port", type=int)
    parser.add_argument("--kind", type=Kind, default=Kind.SAME)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rate", type=float, help="requests a second; left out: as many as are answered")
    arguments = parser.parse_args()
    generator = Generator(arguments.port, arguments.kind, arguments.connections)
    gc.disable()
    seconds = generator.run(arguments.seconds, arguments.rate)
    cuts = quantiles(generator.took, n=100)
    json.dump(
        {"requests": len(generator.took), "seconds": seconds, "p50": cuts[49], "p99": cuts[98]}, sys.stdout
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
