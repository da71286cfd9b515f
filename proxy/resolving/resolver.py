"""Names to addresses, as the system resolves them, without anybody waiting for somebody else's name server.

The system's resolver blocks, for ten seconds and more where no server answers, and cannot be stopped. In
a pool of threads a few such names hold up every other one, and the end of the process.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias

from aiohappyeyeballs import AddrInfoType

_Found: TypeAlias = "asyncio.Future[Sequence[AddrInfoType]]"


class Resolver:
    """Looks names up: one thread for each that is being looked up, however many ask for it.

    So there are no more threads than names, and whoever asks for one whose server is silent may give up:
    the lookup goes on, for those who ask next.
    """

    __slots__ = ("_idle", "_under_way")

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], _Found] = {}
        self._idle: list[_Lookups] = []

    async def resolve(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Return the addresses of a name, in the order that they are to be tried in, with a port for TCP.

        Raises:
            OSError: there are none, or nobody can tell.
        """
        found = self._under_way.get((host, port))
        if found is None:
            found = self._begin(host, port)
        return await asyncio.shield(found)

    def _begin(self, host: str, port: int) -> _Found:
        try:
            lookups = self._idle.pop() if self._idle else _Lookups()
        except RuntimeError as error:  # there can be no further thread
            raise OSError(str(error)) from None
        found: _Found = asyncio.get_running_loop().create_future()
        self._under_way[host, port] = found

        def end(done: _Found) -> None:
            del self._under_way[host, port]
            self._idle.append(lookups)
            if not done.cancelled():
                done.exception()  # seen, though all who asked may have given up

        found.add_done_callback(end)
        lookups.add(host, port, found)
        return found


class _Lookups:
    """A thread that looks names up, one after another: to start one for each would double what they cost."""

    __slots__ = ("_wanted",)

    def __init__(self) -> None:
        self._wanted: SimpleQueue[tuple[str, int, _Found] | None] = SimpleQueue()
        # The end of the process waits for no daemon.
        Thread(target=_look_up_all, args=(self._wanted,), name="resolver", daemon=True).start()

    def __del__(self) -> None:
        self._wanted.put(None)

    def add(self, host: str, port: int, found: _Found) -> None:
        """Have a name looked up, and ``found`` told."""
        self._wanted.put((host, port, found))


def numeric(address: AddrInfoType) -> tuple[str, int]:
    """Return an address in digits, with the scope of one in IPv6, and the port."""
    host, _ = socket.getnameinfo(address[4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return host, address[4][1]


def _look_up_all(wanted: "SimpleQueue[tuple[str, int, _Found] | None]") -> None:
    """In a thread: ask the system, and have the loop tell."""
    while (name := wanted.get()) is not None:
        _look_up(*name)
        del name  # or it would be kept until the next one, with all who hold on to it


def _look_up(host: str, port: int, found: _Found) -> None:
    addresses: Sequence[AddrInfoType] = ()
    failure: OSError | None = None
    try:
        # As bytes: for a text, the codec of international names is loaded.
        addresses = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    except OSError as error:
        failure = error
    except Exception as error:  # the last resort: whoever waits is told, and the thread goes on
        failure = OSError(f"{type(error).__name__}: {error}")
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        found.get_loop().call_soon_threadsafe(_tell, found, addresses, failure)


def _tell(found: _Found, addresses: Sequence[AddrInfoType], failure: OSError | None) -> None:
    if found.done():
        return
    if failure is None:
        found.set_result(addresses)
    else:
        found.set_exception(failure)
