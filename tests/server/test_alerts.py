"""What clients are told whose TLS handshake is refused, by openssl, by curl and byte for byte."""

import asyncio
import contextlib
import gc
import itertools
import json
import logging
import os
import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.config.listen import Listen, ListenTls
from proxy.server import tls_server
from proxy.server.alerts import Handshake
from proxy.server.listeners import copy_sockets
from proxy.server.tls import listener_context
from tests.server.conftest import GET, OK, PATIENCE, Peer, Start, Wire, listen_on, run, trusting

if TYPE_CHECKING:
    from tests.conftest import Certificates

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
LINUX_FILES = Path("/proc/self/fd")

# An alert of TLS: record type 21, a version, two bytes, of which the first says that it is fatal.
UNEXPECTED_MESSAGE = b"\x15\x03\x03\x00\x02\x02\x0a"
RECORD_OVERFLOW = b"\x15\x03\x03\x00\x02\x02\x16"
DECODE_ERROR = b"\x15\x03\x03\x00\x02\x02\x32"

#: What no handshake begins with, and the alert for it.
NO_HELLO = [
    pytest.param(b"\x16\x03\x01\x00\x05hello", UNEXPECTED_MESSAGE, id="no-hello"),
    pytest.param(b"\x16\x03\x01\xff\xff", RECORD_OVERFLOW, id="a-record-too-long"),
    pytest.param(b"\x80\x2e\x01" + bytes(60), DECODE_ERROR, id="ssl-2"),
]
NOT_TLS = [
    pytest.param(bytes(100), id="zeros"),
    pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="ssh"),
    pytest.param(b"EHLO a.test\r\nMAIL FROM:<a@a.test>\r\n", id="smtp"),
]
REQUESTS = [
    *(
        pytest.param(method + b" /secret?a=1 HTTP/1.1\r\nHost: a.test\r\n\r\n", id=method.decode().lower())
        for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND")
    ),
    pytest.param(b"CONNECT secret.test:443 HTTP/1.1\r\n\r\n", id="connect"),
    pytest.param(b"GET /secret HTTP/1.0\r\n\r\n", id="http-1.0"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http-2"),
    pytest.param(b"POST /secret HTTP/1.1\r\n\r\n" + bytes(1 << 20), id="with-a-body"),
]
#: By what openssl's clients call it: the version, what is shown, and the alert.
DISTRUST = [
    pytest.param("1.2", None, "alert handshake failure", id="1.2-none"),
    pytest.param("1.3", None, "alert certificate required", id="1.3-none"),
    pytest.param("1.2", "unknown", "alert unknown ca", id="1.2-unknown-ca"),
    pytest.param("1.3", "unknown", "alert unknown ca", id="1.3-unknown-ca"),
    pytest.param("1.2", "expired", "alert certificate expired", id="1.2-expired"),
    pytest.param("1.3", "expired", "alert certificate expired", id="1.3-expired"),
]


def asking(certificates: "Certificates") -> str:
    """Return a listener's config that asks for a certificate."""
    return listen_on(certificates, client_ca=str(certificates.cert("ca")))


async def meet(wire: Wire, data: bytes) -> Peer:
    """Return a client that sent this."""
    client = await wire.connect()
    await client.send(data)
    return client


def hello() -> bytes:
    """Return the beginning of a handshake."""
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


# Alerts.


@pytest.mark.peer
@pytest.mark.parametrize(
    ("options", "alert"),
    [
        pytest.param("-tls1_1 -cipher DEFAULT@SECLEVEL=0", "alert protocol version", id="1.1"),
        pytest.param("-tls1 -cipher DEFAULT@SECLEVEL=0", "alert protocol version", id="1.0"),
        pytest.param("-tls1_2 -cipher AES128-SHA@SECLEVEL=0", "alert handshake failure", id="no-cipher"),
    ],
)
async def test_openssl_is_told_what_is_not_spoken(
    start: Start, certificates: "Certificates", options: str, alert: str
) -> None:
    wire = await start(listen=listen_on(certificates))
    status, said = await run("openssl", "s_client", "-connect", wire.authority, *options.split())
    assert status == 1
    assert alert in said


@pytest.mark.peer
@pytest.mark.parametrize(("version", "shown", "alert"), DISTRUST)
async def test_openssl_is_told_what_its_certificate_lacks(
    start: Start, certificates: "Certificates", version: str, shown: str | None, alert: str
) -> None:
    wire = await start(listen=asking(certificates))
    # Without a request of its own, it waits for the end.
    options = ["-ign_eof", "-tls" + version.replace(".", "_")]
    if shown is not None:
        options += ["-cert", str(certificates.cert(shown)), "-key", str(certificates.key(shown))]
    status, said = await run("openssl", "s_client", "-connect", wire.authority, *options)
    assert status == 1
    assert alert in said


@needs_curl
@pytest.mark.peer
@pytest.mark.parametrize(("version", "shown", "alert"), DISTRUST)
async def test_curl_is_told_what_its_certificate_lacks(
    start: Start, certificates: "Certificates", version: str, shown: str | None, alert: str
) -> None:
    wire = await start(listen=asking(certificates))
    options = ["--cacert", str(certificates.cert("ca")), "--tls-max", version]
    if shown is not None:
        options += ["--cert", str(certificates.cert(shown)), "--key", str(certificates.key(shown))]
    status, said = await run("curl", "-sS", "--max-time", "20", *options, f"https://{wire.authority}/")
    assert status != 0
    # It has words of its own for a certificate that expired, where the alert ends its handshake.
    assert alert in said or (version, shown, status) == ("1.2", "expired", 60)
    assert not wire.records
    assert wire.uncontacted


@pytest.mark.parametrize("more", [b"", bytes(1 << 20)], ids=["alone", "with-a-megabyte-behind"])
@pytest.mark.parametrize(("data", "alert"), NO_HELLO)
async def test_an_alert_comes_whole_and_then_an_end_in_order(
    start: Start, certificates: "Certificates", data: bytes, alert: bytes, more: bytes
) -> None:
    wire = await start(listen=listen_on(certificates))
    client = await wire.connect()
    sent = wire.start(client.send(data + more))
    assert await client.to_end() == alert
    await sent
    client.close()
    await wire.settled(lambda: not wire.plane.handshakes)


async def test_an_alert_comes_behind_what_was_said_before_it(
    start: Start, certificates: "Certificates"
) -> None:
    wire = await start(listen=listen_on(certificates))
    for behind in (UNEXPECTED_MESSAGE, b"\x16\x03\x03\xff\xff"):
        client = await meet(wire, hello() + behind)
        came = await client.to_end()
        assert came.startswith(b"\x16\x03\x03")
        client.close()
    client = await meet(wire, hello())
    assert (await client.receive()).startswith(b"\x16\x03\x03")
    await client.send(b"\x16\x03\x03\xff\xff")
    # The rest may be encrypted; it is an alert's length at least.
    assert len(await client.to_end()) >= len(RECORD_OVERFLOW)


@pytest.mark.parametrize("data", NOT_TLS)
async def test_who_speaks_something_else_is_told_nothing(
    start: Start, certificates: "Certificates", data: bytes
) -> None:
    wire = await start(listen=listen_on(certificates))
    client = await meet(wire, data)
    await client.gone()
    await wire.settled(lambda: not wire.plane.handshakes)


async def test_an_alert_is_never_another_clients(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))
    wire.serve(lambda head: OK)
    context = trusting(certificates)
    host, _, port = wire.authority.rpartition(":")

    async def fail(data: bytes, alert: bytes) -> None:
        client = await wire.connect()
        await client.send(data[:3])
        await wire.turns(3)
        await client.send(data[3:])
        assert await client.to_end() == alert
        client.close()

    async def succeed() -> None:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as together:
        for case in itertools.islice(itertools.cycle(NO_HELLO), 60):
            data, alert = case.values
            assert isinstance(data, bytes)
            assert isinstance(alert, bytes)
            together.create_task(fail(data, alert))
            together.create_task(succeed())
    await wire.settled(lambda: not wire.plane.handshakes)


async def test_a_renewed_certificate_comes_with_alerts(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))
    tls = ListenTls(cert=certificates.cert("elsewhere"), key=certificates.key("elsewhere"))
    settings = Listen(address=wire._listener.settings.address, tls=tls)
    copies = copy_sockets(wire._listener.sockets)
    await wire._listener.renew(settings, listener_context(tls), wire.plane, copies)
    data, alert = NO_HELLO[0].values
    assert isinstance(data, bytes)
    client = await meet(wire, data)
    assert await client.to_end() == alert


async def test_a_unix_socket_carries_alerts(start: Start, certificates: "Certificates") -> None:
    path = str(certificates.folder / "alerts")
    wire = await start(listen=listen_on(certificates).replace("127.0.0.1:0", f"unix:{path}"))
    data, alert = NO_HELLO[0].values
    assert isinstance(data, bytes)
    client = await meet(wire, data)
    assert await client.to_end() == alert


# Plain HTTP.


@pytest.mark.parametrize("request_", REQUESTS)
async def test_plain_http_is_told_to_use_https(
    start: Start, certificates: "Certificates", request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wire = await start(listen=listen_on(certificates))
    client = await wire.connect()
    sent = wire.start(client.send(request_))
    answer = await client.to_end()
    await sent
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nDate: ")
    assert head.endswith(b"\r\nContent-Length: %d\r\nConnection: close" % len(body))
    assert json.loads(body) == {
        "error": "bad_request",
        "status": 400,
        "detail": "this port takes TLS alone, and the request came without: use https://",
        "trace_id": None,
    }
    assert b"secret" not in answer
    assert not wire.records
    (told,) = caplog.messages
    assert told.endswith(": it speaks plain HTTP")


@needs_curl
@pytest.mark.peer
@pytest.mark.parametrize("options", [[], ["-I"], ["-X", "DELETE"], ["-T", __file__]])
async def test_curl_reads_that_it_is_to_use_https(
    start: Start, certificates: "Certificates", options: list[str]
) -> None:
    wire = await start(listen=listen_on(certificates))
    command = ("curl", "-sS", "-w", "%{http_code} %{num_connects}", "--max-time", "20")
    status, said = await run(*command, *options, f"http://{wire.authority}/")
    assert status == 0
    assert said.endswith("400 1")
    assert "use https://" in said or "-I" in options


# Those who do not go.


async def test_who_stays_counts_as_a_connection_until_it_goes(
    start: Start, certificates: "Certificates"
) -> None:
    wire = await start(listen=listen_on(certificates))
    client = await meet(wire, GET)
    assert await client.to_end()
    assert len(wire.plane.handshakes) == wire.plane.count_clients() == 1
    client.close()
    await wire.settled(lambda: not wire.plane.handshakes)


@pytest.mark.parametrize("bound", ["header-timeout", "linger"])
@pytest.mark.parametrize("sends", [False, True], ids=["silent", "sends-on"])
async def test_who_does_not_go_is_cut_off(
    start: Start,
    certificates: "Certificates",
    bound: str,
    sends: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = ""
    if bound == "linger":
        monkeypatch.setattr(tls_server, "LINGER_SECONDS", 0.05)
    else:
        limits = "limits: {header_timeout: 50ms}"
    wire = await start(limits, listen=listen_on(certificates))
    client = await meet(wire, GET)

    async def send_on() -> None:
        while True:
            await client.send(bytes(1000))

    if sends:
        _ = wire.start(send_on())
    await wire.settled(lambda: not wire.plane.handshakes)
    assert wire.plane.count_clients() == 0


async def test_who_resets_is_forgotten(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))
    for data in (GET, b"\x16\x03\x01\x00\x05hello"):
        client = await meet(wire, data)
        await client.receive()
        client.reset()
        await wire.settled(lambda: not wire.plane.handshakes)
        client = await meet(wire, data)
        client.reset()
        await wire.settled(lambda: not wire.plane.handshakes)


async def test_who_stays_goes_with_the_proxy(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))
    client = await meet(wire, GET)
    await client.until(b"}\n")
    wire.plane.abort()
    await wire.settled(lambda: not wire.plane.handshakes)
    await client.gone()


async def test_those_who_stay_are_few_beyond_the_limit(start: Start, certificates: "Certificates") -> None:
    wire = await start("limits: {connections: 1}", listen=listen_on(certificates))
    for _ in range(tls_server._BEYOND_LIMIT):
        assert await (await meet(wire, GET)).to_end()
    assert await (await wire.connect()).to_end() == b""


# What is kept.


@pytest.mark.skipif(not LINUX_FILES.exists(), reason="open files are counted in /proc")
async def test_no_file_stays_open(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))

    async def fail(data: bytes, leave: Callable[[Peer], None]) -> None:
        host, _, port = wire.authority.rpartition(":")
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        client = Peer(sock)
        await client.send(data)
        await client.receive()
        leave(client)

    async def fail_often(times: int) -> int:
        for _ in range(times):
            for data in (GET, b"\x16\x03\x01\x00\x05hello"):
                await fail(data, Peer.close)
                await fail(data, Peer.reset)
        await wire.settled(lambda: not wire.plane.handshakes)
        await wire.turns()
        return len(os.listdir(LINUX_FILES))

    assert await fail_often(50) == await fail_often(1)


async def test_without_a_file_for_the_end_there_is_just_an_end(
    start: Start, certificates: "Certificates", monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = await start(listen=listen_on(certificates))

    def full(self: socket.socket) -> socket.socket:
        raise OSError(24, "Too many open files")

    client = await wire.connect()
    await wire.settled(lambda: bool(wire.plane.handshakes))
    monkeypatch.setattr(socket.socket, "dup", full)
    await client.send(GET)
    await client.gone()
    await wire.settled(lambda: not wire.plane.handshakes)


async def test_an_error_that_nobody_takes_closes_its_connection(certificates: "Certificates") -> None:
    tls = ListenTls(cert=certificates.cert("here"), key=certificates.key("here"))
    accepted, client = socket.socketpair()
    with client:
        with accepted:
            Handshake(accepted).begin()
            incoming = ssl.MemoryBIO()
            telling = listener_context(tls).wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
            incoming.write(b"\x16\x03\x01\xff\xff")
            with contextlib.suppress(ssl.SSLError):
                telling.do_handshake()
        client.setblocking(False)
        assert client.recv(1) == b""


async def test_nothing_is_kept_of_a_handshake_that_is_over(
    start: Start, certificates: "Certificates"
) -> None:
    wire = await start(listen=listen_on(certificates))
    host, _, port = wire.authority.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trusting(certificates))
    await wire.settled(lambda: bool(wire.plane.connections))
    await wire.turns()
    gc.collect()
    kept = [each for each in gc.get_objects() if isinstance(each, ssl.SSLObject) and hasattr(each, "facts")]
    assert {each.facts for each in kept} == {None}
    writer.close()


async def test_a_context_serves_those_who_expect_no_refusal(certificates: "Certificates") -> None:
    tls = ListenTls(cert=certificates.cert("here"), key=certificates.key("here"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = listener_context(tls).wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(b"\x16\x03\x01\xff\xff")
    with pytest.raises(ssl.SSLError):
        handshake.do_handshake()
    assert outgoing.read() == RECORD_OVERFLOW
