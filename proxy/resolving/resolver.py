"""Names to addresses, as the system resolves them, without anybody waiting for somebody else's name server.

The system's resolver blocks, for ten seconds and more where no server answers, and cannot be stopped. In
a pool of threads a few such names hold up every other one, and the end of the process.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

from aiohappyeyeballs import AddrInfoType


class Resolver:
    """Looks names up: one thread for each that is being looked up, however many ask for it.

    So there are no more threads than names, and whoever asks for one whose server is silent may give up:
    the lookup goes on, for those who ask next.
    """

    __slots__ = ("_under_way",)

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], asyncio.Future[Sequence[AddrInfoType]]] = {}

    async def resolve(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Return the addresses of a name, in the order that they are to be tried in, with a port for TCP.

        Raises:
            OSError: there are none, or nobody can tell.
        """
        name = host, port
        found = self._under_way.get(name)
        if found is None:
            found = self._under_way[name] = asyncio.get_running_loop().create_future()
            found.add_done_callback(lambda done: self._end(name, done))
            self._begin(host, port, found)
        return await asyncio.shield(found)

    def _begin(self, host: str, port: int, found: "asyncio.Future[Sequence[AddrInfoType]]") -> None:
        # The end of the process waits for no daemon.
        thread = Thread(target=_look_up, args=(host, port, found), name="resolver", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            found.set_exception(OSError(str(error)))

    def _end(self, name: tuple[str, int], done: "asyncio.Future[Sequence[AddrInfoType]]") -> None:
        del self._under_way[name]
        if not done.cancelled():
            done.exception()  # seen, though all who asked may have given up


def numeric(address: AddrInfoType) -> tuple[str, int]:
    """Return an address in digits, with the scope of one in IPv6, and the port."""
    host, _ = socket.getnameinfo(address[4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return host, address[4][1]


def _look_up(host: str, port: int, found: "asyncio.Future[Sequence[AddrInfoType]]") -> None:
    """In a thread: ask the system, and have the loop tell."""
    addresses: Sequence[AddrInfoType] = ()
    failure: OSError | None = None
    try:
        # As bytes: for a text, the codec of international names is loaded.
        addresses = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    except OSError as error:
        failure = error
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        found.get_loop().call_soon_threadsafe(_tell, found, addresses, failure)


def _tell(
    found: "asyncio.Future[Sequence[AddrInfoType]]",
    addresses: Sequence[AddrInfoType],
    failure: OSError | None,
) -> None:
    if found.done():
        return
    if failure is None:
        found.set_result(addresses)
    else:
        found.set_exception(failure)
