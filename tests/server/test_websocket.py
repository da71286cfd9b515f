"""WebSockets through the proxy, between a client and a server that others wrote."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from tests.server.conftest import PATIENCE, Start

MESSAGES = 10_000
LARGE = 4 << 20


class Server:
    """Echoes what it gets, until it is told to close."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.codes: list[int | None] = []
        self.extensions: list[list[str]] = []

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.requests.append(dict(connection.request.headers.raw_items()))
        self.extensions.append([extension.name for extension in connection.protocol.extensions])
        try:
            async for message in connection:
                if message == "close":
                    await connection.close(4001, "as told")
                    break
                await connection.send(message)
            await connection.wait_closed()
        finally:
            self.codes.append(connection.close_code)


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def url(server: Server, start: Start) -> AsyncIterator[str]:
    async with serve(server.serve, "127.0.0.1", 0, max_size=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        wire = await start("tracing: {sample_rate: 100, rules: [{match: /}]}", port=port)
        yield f"ws://{wire.authority}/chat"


async def test_ten_thousand_messages_come_back_in_order(url: str, server: Server) -> None:
    async with connect(url) as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]

        async def send() -> None:
            for number in range(MESSAGES):
                await client.send(f"message {number}" if number % 2 else b"%d" % number)

        sending = asyncio.create_task(send())
        for number in range(MESSAGES):
            assert await client.recv() == (f"message {number}" if number % 2 else b"%d" % number)
        await sending
    assert server.extensions == [["permessage-deflate"]]
    [request] = server.requests
    assert request["traceparent"].endswith("-01")
    assert request["tracestate"] == "dd=s:1;o:rum"


async def test_a_large_message_passes_without_compression_too(url: str) -> None:
    data = bytes(range(256)) * (LARGE // 256)
    async with connect(url, compression=None, max_size=None) as client:
        await client.send(data)
        assert await client.recv() == data


async def test_a_close_from_the_client(url: str, server: Server) -> None:
    async with connect(url) as client:
        await client.close(4000, "enough")
    async with asyncio.timeout(PATIENCE):
        while not server.codes:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert server.codes == [4000]


async def test_a_close_from_the_server(url: str) -> None:
    async with connect(url) as client:
        await client.send("close")
        with pytest.raises(ConnectionClosedError):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4001, "as told")


async def test_pings_pass(url: str) -> None:
    async with connect(url) as client:
        async with asyncio.timeout(PATIENCE):
            await (await client.ping(b"are you there"))
        await client.close()
        with pytest.raises(ConnectionClosedOK):
            await client.recv()
