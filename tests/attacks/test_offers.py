"""A request with a body that offers an upgrade, and one behind it, arrive whole and once however split."""

import pytest

from tests.attacks.cases import PROBE, chunked, post, seen, seen_chunked, seen_post
from tests.server.conftest import OK, Wire

#: A body that looks like a request, and like the end of one.
BODY = b"GET /x HTTP/1.1\r\n\r\n0\r\n\r\n"
OFFERS = [b"websocket", b"h2c", b"foo/1, bar"]


@pytest.mark.parametrize("protocol", OFFERS)
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_split_at_every_byte(wire: Wire, protocol: bytes, framing: str) -> None:
    offer = (b"Connection: Upgrade", b"Upgrade: " + protocol)
    if framing == "length":
        length = b"Content-Length: %d" % len(BODY)
        data, expected = post(*offer, length, body=BODY), seen_post(length, body=BODY)
    else:
        chunk = b"%x;e\r\n%b\r\n0\r\nX-T: t\r\n\r\n" % (len(BODY), BODY)
        data, expected = chunked(chunk, *offer), seen_chunked(BODY, trailers=b"X-T: t\r\n")
    client, upstream = await wire.reach()
    for place in range(1, len(data + PROBE)):
        await client.send((data + PROBE)[:place])
        await wire.turns()
        await client.send((data + PROBE)[place:])
        head = await upstream.head()
        assert head == expected[: len(head)]
        if framing == "length":
            assert await upstream.exactly(len(BODY)) == BODY
        else:
            assert await upstream.chunked() == (BODY, b"X-T: t\r\n")
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
        assert await upstream.head() == seen(line=b"GET /probe HTTP/1.1")
        await upstream.send(OK)
        assert (await client.answer())[1] == b"ok"
        assert upstream.quiet
        assert client.quiet
    assert wire.uncontacted
    assert len(wire.records) == 1 + 2 * (len(data + PROBE) - 1)
