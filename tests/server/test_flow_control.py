"""Back-pressure: a side that is not read from does not fill memory, and nothing stays held afterwards."""

import asyncio

from proxy.message.error import ErrorKind
from proxy.server.downstream import DownstreamConnection
from tests.server.conftest import GET, OK, Peer, Start, Wire

#: More than sockets and write buffers on the way take, and far less than what is sent.
BOUND = 24 << 20
SIZE = 64 << 20
PART = bytes(1 << 16)
BIG_OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE
BIG_POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % SIZE

CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"


def buffered(wire: Wire) -> int:
    """Bytes that the proxy holds for its clients."""
    return sum(
        connection._transport.get_write_buffer_size()
        for connection in wire.plane.connections
        if isinstance(connection, DownstreamConnection)
    )


async def send_zeros(peer: Peer, size: int) -> None:
    for _ in range(size // len(PART)):
        await peer.send(PART)


async def take(peer: Peer, size: int) -> None:
    while size > 0:
        data = await peer.receive()
        assert data
        size -= len(data)
    assert size == 0


async def test_a_slow_client_slows_the_upstream_down(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(BIG_OK)
    sent = await upstream.fill(PART)
    assert sent < BOUND
    assert buffered(wire) < 1 << 20
    await client.head()
    rest = wire.start(send_zeros(upstream, SIZE - sent - (SIZE - sent) % len(PART)))
    await take(client, SIZE - (SIZE - sent) % len(PART))
    await rest
    await upstream.send(bytes((SIZE - sent) % len(PART)))
    await take(client, (SIZE - sent) % len(PART))
    assert (await wire.record()).bytes == SIZE


async def test_a_slow_upstream_slows_the_client_down(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, BIG_POST)
    sent = await client.fill(PART)
    assert sent < BOUND
    rest = wire.start(send_zeros(client, SIZE - sent - (SIZE - sent) % len(PART)))
    await take(upstream, SIZE - (SIZE - sent) % len(PART))
    await rest
    await client.send(bytes((SIZE - sent) % len(PART)))
    await take(upstream, (SIZE - sent) % len(PART))
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"


async def test_a_body_waits_for_its_upstream_connection(wire: Wire) -> None:
    client = await wire.connect()
    await client.send(BIG_POST)
    sent = await client.fill(PART)
    assert sent < BOUND
    upstream = await wire.accept()
    await upstream.head()


async def end_an_answer_that_does_not_fit(wire: Wire, client: Peer, upstream: Peer) -> None:
    """Answer a request so that the last piece is what fills the proxy's write buffer."""
    await client.send(GET)
    await upstream.head()
    await upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not buffered(wire):
        await upstream.send(b"2000\r\n" + bytes(0x2000) + b"\r\n")
        await wire.turns()
    await upstream.send(b"20000\r\n" + bytes(0x20000) + b"\r\n0\r\n\r\n")
    await wire.settled(lambda: len(wire.records) == 2)
    assert buffered(wire) > 0x10000


async def test_a_slow_client_does_not_hold_the_upstream_connection_for_the_next_one(wire: Wire) -> None:
    slow, upstream = await wire.reach()
    await end_an_answer_that_does_not_fit(wire, slow, upstream)
    other = await wire.connect()
    await other.send(GET)
    await upstream.head()
    await upstream.send(OK)
    assert (await other.answer())[1] == b"ok"
    await slow.head()
    body, _ = await slow.chunked()
    assert not body.strip(b"\0")


async def test_a_full_client_slows_the_next_answer_down_too(wire: Wire) -> None:
    slow, upstream = await wire.reach()
    await end_an_answer_that_does_not_fit(wire, slow, upstream)
    other = await wire.connect()
    await other.send(GET)
    await upstream.head()
    # The slow client's next answer comes on another connection than the one before.
    second, _ = await wire.forward(slow, GET)
    await second.send(BIG_OK)
    sent = await second.fill(PART)
    assert sent < BOUND
    assert buffered(wire) < 1 << 20
    await slow.head()
    await slow.chunked()
    await slow.head()
    await take(slow, sent)


async def test_answers_to_pipelined_requests_that_nobody_reads_do_not_pile_up(wire: Wire) -> None:
    size = 4 << 20
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
    wire.serve(lambda head: response)
    client = await wire.connect(receive_buffer=65536)
    await client.send(GET * 40)
    for _ in range(2000):
        await asyncio.sleep(0)
    assert buffered(wire) < 2 * size
    for _ in range(40):
        assert len((await client.answer())[1]) == size


async def test_an_answer_that_nobody_takes_is_cut_off(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(BIG_OK)
    await upstream.fill(PART)
    wire.late(61)
    wire.late(122)
    wire.late(183)
    await upstream.gone()
    assert len(await client.expect_reset()) < BOUND
    assert (await wire.record()).status == 200


async def test_who_takes_nothing_is_waited_for_as_a_client(start: Start) -> None:
    wire = await start("limits: {body_timeout: 5s}")
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(BIG_OK)
    await upstream.fill(PART)
    # Far less than timeouts.idle; once to see how much there is, then to see that it stays so.
    for seconds in (1.3, 2.6, 3.9, 5.2):
        wire.late(seconds)
    assert wire.plane.in_flight == 1
    wire.late(6.5)
    await upstream.gone()
    await client.expect_reset()
    record = await wire.record()
    assert (record.status, record.error) == (200, ErrorKind.REQUEST_TIMEOUT)


async def test_a_slow_reader_that_reads_is_not_cut_off(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(BIG_OK)
    for minute in range(1, 6):
        await upstream.fill(PART)
        wire.late(61 * minute)
        await take(client, len(await client.receive()) and 0)
        for _ in range(64):
            await client.receive()
        await wire.turns()
    assert wire.plane.in_flight == 1


async def test_the_rest_of_a_request_that_was_answered_early_is_dropped(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, BIG_POST)
    await client.fill(PART)
    await upstream.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 403 ")
    assert body == b"no"
    await upstream.gone()


async def test_the_connection_goes_on_after_the_rest_of_a_request_answered_early(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(
        client, b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello"
    )
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    await client.send(b"world" + GET)
    other = await wire.accept()
    assert (await other.head()).startswith(b"GET / ")
    await other.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert [record.status for record in wire.records] == [200, 200]


async def test_an_upstream_that_answers_without_taking_the_body_gets_no_other_request(wire: Wire) -> None:
    client, upstream = await wire.reach()
    connection = next(iter(wire.plane.upstreams["default"]._open))
    await client.send(CHUNKED_POST)
    await upstream.head()
    while not connection.transport.get_write_buffer_size():
        await client.send(b"2000\r\n" + bytes(0x2000) + b"\r\n")
        await wire.turns()
    await client.send(b"20000\r\n" + bytes(0x20000) + b"\r\n0\r\n\r\n")
    await wire.settled(lambda: connection.transport.get_write_buffer_size() > 0x10000)
    await wire.turns()
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    await client.send(GET)
    other = await wire.accept()
    assert (await other.head()).startswith(b"GET / ")


async def test_the_rest_of_a_request_that_never_comes_ends_the_connection(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(
        client, b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello"
    )
    await upstream.send(OK)
    await client.answer()
    await wire.turns()
    wire.late(6)
    await client.gone()
    assert (await wire.record()).status == 200
