"""Names whose addresses change under traffic: requests follow, and none is lost by that."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import pytest
from aiohappyeyeballs import AddrInfoType

from proxy.resolving.resolver import Resolver
from proxy.server import moves
from tests.server.conftest import GET, Start, StartTarget, Wire, place

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Name:
    """What a name stands for: ``at`` are the URLs of servers, none where it does not resolve."""

    def __init__(self) -> None:
        self.at: Sequence[str] = ()
        self.looks = 0

    async def resolve(self, _: Resolver, host: str, port: int) -> Sequence[AddrInfoType]:
        assert (host, port) == ("moving.test", 80)
        self.looks += 1
        if not self.at:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [place(url) for url in self.at]


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Name:
    name = Name()
    # A lambda, for a bound method would get no resolver.
    monkeypatch.setattr(Resolver, "resolve", lambda *asked: name.resolve(*asked))
    monkeypatch.setattr(moves, "LOOK_SECONDS", 0.01)
    return name


@pytest.fixture
async def follow() -> AsyncIterator[Callable[[Wire], None]]:
    """Begin to follow the names of a data plane."""
    tasks: list[asyncio.Task[None]] = []

    def follow(wire: Wire) -> None:
        tasks.append(asyncio.create_task(moves.follow_moves(wire.plane)))

    yield follow
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Follow = Callable[[Wire], None]


async def test_an_idle_connection_to_an_address_that_is_gone_is_closed(
    start: Start, start_target: StartTarget, name: Name, follow: Follow
) -> None:
    before, after = start_target("before"), start_target("after", ("127.0.0.2", 0))
    name.at = [before.url]
    wire = await start(targets=["http://moving.test"])
    client = await wire.connect()
    assert (await client.ask(GET))[1] == b"before"
    name.at = [after.url]
    follow(wire)
    await wire.settled(lambda: not wire.plane.upstreams["default"].connections)
    assert (await client.ask(GET))[1] == b"after"


async def test_under_steady_traffic_requests_follow_and_none_fails(
    start: Start, start_target: StartTarget, name: Name, follow: Follow
) -> None:
    before, after = start_target("before"), start_target("after", ("127.0.0.2", 0))
    name.at = [before.url]
    wire = await start(upstream="retries: 0", targets=["http://moving.test"])
    client = await wire.connect()
    follow(wire)
    post = GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
    assert (await client.ask(post))[1] == b"before"
    name.at = [after.url]
    answers = []
    while b"after" not in answers:
        head, body = await client.ask(post)
        assert head.startswith(b"HTTP/1.1 200 ")
        answers.append(body)
    assert set(answers) <= {b"before", b"after"}


@pytest.mark.parametrize("answer", [OK, OK.replace(b"Length: 2", b"Length: 2\r\nX: plain-no-more")])
async def test_an_exchange_under_way_ends_on_its_connection_which_ends_then(
    start: Start, start_target: StartTarget, name: Name, follow: Follow, answer: bytes
) -> None:
    wire = await start(targets=["http://moving.test"])
    name.at = [f"http://{wire.upstream_authority}"]
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    name.at = [start_target("after", ("127.0.0.2", 0)).url]
    follow(wire)
    looks = name.looks
    await wire.settled(lambda: name.looks > looks + 1)
    await upstream.send(answer[:20])
    await wire.turns()
    await upstream.send(answer[20:])
    assert (await client.answer())[1] == b"ok"
    await upstream.gone()
    assert (await client.ask(GET))[1] == b"after"


@pytest.mark.parametrize("still", [False, True], ids=["not-resolved", "beside-another"])
async def test_connections_stay_while_their_address_may_be_the_names(
    start: Start, start_target: StartTarget, name: Name, follow: Follow, still: bool
) -> None:
    before = start_target("before").url
    name.at = [before]
    wire = await start(targets=["http://moving.test"])
    client = await wire.connect()
    await client.ask(GET)
    name.at = [start_target("new", ("127.0.0.2", 0)).url, before] if still else ()
    follow(wire)
    looks = name.looks
    await wire.settled(lambda: name.looks > looks + 1)
    assert wire.plane.upstreams["default"].connections == 1
    assert (await client.ask(GET))[1] == b"before"


async def test_names_without_connections_and_addresses_are_not_looked_up(
    start: Start, start_target: StartTarget, name: Name, follow: Follow
) -> None:
    wire = await start()
    await wire.reach()
    idle = await start(targets=["http://elsewhere.test"])
    name.at = [start_target("here").url]
    other = await start(targets=["http://moving.test"])
    await (await other.connect()).ask(GET)
    for each in (wire, idle, other):
        follow(each)
    # Any other name would not be what ``resolve`` expects.
    looks = name.looks
    await other.settled(lambda: name.looks > looks + 2)
    assert wire.plane.upstreams["default"].connections == 1


async def test_a_name_that_is_silent_holds_up_no_other(
    start: Start, start_target: StartTarget, name: Name, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    name.at = [start_target("here").url]
    wire = await start(targets=["http://moving.test", "http://silent.test"])
    asked: list[str] = []

    async def resolve(_: Resolver, host: str, port: int) -> Sequence[AddrInfoType]:
        asked.append(host)
        if host == "silent.test" and len(asked) > 2:
            await asyncio.Event().wait()
        return [place(name.at[0])]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    client = await wire.connect()
    for _ in range(2):
        await client.ask(GET)
    follow(wire)
    await wire.settled(lambda: asked.count("moving.test") > 4)
    assert asked.count("silent.test") == 2
