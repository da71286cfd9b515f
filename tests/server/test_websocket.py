"""WebSockets through the proxy, between a client and a server that others wrote."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from tests.server.conftest import PATIENCE, Start

if TYPE_CHECKING:
    from tests.conftest import Certificates

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


#: The fixture ``dial``: connects through the proxy, with options of the client's.
Dial: TypeAlias = Callable[..., connect]


@pytest.fixture(params=["plain", "tls"])
async def dial(
    request: pytest.FixtureRequest, server: Server, start: Start, certificates: "Certificates"
) -> AsyncIterator[Dial]:
    """Serve behind a proxy: all in plain TCP, or with TLS to the proxy and TLS to the server."""
    secure = request.param == "tls"
    shown = certificates.cert("here"), certificates.key("here")
    ca = certificates.cert("ca")
    listen, scheme, upstream, theirs, ours = "127.0.0.1:0", "http", "", None, None
    if secure:
        listen = f"{{address: '127.0.0.1:0', tls: {{cert: '{shown[0]}', key: '{shown[1]}'}}}}"
        scheme, upstream = "https", f"tls: {{ca: '{ca}'}}"
        theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        theirs.load_cert_chain(*shown)
        ours = ssl.create_default_context(cafile=ca)
    async with serve(server.serve, "127.0.0.1", 0, max_size=None, ssl=theirs) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        wire = await start(
            "tracing: {sample_rate: 100, rules: [{match: /}]}",
            listen=listen,
            upstream=upstream,
            targets=[f"{scheme}://127.0.0.1:{port}"],
        )
        yield partial(connect, f"ws{'s' * secure}://{wire.authority}/chat", ssl=ours)


async def test_ten_thousand_messages_come_back_in_order(dial: Dial, server: Server) -> None:
    async with dial() as client:
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


async def test_a_large_message_passes_without_compression_too(dial: Dial) -> None:
    data = bytes(range(256)) * (LARGE // 256)
    async with dial(compression=None, max_size=None) as client:
        await client.send(data)
        assert await client.recv() == data


async def test_a_close_from_the_client(dial: Dial, server: Server) -> None:
    async with dial() as client:
        await client.close(4000, "enough")
    async with asyncio.timeout(PATIENCE):
        while not server.codes:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert server.codes == [4000]


async def test_a_close_from_the_server(dial: Dial) -> None:
    async with dial() as client:
        await client.send("close")
        with pytest.raises(ConnectionClosedError):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4001, "as told")


async def test_pings_pass(dial: Dial) -> None:
    async with dial() as client:
        async with asyncio.timeout(PATIENCE):
            await (await client.ping(b"are you there"))
        await client.close()
        with pytest.raises(ConnectionClosedOK):
            await client.recv()
