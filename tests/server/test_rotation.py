"""Which targets are left out, for how long, and what happens when none is left."""

import errno
import json
import logging

import pytest

from proxy.config.addresses import parse_target
from proxy.server.connect import Connector
from proxy.server.rotation import Rotation
from proxy.server.target import TargetPool
from tests.server.conftest import GET, OK, Peer, Start, StartTarget, Wire

BROKEN = b"HTTP/1.1 nonsense\r\n\r\n"


def usable(wire: Wire) -> list[bool]:
    return [in_use for _, in_use in wire.plane.upstreams["default"].targets()]


def set_healthy(wire: Wire, number: int, healthy: bool) -> None:
    upstream = wire.plane.upstreams["default"]
    upstream.set_healthy([name for name, _ in upstream.targets()][number], healthy)


async def fail(wire: Wire, client: Peer, how: str) -> None:
    """Have the wire's own target fail a request that may not be repeated."""
    upstream, _ = await wire.forward(client, GET.replace(b"GET", b"POST"))
    status = b"502"
    if how == "reset":
        upstream.reset()
    elif how == "half":
        await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await client.until(b"half")
        upstream.reset()
        await client.gone()
        return
    elif how == "protocol":
        await upstream.send(BROKEN)
    else:
        wire.late(61)
        status = b"504"
    head, _ = await client.answer()
    assert head.startswith(b"HTTP/1.1 " + status)


# Ejection.


@pytest.mark.parametrize("how", ["reset", "half", "protocol", "timeout"])
async def test_a_target_that_fails_in_a_row_is_left_out(
    start: Start, start_target: StartTarget, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = start_target("other")
    wire = await start(upstream="eject: {after: 2, for: 1h}, retries: 0", more_targets=[other.url])
    for _ in range(2):
        await fail(wire, await wire.connect(), how)
        assert (await (await wire.connect()).ask(GET))[1] == b"other"
    await wire.settled(lambda: usable(wire) == [False, True])
    client = await wire.connect()
    for _ in range(3):
        assert (await client.ask(GET))[1] == b"other"
    assert wire.uncontacted
    failed, told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert failed.startswith(f"upstream default: http://{wire.upstream_authority}: upstream_")
    assert told == (
        f"upstream default: http://{wire.upstream_authority} failed 2 times in a row "
        "and is left out for 3600 s"
    )


async def test_a_target_that_accepts_nothing_is_left_out(
    start: Start, start_target: StartTarget, closed_port: int
) -> None:
    wire = await start(
        upstream="eject: {after: 3, for: 1h}", port=closed_port, more_targets=[start_target("other").url]
    )
    client = await wire.connect()
    for _ in range(6):
        # One connection for each request: a pooled one would not show the failures.
        assert (await client.ask(GET))[1] == b"other"
        client.close()
        client = await wire.connect()
    assert usable(wire) == [False, True]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", id="500"),
        pytest.param(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", id="503"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nno", id="until-close"),
    ],
)
async def test_an_answer_is_no_failure_and_ends_a_row_of_them(
    start: Start, start_target: StartTarget, answer: bytes
) -> None:
    wire = await start(
        upstream="eject: {after: 2, for: 1h}, retries: 0", more_targets=[start_target("other").url]
    )
    for _ in range(3):
        await fail(wire, await wire.connect(), "reset")
        assert (await (await wire.connect()).ask(GET))[1] == b"other"
        upstream, _ = await wire.forward(client := await wire.connect(), GET)
        await upstream.send(answer)
        if b"Length" not in answer:
            upstream.close()
        await client.until(b"no")
        await wire.settled(lambda: wire.plane.upstreams["default"].in_flight == 0)
        upstream.close()
        assert (await (await wire.connect()).ask(GET))[1] == b"other"
    assert usable(wire) == [True, True]


async def test_an_upgrade_ends_a_row_of_failures(start: Start, start_target: StartTarget) -> None:
    wire = await start(
        upstream="eject: {after: 2, for: 1h}, retries: 0", more_targets=[start_target("other").url]
    )
    offer = GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    for _ in range(3):
        await fail(wire, await wire.connect(), "reset")
        assert (await (await wire.connect()).ask(GET))[1] == b"other"
        upstream, _ = await wire.forward(client := await wire.connect(), offer)
        await upstream.send(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await client.head()
        upstream.reset()
        await client.gone()
        assert (await (await wire.connect()).ask(GET))[1] == b"other"
    assert usable(wire) == [True, True]


async def test_what_this_machine_lacks_ejects_no_target(
    start: Start, start_target: StartTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    wire = await start(upstream="eject: {after: 1, for: 1h}", more_targets=[start_target("other").url])
    monkeypatch.setattr(Connector, "open", fail)
    head, _ = await (await wire.connect()).ask(GET)
    assert head.startswith(b"HTTP/1.1 502 ")
    assert [usable for _, usable in wire.plane.upstreams["default"].targets()] == [True, True]


async def test_the_last_usable_target_is_never_ejected(start: Start) -> None:
    wire = await start(upstream="eject: {after: 1, for: 1h}, retries: 0")
    for _ in range(3):
        await fail(wire, await wire.connect(), "reset")
    wire.serve(lambda head: OK)
    assert (await (await wire.connect()).ask(GET))[1] == b"ok"


async def test_of_two_that_fail_one_stays(start: Start, closed_port: int) -> None:
    wire = await start(
        upstream="eject: {after: 1, for: 1h}, retries: 0",
        port=closed_port,
        more_targets=[f"http://localhost:{closed_port}"],
    )
    for _ in range(4):
        client = await wire.connect()
        head, _ = await client.ask(GET)
        assert head.startswith(b"HTTP/1.1 502 ")
    assert sorted(usable(wire)) == [False, True]


async def test_an_ejected_target_that_is_back_early_is_better_than_an_error(
    start: Start, closed_port: int
) -> None:
    wire = await start(
        upstream="eject: {after: 1, for: 1h}, retries: 0", more_targets=[f"http://127.0.0.1:{closed_port}"]
    )
    await fail(wire, await wire.connect(), "reset")
    assert usable(wire) == [False, True]
    wire.serve(lambda head: OK)
    assert (await (await wire.connect()).ask(GET))[1] == b"ok"
    assert usable(wire) == [False, True]


async def test_an_ejected_target_is_back_after_its_time(start: Start, start_target: StartTarget) -> None:
    wire = await start(
        upstream="eject: {after: 1, for: 50ms}, retries: 0", more_targets=[start_target("other").url]
    )
    await fail(wire, await wire.connect(), "reset")
    assert usable(wire) == [False, True]
    await wire.settled(lambda: usable(wire) == [True, True])
    wire.serve(lambda head: OK)
    client = await wire.connect()
    assert {(await client.ask(GET))[1] for _ in range(2)} == {b"ok", b"other"}


async def test_without_eject_a_target_stays(start: Start, start_target: StartTarget) -> None:
    wire = await start(upstream="eject: null, retries: 0", more_targets=[start_target("other").url])
    for _ in range(6):
        await fail(wire, await wire.connect(), "reset")
        assert (await (await wire.connect()).ask(GET))[1] == b"other"
    assert usable(wire) == [True, True]


async def test_a_connection_that_died_while_idle_says_nothing_of_its_target(
    start: Start, start_target: StartTarget
) -> None:
    wire = await start(upstream="eject: {after: 1, for: 1h}", more_targets=[start_target("other").url])
    client, upstream = await wire.reach()
    assert (await client.ask(GET))[1] == b"other"
    await client.send(GET)
    await upstream.head()
    upstream.reset()
    assert (await client.answer())[1] == b"other"
    assert usable(wire) == [True, True]


async def test_another_target_gets_the_second_attempt(start: Start, start_target: StartTarget) -> None:
    wire = await start(more_targets=[start_target("other").url])
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    assert (await (await wire.connect()).ask(GET))[1] == b"other"
    # It would be the first one's turn.
    upstream.reset()
    assert (await client.answer())[1] == b"other"


# Health.


async def test_an_unhealthy_target_gets_nothing(start: Start, start_target: StartTarget) -> None:
    wire = await start(more_targets=[start_target("other").url])
    set_healthy(wire, 0, False)
    assert usable(wire) == [False, True]
    client = await wire.connect()
    assert [(await client.ask(GET))[1] for _ in range(3)] == [b"other"] * 3
    assert wire.uncontacted
    wire.serve(lambda head: OK)
    set_healthy(wire, 0, True)
    assert {(await client.ask(GET))[1] for _ in range(2)} == {b"ok", b"other"}


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_without_a_healthy_target_requests_fail_at_once(wire: Wire, method: bytes) -> None:
    set_healthy(wire, 0, False)
    client = await wire.connect()
    head, body = await client.ask(GET.replace(b"GET", method))
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in head
    assert json.loads(body)["error"] == "no_healthy_target"
    assert wire.uncontacted
    wire.serve(lambda head: OK)
    set_healthy(wire, 0, True)
    assert (await client.ask(GET))[1] == b"ok"


async def test_who_waits_fails_at_once_when_the_last_healthy_target_is_gone(start: Start) -> None:
    wire = await start(upstream="pool: {max_connections: 1}")
    busy, queued = await wire.connect(), await wire.connect()
    upstream, _ = await wire.forward(busy, GET)
    await queued.send(GET)
    await wire.settled(lambda: wire.plane.in_flight == 2)
    set_healthy(wire, 0, False)
    head, _ = await queued.answer()
    assert head.startswith(b"HTTP/1.1 503 ")
    await upstream.send(OK)
    assert (await busy.answer())[1] == b"ok"


async def test_who_waits_gets_no_connection_to_a_target_that_is_left_out(
    start: Start, start_target: StartTarget
) -> None:
    wire = await start(upstream="pool: {max_connections: 1}", more_targets=[start_target("other").url])
    busy, queued = await wire.connect(), await wire.connect()
    upstream, _ = await wire.forward(busy, GET)
    await queued.send(GET)
    await wire.settled(lambda: wire.plane.in_flight == 2)
    set_healthy(wire, 0, False)
    await upstream.send(OK)
    assert (await busy.answer())[1] == b"ok"
    assert (await queued.answer())[1] == b"other"


async def test_a_lost_request_is_not_repeated_where_no_target_is_healthy(wire: Wire) -> None:
    upstream, _ = await wire.forward(client := await wire.connect(), GET)
    set_healthy(wire, 0, False)
    upstream.reset()
    head, _ = await client.answer()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert wire.uncontacted


async def test_an_ejected_target_serves_when_the_others_are_unhealthy(
    start: Start, start_target: StartTarget
) -> None:
    wire = await start(
        upstream="eject: {after: 1, for: 1h}, retries: 0", more_targets=[start_target("other").url]
    )
    await fail(wire, await wire.connect(), "reset")
    set_healthy(wire, 1, False)
    assert usable(wire) == [True, False]
    wire.serve(lambda head: OK)
    client = await wire.connect()
    assert (await client.ask(GET))[1] == b"ok"
    set_healthy(wire, 1, True)
    assert usable(wire) == [False, True]


def test_a_name_that_is_no_targets_changes_nothing() -> None:
    target = TargetPool(parse_target("http://a"))
    rotation = Rotation("default", [target], None)
    rotation.set_healthy("http://b", False)
    assert rotation.usable == [target]
