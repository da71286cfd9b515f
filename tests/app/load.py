"""Clients that never pause, and an upstream that answers them at once, on a loop in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, Self

_REQUEST = b"GET /api/ HTTP/1.1\r\nHost: load.test\r\n\r\n"
_LAST_REQUEST = b"GET /api/ HTTP/1.1\r\nHost: load.test\r\nConnection: close\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Load:
    """Every other client keeps its connection; ``failures`` says what went wrong with requests.

    ``refused`` is how many clients ended because nobody listened.
    """

    def __init__(self) -> None:
        self.served = 0
        self.refused = 0
        self.failures: list[str] = []
        self.upstream_url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stopping = False
        self._clients: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._serve())
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def begin(self, port: int, clients: int = 8) -> None:
        """Send requests to a port until told to stop, or nobody listens there any more."""
        self._stopping = False
        self._do(self._begin(port, clients))

    def stop(self) -> None:
        """Send no more, and wait for the answers that are under way."""
        self._stopping = True
        self.wait()

    def wait(self) -> None:
        """Wait until every client has ended."""
        self._do(self._join())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1000)
        self.upstream_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_ANSWER)
        writer.close()

    async def _begin(self, port: int, clients: int) -> None:
        for number in range(clients):
            request = _REQUEST if number % 2 else _LAST_REQUEST
            self._clients.append(asyncio.create_task(self._run(port, request)))

    async def _join(self) -> None:
        await asyncio.gather(*self._clients)
        self._clients.clear()

    async def _run(self, port: int, request: bytes) -> None:
        while not self._stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except (ConnectionRefusedError, ConnectionResetError):
                # Or reset before it was connected: the listener closed at that moment.
                self.refused += 1
                return
            try:
                while not self._stopping and await self._ask(reader, writer, request):
                    pass
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
        """Return whether another request may follow."""
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.failures.append(repr(error))
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            self.failures.append(repr(head))
            return False
        self.served += 1
        return b"connection: close" not in head.lower()

    async def _close(self) -> None:
        self._server.close()
