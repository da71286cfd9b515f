"""What the supervisor and its workers say to each other."""

import base64
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from proxy.app.group.channel import Message
from proxy.app.serving import Gauges
from proxy.config.compile import Cap
from proxy.observability import catalog
from proxy.server.listener_set import Key

#: Listening sockets by the entry of ``listen`` that they are of.
Sockets: TypeAlias = Mapping[Key, Sequence[socket.socket]]


class Kind(StrEnum):
    """What a message is about."""

    # To a worker.
    START = "start"  # who it is, with its block of counts and the group's memory
    PREPARE = "prepare"  # make ready for a config
    COMMIT = "commit"  # serve by it
    DISCARD = "discard"  # forget it
    HEALTH = "health"  # whether a target is healthy from now on
    GAUGES = "gauges"  # tell what is open now; also the answer
    DRAIN = "drain"  # finish, and end

    # To the supervisor.
    PREPARED = "prepared"  # with an error, or without
    SERVING = "serving"  # by the config of this generation


@dataclass(frozen=True, slots=True)
class Order:
    """A config for the workers: the very text that the supervisor validated, and what it bound for it."""

    generation: int
    path: Path
    environ: Mapping[str, str]
    text: bytes
    caps: Mapping[Cap, int]  # where the buckets of the caps on traces are

    def message(self, sockets: Sockets) -> tuple[Message, Sequence[int]]:
        """Return the message for a worker, and the descriptors of listening sockets that it lacks."""
        message = {
            "kind": Kind.PREPARE,
            "generation": self.generation,
            "path": str(self.path),
            "environ": dict(self.environ),
            "text": base64.b64encode(self.text).decode("ascii"),
            "caps": [[cap.rule, cap.per_second, place] for cap, place in self.caps.items()],
            "listeners": [[*key, len(each)] for key, each in sockets.items()],
        }
        return message, [sock.fileno() for each in sockets.values() for sock in each]

    @classmethod
    def parse(
        cls, message: Message, descriptors: list[int]
    ) -> tuple["Order", dict[Key, list[socket.socket]]]:
        """Return the order of a message, and the sockets that came with it."""
        order = cls(
            message["generation"],
            Path(message["path"]),
            message["environ"],
            base64.b64decode(message["text"]),
            {Cap(rule, per_second): place for rule, per_second, place in message["caps"]},
        )
        came = iter(descriptors)
        sockets = {
            (address, number): [socket.socket(fileno=next(came)) for _ in range(count)]
            for address, number, count in message["listeners"]
        }
        return order, sockets


def write_gauges(gauges: Gauges) -> Message:
    """Return the message that tells gauges."""
    return {
        "kind": Kind.GAUGES,
        "gauges": [
            [metric.name, [[labels, value] for labels, value in values.items()]] for metric, values in gauges
        ],
    }


def read_gauges(message: Message) -> Gauges:
    """Give the gauges of a message."""
    for name, values in message["gauges"]:
        yield _GAUGES[name], {tuple(labels): value for labels, value in values}


_GAUGES = {
    metric.name: metric for metric in (catalog.CONNECTIONS, catalog.IN_FLIGHT, catalog.UPSTREAM_HEALTHY)
}
