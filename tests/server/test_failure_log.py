"""Failures of targets: operators are told where, clients are not."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from proxy.message.error import ErrorKind
from proxy.server.failure_log import FailureLog
from tests.server.conftest import GET, OK, Start, Wire

POST = GET.replace(b"GET", b"POST")
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


def test_a_target_and_a_kind_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    log = FailureLog("shop")
    for _ in range(3):
        log.tell("http://10.0.0.5", ErrorKind.UPSTREAM_CONNECT, "cannot connect: Connection refused")
        log.tell("http://10.0.0.6", ErrorKind.UPSTREAM_CONNECT, "cannot connect: Connection refused")
        log.tell("http://10.0.0.5", ErrorKind.UPSTREAM_RESET, "it went")
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            "upstream shop: http://10.0.0.5: upstream_connect: cannot connect: Connection refused",
        ),
        (
            logging.WARNING,
            "upstream shop: http://10.0.0.6: upstream_connect: cannot connect: Connection refused",
        ),
        (logging.WARNING, "upstream shop: http://10.0.0.5: upstream_reset: it went"),
    ]


async def ask(wire: Wire, request: bytes = GET) -> tuple[str, str]:
    """Return the kind and the detail of an error."""
    _, body = await (await wire.connect()).ask(request)
    said = json.loads(body)
    return said["error"], said["detail"]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(b"", "upstream_reset", "closed the connection before", id="end"),
        pytest.param(b"nonsense\r\n\r\n", "upstream_protocol", "not valid HTTP/1.1", id="protocol"),
        pytest.param(None, "upstream_timeout", "did not answer in time", id="timeout"),
    ],
)
async def test_a_request_that_its_target_failed_is_told_with_the_target(
    start: Start, caplog: pytest.LogCaptureFixture, answer: bytes | None, kind: str, words: str
) -> None:
    wire = await start()
    asked = asyncio.create_task(ask(wire, POST))
    upstream = await wire.accept()
    await upstream.head()
    if answer is None:
        wire.late(61)
    else:
        await upstream.send(answer)
        upstream.close()
    error, detail = await asked
    assert error == kind
    assert words in detail
    assert wire.upstream_authority not in detail
    (told,) = caplog.messages
    assert told.startswith(f"upstream default: http://{wire.upstream_authority}: {kind}: ")
    assert words in told


async def test_an_answer_that_breaks_off_is_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    wire = await start()
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(HALF)
    await client.until(b"half")
    upstream.reset()
    await client.expect_reset()
    (told,) = caplog.messages
    assert told.startswith(f"upstream default: http://{wire.upstream_authority}: upstream_reset: ")


async def test_a_connection_that_had_died_is_told_where_the_request_fails(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await start()
    client, upstream = await wire.reach()
    await client.send(POST)
    await upstream.head()
    upstream.reset()
    assert (await client.answer())[0].startswith(b"HTTP/1.1 502 ")
    assert [message.split(": ")[2] for message in caplog.messages] == ["upstream_reset"]


async def test_a_connection_that_had_died_is_not_told_where_another_one_serves(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await start()
    client, upstream = await wire.reach()
    await client.send(GET)
    await upstream.head()
    upstream.reset()
    again = await wire.accept()
    await again.head()
    await again.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert caplog.messages == []


async def test_the_path_of_a_unix_socket_is_for_operators_alone(
    start: Start, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    wire = await start(targets=[f"unix:{tmp_path}/absent"])
    assert await ask(wire) == (
        "upstream_connect",
        "cannot connect to upstream default: no connection could be made",
    )
    target = f"unix:{tmp_path}/absent"
    assert caplog.messages == [
        f"upstream default: {target}: upstream_connect: cannot connect: No such file or directory"
    ]
