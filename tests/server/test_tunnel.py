"""Upgrades: the handshake is one request, and what follows are bytes."""

import pytest

from tests.server.conftest import GET, OK, Peer, Start, Wire, fields_of

OFFER = (
    b"GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n"
)
IDLE = 60.0


async def upgrade(wire: Wire) -> tuple[Peer, Peer]:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, OFFER)
    await upstream.send(SWITCH)
    await client.head()
    return client, upstream


async def test_the_handshake_passes_with_its_trace_and_counts_at_once(start: Start) -> None:
    wire = await start("tracing: {sample_rate: 100, rules: [{match: /}]}")
    client = await wire.connect()
    upstream, head = await wire.forward(client, OFFER)
    assert head.startswith(b"GET /chat HTTP/1.1\r\n")
    fields = dict(fields_of(head))
    assert fields[b"Upgrade"] == b"websocket"
    assert fields[b"Connection"] == b"Upgrade"
    assert b"traceparent" in fields
    await upstream.send(SWITCH)
    assert dict(fields_of(await client.head())) == dict(fields_of(SWITCH))
    record = await wire.record()
    assert (record.status, record.error) == (101, None)
    assert wire.plane.in_flight == 0
    assert len(wire.plane.connections) == 1
    pool = wire.plane.upstreams["default"]
    assert (pool.connections, pool.in_flight) == (1, 0)


async def test_bytes_pass_both_ways(wire: Wire) -> None:
    client, upstream = await upgrade(wire)
    for data in (b"a", b"\0\r\n\r\n" * 1000, GET):
        await client.send(data)
        assert await upstream.exactly(len(data)) == data
        await upstream.send(data[::-1])
        assert await client.exactly(len(data)) == data[::-1]


async def test_bytes_behind_the_heads_are_the_tunnels(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, OFFER + b"early")
    await client.send(b" and late")
    await wire.turns()
    assert upstream.quiet
    await upstream.send(SWITCH + b"hello")
    await client.head()
    assert await client.exactly(5) == b"hello"
    assert await upstream.exactly(14) == b"early and late"


async def test_a_handshake_split_at_every_byte(wire: Wire) -> None:
    for place in range(1, len(OFFER)):
        client = await wire.connect()
        await client.send(OFFER[:place])
        await wire.turns(2)
        upstream, _ = await wire.forward(client, OFFER[place:] + b"x")
        await upstream.send(SWITCH[: place % len(SWITCH)])
        await wire.turns(2)
        await upstream.send(SWITCH[place % len(SWITCH) :] + b"y")
        await client.head()
        assert await client.exactly(1) == b"y"
        assert await upstream.exactly(1) == b"x"


@pytest.mark.parametrize("behind", [b"", GET, GET + GET], ids=["alone", "one-behind", "two-behind"])
async def test_an_offer_that_is_declined_is_a_request_like_others(wire: Wire, behind: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, OFFER + behind)
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    if not behind:
        await client.send(GET)
    for _ in range(max(1, len(behind) // len(GET))):
        assert (await upstream.head()).startswith(b"GET / HTTP/1.1\r\n")
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
    await wire.settled(lambda: not any(c.current for c in wire.plane.connections))
    await client.send(GET)
    await upstream.head()


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(OFFER.replace(b"websocket", b"h2c"), id="h2c"),
        pytest.param(OFFER.replace(b"websocket", b"websocket, H2C"), id="h2c-among-others"),
        pytest.param(OFFER.replace(b"websocket", b"HTTP/2.0"), id="http-2"),
        pytest.param(OFFER.replace(b"keep-alive, Upgrade", b"keep-alive"), id="not-named"),
        pytest.param(OFFER.replace(b"HTTP/1.1", b"HTTP/1.0"), id="http-1.0"),
        pytest.param(
            OFFER.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nhi"), id="body"
        ),
        pytest.param(
            OFFER.replace(b"GET", b"POST").replace(
                b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            ),
            id="chunked-body",
        ),
    ],
)
async def test_what_is_no_offer_here(wire: Wire, offer: bytes) -> None:
    client = await wire.connect()
    upstream, head = await wire.forward(client, offer)
    assert not {b"upgrade", b"http2-settings"} & {name.lower() for name, _ in fields_of(head)}
    await upstream.send(SWITCH)
    assert (await client.head()).startswith(b"HTTP/1.1 502 ")
    await upstream.gone()


@pytest.mark.parametrize(
    "switch",
    [
        pytest.param(SWITCH.replace(b"websocket", b"other"), id="other-protocol"),
        pytest.param(SWITCH.replace(b"websocket", b"websocket, other"), id="more"),
        pytest.param(SWITCH.replace(b"Connection: Upgrade", b"X-A: b"), id="no-connection"),
        pytest.param(SWITCH.replace(b"Upgrade: websocket\r\n", b""), id="no-upgrade"),
        pytest.param(SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"), id="length"),
    ],
)
async def test_a_switch_to_what_was_not_offered_is_an_error(wire: Wire, switch: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, OFFER)
    await upstream.send(switch)
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 502 ")
    assert b"upstream_protocol" in body
    await upstream.gone()


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        pytest.param(b"Connection: Upgrade\r\nUpgrade: websocket", [b"websocket"], id="as-it-should-be"),
        pytest.param(b"Upgrade: TLS/1.2, WebSocket/13", [b"TLS/1.2, WebSocket/13"], id="without-connection"),
        pytest.param(b"Connection: Upgrade\r\nUpgrade: HTTP/3.0", [b"HTTP/3.0"], id="http-3"),
        pytest.param(b"Upgrade: TLS/1.0, HTTP/1.1", [b"TLS/1.0, HTTP/1.1"], id="rfc-2817"),
        pytest.param(b"Connection: Upgrade\r\nUpgrade: h2c", [], id="http-2"),
        pytest.param(b"Upgrade: HTTP/2.0, h2c,,websocket", [b"websocket"], id="http-2-among-others"),
        pytest.param(b"X: y", [], id="none"),
    ],
)
async def test_a_426_says_which_protocol_it_asks_for(wire: Wire, asked: bytes, passed: list[bytes]) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 426 Upgrade Required\r\n%b\r\nContent-Length: 2\r\n\r\nno" % asked)
    head, body = await client.answer()
    assert (body, [value for name, value in fields_of(head) if name == b"Upgrade"]) == (b"no", passed)
    assert [value for name, value in fields_of(head) if name == b"Connection"] == [b"Upgrade"] * len(passed)
    await client.send(GET)
    assert await upstream.head()


async def test_the_version_of_a_protocol_is_its_own_affair(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, OFFER.replace(b"websocket", b"foo/1, WebSocket/13"))
    await upstream.send(SWITCH.replace(b"websocket", b"FOO/1.1"))
    assert b"\r\nUpgrade: foo/1.1\r\n" in (await client.head()).replace(b"FOO", b"foo")


async def test_each_way_ends_by_itself(wire: Wire) -> None:
    client, upstream = await upgrade(wire)
    client.end()
    assert await upstream.to_end() == b""
    await upstream.send(b"and still")
    assert await client.exactly(9) == b"and still"
    upstream.close()
    assert await client.to_end() == b""
    await wire.settled(lambda: not wire.plane.connections)
    assert not wire.plane.upstreams["default"].connections


async def test_the_upstream_may_end_first(wire: Wire) -> None:
    client, upstream = await upgrade(wire)
    upstream.end()
    assert await client.to_end() == b""
    await client.send(b"last words")
    assert await upstream.exactly(10) == b"last words"
    client.close()
    await upstream.gone()
    await wire.settled(lambda: not wire.plane.connections)


async def test_a_client_that_ends_before_the_switch(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, OFFER + b"all")
    client.end()
    await wire.turns()
    await upstream.send(SWITCH + b"bye")
    assert await upstream.to_end() == b"all"
    upstream.close()
    assert (await client.to_end()).endswith(b"\r\n\r\nbye")


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_a_reset_is_passed_on_as_one(wire: Wire, side: str) -> None:
    client, upstream = await upgrade(wire)
    failing, other = (client, upstream) if side == "client" else (upstream, client)
    failing.reset()
    await other.expect_reset()
    await wire.settled(lambda: not wire.plane.connections)


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_who_is_not_read_is_not_written_to(wire: Wire, side: str) -> None:
    client, upstream = await upgrade(wire)
    sender, reader = (client, upstream) if side == "client" else (upstream, client)
    sent = await sender.fill(b"x" * 65536)
    assert sent < 32 << 20
    assert await reader.exactly(sent) == b"x" * sent
    await sender.send(b"end")
    assert await reader.exactly(3) == b"end"


async def test_a_tunnel_that_idled_too_long_is_closed(wire: Wire) -> None:
    client, upstream = await upgrade(wire)
    wire.late(IDLE - 1)
    await wire.turns()
    assert client.quiet
    wire.late(IDLE + 1)
    assert await client.to_end() == b""
    assert await upstream.to_end() == b""
    await wire.settled(lambda: not wire.plane.connections)


async def test_a_drain_leaves_tunnels_until_its_end(wire: Wire) -> None:
    client, upstream = await upgrade(wire)
    wire.plane.drain()
    await client.send(b"x")
    assert await upstream.exactly(1) == b"x"
    assert wire.plane.in_flight == 0
    wire.plane.abort()
    await client.gone()
    await upstream.gone()


async def test_tunnels_count_as_connections(start: Start) -> None:
    wire = await start("limits: {connections: 1}")
    await upgrade(wire)
    second = await wire.connect()
    assert (await second.head()).startswith(b"HTTP/1.1 503 ")
