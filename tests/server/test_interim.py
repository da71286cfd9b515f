"""Interim responses, and clients that wait for one before they send a body."""

import contextlib

import pytest

from tests.server.conftest import GET, OK, Wire, fields_of

EXPECTING = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\r\n"


async def test_the_upstream_asks_for_the_body(wire: Wire) -> None:
    client = await wire.connect()
    upstream, head = await wire.forward(client, EXPECTING)
    assert (b"Expect", b"100-continue") in fields_of(head)
    await upstream.send(CONTINUE)
    assert await client.head() == CONTINUE
    await client.send(b"hello")
    assert await upstream.exactly(5) == b"hello"
    await upstream.send(OK)
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection" not in head
    assert body == b"ok"


async def test_a_client_need_not_wait_for_the_100(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, EXPECTING + b"hello")
    assert await upstream.exactly(5) == b"hello"
    await upstream.send(CONTINUE + OK)
    assert await client.head() == CONTINUE
    assert (await client.answer())[1] == b"ok"
    await client.send(GET)
    await upstream.head()


async def test_a_final_answer_instead_of_the_100_closes_both_connections(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, EXPECTING)
    await upstream.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 417 Expectation Failed\r\n")
    assert (b"Connection", b"close") in fields_of(head)
    assert body == b"no"
    assert await client.to_end() == b""
    await upstream.gone()


async def test_a_body_that_follows_a_final_answer_is_not_taken_for_a_request(wire: Wire) -> None:
    client = await wire.connect()
    request = EXPECTING.replace(b"Length: 5", b"Length: %d" % len(GET))
    upstream, _ = await wire.forward(client, request)
    await upstream.send(OK)
    await client.answer()
    await client.send(GET)
    assert await client.to_end() == b""
    assert wire.uncontacted


async def test_several_interim_responses_are_relayed_in_order(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(HINTS)
    assert await client.head() == HINTS
    await upstream.send(b"HTTP/1.1 102 Processing\r\n\r\n" + HINTS + HINTS + OK)
    assert await client.head() == b"HTTP/1.1 102 Processing\r\n\r\n"
    assert await client.head() == HINTS
    assert await client.head() == HINTS
    assert await client.answer() == (OK[:-2], b"ok")
    record = await wire.record()
    assert record.status == 200


async def test_an_interim_response_loses_its_hop_by_hop_fields_and_its_length(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(
        b"HTTP/1.1 103 Early Hints\r\nConnection: x-a\r\nX-A: 1\r\nLink: <a>\r\nContent-Length: 5\r\n\r\n"
    )
    assert await client.head() == b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"


async def test_an_http_1_0_client_gets_the_final_response_alone(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET.replace(b"1.1", b"1.0"))
    await upstream.send(CONTINUE + HINTS + OK)
    assert (await client.to_end()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_interim_responses_split_at_every_byte(wire: Wire) -> None:
    client, upstream = await wire.reach()
    response = HINTS + CONTINUE + OK
    for place in range(1, len(response)):
        await client.send(GET)
        await upstream.head()
        await upstream.send(response[:place])
        await wire.turns()
        await upstream.send(response[place:])
        assert await client.exactly(len(response)) == response


async def test_a_failure_after_an_interim_response_is_still_told(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(HINTS)
    await client.head()
    upstream.close()
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 502 ")
    assert b"upstream_reset" in body
    assert wire.uncontacted


async def test_endless_interim_responses_are_cut_off(wire: Wire) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    with contextlib.suppress(ConnectionError):
        while True:
            await upstream.send(HINTS)
            await wire.turns(1)
    while (head := await client.head()) == HINTS:
        pass
    assert head.startswith(b"HTTP/1.1 502 ")
    await upstream.gone()


@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"])
async def test_a_switch_of_protocols_that_nobody_asked_for_is_an_error(wire: Wire, upgrade: bytes) -> None:
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\nbytes")
    head, body = await client.answer()
    assert head.startswith(b"HTTP/1.1 502 ")
    assert b"upstream_protocol" in body
    await upstream.gone()
