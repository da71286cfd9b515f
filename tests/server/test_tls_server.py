"""TLS that ends at a listener: who gets in, and what becomes of those who do not."""

import asyncio
import contextlib
import errno
import logging
import re
import shutil
import ssl
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from proxy.repeats import QUIET_SECONDS
from proxy.server import tls_server
from tests.server.conftest import GET, OK, PATIENCE, Peer, Start, Wire, listen_on, run, trusting

if TYPE_CHECKING:
    from tests.conftest import Certificates

CLOSING = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
VERSIONS = [
    pytest.param(ssl.TLSVersion.TLSv1_2, id="1.2"),
    pytest.param(ssl.TLSVersion.TLSv1_3, id="1.3"),
]


async def ask(
    wire: Wire, context: ssl.SSLContext, request: bytes = CLOSING, name: str = "localhost"
) -> bytes:
    """Return all that comes for a request over a new connection."""
    host, _, port = wire.authority.rpartition(":")
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=name)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def shake_hands(wire: Wire, *options: str) -> tuple[int, str]:
    """Run ``openssl s_client``, which leaves after the handshake."""
    return await run("openssl", "s_client", "-connect", wire.authority, "-servername", "localhost", *options)


# What is spoken.


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_certificate_of_the_config_is_shown(
    start: Start, certificates: "Certificates", version: ssl.TLSVersion
) -> None:
    wire = await start(listen=listen_on(certificates))
    wire.serve(lambda head: OK)
    assert (await ask(wire, trusting(certificates, version))).startswith(b"HTTP/1.1 200 OK\r\n")
    assert (await wire.record()).url == "https://a.test/"


@pytest.mark.peer
@pytest.mark.parametrize("offer", ["http/1.1", "h2,http/1.1", "http/1.0,http/1.1"])
async def test_alpn_settles_on_http_1_1(start: Start, certificates: "Certificates", offer: str) -> None:
    wire = await start(listen=listen_on(certificates))
    status, said = await shake_hands(wire, "-alpn", offer, "-CAfile", str(certificates.cert("ca")))
    assert status == 0
    assert "ALPN protocol: http/1.1\n" in said
    assert "Verify return code: 0 (ok)\n" in said


@pytest.mark.peer
async def test_without_http_1_1_in_the_offer_nothing_is_agreed_on(
    start: Start, certificates: "Certificates"
) -> None:
    wire = await start(listen=listen_on(certificates))
    status, said = await shake_hands(wire, "-alpn", "h2")
    assert status == 0
    assert "No ALPN negotiated\n" in said


@pytest.mark.peer
@pytest.mark.parametrize(
    ("option", "agreed"),
    [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2"), ("-tls1_1", None), ("-tls1", None)],
)
async def test_tls_1_2_is_the_least(
    start: Start,
    certificates: "Certificates",
    option: str,
    agreed: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    wire = await start(listen=listen_on(certificates))
    # Without this, s_client would not even offer what is old.
    old = ("-cipher", "DEFAULT:@SECLEVEL=0") if agreed is None else ()
    status, said = await shake_hands(wire, option, *old)
    if agreed is None:
        assert status == 1
        assert caplog.messages[0].endswith(": it speaks no TLS from 1.2 on")
        assert "New, (NONE), Cipher is (NONE)\n" in said
    else:
        assert re.search(rf"New, {agreed}, |Protocol *: {agreed}", said)
        assert status == 0
    await wire.settled(lambda: not wire.plane.handshakes and not wire.plane.connections)


@pytest.mark.peer
async def test_a_client_cannot_renegotiate(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))
    _, said = await shake_hands(wire, "-tls1_2")
    assert "Secure Renegotiation IS supported" in said
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", wire.authority, "-tls1_2"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        # R asks for another handshake.
        output, _ = await process.communicate(b"R\n")
    assert b"no renegotiation" in output


@needs_curl
@pytest.mark.peer
async def test_curl_sends_and_gets_a_large_body(start: Start, certificates: "Certificates") -> None:
    body = bytes(range(256)) * 4096
    wire = await start(listen=listen_on(certificates))

    async def echo() -> None:
        upstream = await wire.accept()
        await upstream.head()
        came = await upstream.exactly(len(body))
        await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(came) + came)

    echoed = wire.start(echo())
    sent = certificates.folder / "sent"
    got = certificates.folder / "got"
    sent.write_bytes(body)
    port = wire.authority.rpartition(":")[2]
    status, said = await run(
        *("curl", "-sS", "--http2", "--cacert", str(certificates.cert("ca")), "--max-time", "20"),
        *("--data-binary", f"@{sent}", "-H", "Expect:", "-o", str(got), f"https://localhost:{port}/"),
    )
    await echoed
    assert (status, said) == (0, "")
    assert got.read_bytes() == body


@needs_curl
@pytest.mark.peer
@pytest.mark.parametrize(
    ("shown", "name", "complaint"),
    [
        pytest.param("here", "localhost", None, id="good"),
        pytest.param("elsewhere", "localhost", "no alternative certificate subject name matches", id="name"),
        pytest.param("expired", "localhost", "certificate has expired", id="expired"),
        pytest.param("unknown", "localhost", "unable to get local issuer certificate", id="unknown-ca"),
    ],
)
async def test_curl_judges_the_certificate(
    start: Start, certificates: "Certificates", shown: str, name: str, complaint: str | None
) -> None:
    wire = await start(listen=listen_on(certificates, shown))
    wire.serve(lambda head: OK)
    port = wire.authority.rpartition(":")[2]
    ca = str(certificates.cert("ca"))
    status, said = await run("curl", "-sS", "--cacert", ca, "--max-time", "20", f"https://{name}:{port}/")
    if complaint is None:
        assert (status, said) == (0, "ok")
    else:
        assert status == 60
        assert complaint in said


async def test_an_answer_cut_short_never_looks_complete(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))

    async def break_off() -> None:
        upstream = await wire.accept()
        await upstream.head()
        await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await wire.settled(lambda: bool(wire.plane.in_flight))
        upstream.reset()

    _ = wire.start(break_off())
    with contextlib.suppress(OSError):
        came = await ask(wire, trusting(certificates))
        assert b"Content-Length: 9\r\n" in came
        assert len(came.partition(b"\r\n\r\n")[2]) < 9


# Clients' certificates.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("auth", "shown", "served"),
    [
        pytest.param(None, "here", True, id="default-good"),
        pytest.param(None, None, False, id="default-none"),
        pytest.param("require", "here", True, id="require-good"),
        pytest.param("require", None, False, id="require-none"),
        pytest.param("require", "expired", False, id="require-expired"),
        pytest.param("require", "unknown", False, id="require-unknown-ca"),
        pytest.param("request", "here", True, id="request-good"),
        pytest.param("request", None, True, id="request-none"),
        pytest.param("request", "expired", False, id="request-expired"),
        pytest.param("request", "unknown", False, id="request-unknown-ca"),
        pytest.param("null", None, False, id="null-is-the-default"),
    ],
)
async def test_who_gets_in(
    start: Start,
    certificates: "Certificates",
    version: ssl.TLSVersion,
    auth: str | None,
    shown: str | None,
    served: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    more = {} if auth is None else {"client_auth": auth}
    ca = str(certificates.cert("ca"))
    wire = await start(listen=listen_on(certificates, client_ca=ca, **more).replace("'null'", "null"))
    wire.serve(lambda head: OK)
    context = trusting(certificates, version, shown)
    if served:
        assert (await ask(wire, context)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert caplog.messages == []
        return
    with contextlib.suppress(OSError):
        assert await ask(wire, context) == b""
    await wire.settled(lambda: not wire.plane.handshakes)
    assert not wire.records
    assert wire.uncontacted
    (told,) = caplog.messages
    reason = "it shows no certificate" if shown is None else "its certificate is not accepted: "
    assert re.match(rf"listener {wire.authority}: no TLS with 127\.0\.0\.1:\d+: {reason}", told)


@pytest.mark.parametrize(
    ("shown", "context"),
    [
        pytest.param("here", "forwarded", id="verified"),
        pytest.param(None, "restarted", id="none"),
    ],
)
async def test_a_verified_certificate_is_believed_where_the_config_says_so(
    start: Start, certificates: "Certificates", shown: str | None, context: str
) -> None:
    wire = await start(
        "tracing: {trust: {clients: [192.0.2.1], certificates: true}, rules: [{match: /}]}",
        listen=listen_on(certificates, client_ca=str(certificates.cert("ca")), client_auth="request"),
    )
    wire.serve(lambda head: OK)
    parent = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    await ask(
        wire, trusting(certificates, show=shown), CLOSING.replace(b"\r\n\r\n", b"\r\n" + parent + b"\r\n")
    )
    trace = (await wire.record()).trace
    assert trace is not None
    assert trace.context == context


# Handshakes that lead nowhere.


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="silent"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="half-a-hello"),
    ],
)
async def test_a_client_that_begins_no_handshake_is_cut_off(
    start: Start, certificates: "Certificates", data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wire = await start("limits: {header_timeout: 50ms}", listen=listen_on(certificates))
    client = await wire.connect()
    await client.send(data)
    await client.gone()
    await wire.settled(lambda: not wire.plane.handshakes)
    assert not wire.records
    assert [message.rpartition(": ")[2] for message in caplog.messages] == [
        "the handshake took longer than 0.05 s"
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(GET, "it speaks plain HTTP", id="http"),
        pytest.param(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n", "it speaks plain HTTP", id="connect"),
        pytest.param(bytes(100), "what it sends is not TLS", id="zeros"),
        pytest.param(b"\x80\x2e\x01", "", id="ssl-2"),
    ],
)
async def test_what_is_no_tls_is_cut_off(
    start: Start, certificates: "Certificates", data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wire = await start(listen=listen_on(certificates))
    client = await wire.connect()
    await client.send(data)
    if data.startswith(b"\x80"):
        client.end()
    await client.gone()
    client.close()
    await wire.settled(lambda: not wire.plane.handshakes)
    assert not wire.records
    (told,) = caplog.messages
    assert told.startswith(f"listener {wire.authority}: no TLS with 127.0.0.1:")
    assert told.endswith(reason)


async def test_failed_handshakes_are_told_once_a_minute_and_counted(
    start: Start,
    certificates: "Certificates",
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO)
    wire = await start(listen=listen_on(certificates))

    async def fail() -> None:
        client = await wire.connect()
        await client.send(GET)
        await client.gone()
        client.close()
        await wire.settled(lambda: not wire.plane.handshakes)

    for _ in range(3):
        await fail()
    assert len(caplog.messages) == 1
    (server,) = wire._listener._servers
    assert isinstance(server, tls_server.TlsServer)
    later = time.monotonic() + QUIET_SECONDS
    monkeypatch.setattr(server._failures._repeats, "_clock", lambda: later)
    await fail()
    assert len(caplog.messages) == 2
    assert caplog.messages[1].endswith(": it speaks plain HTTP (and 2 more since this was last told)")


async def test_a_client_that_distrusts_the_certificate_is_told(
    start: Start, certificates: "Certificates", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wire = await start(listen=listen_on(certificates, "unknown"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await ask(wire, trusting(certificates))
    await wire.settled(lambda: not wire.plane.handshakes)
    (told,) = caplog.messages
    assert told.endswith("it may not accept the certificate that it was shown")


async def test_a_client_that_leaves_in_its_handshake_is_forgotten(
    start: Start, certificates: "Certificates"
) -> None:
    wire = await start(listen=listen_on(certificates))
    for leave in ("close", "reset"):
        client = await wire.connect()
        await wire.settled(lambda: len(wire.plane.handshakes) == 1)
        getattr(client, leave)()
        await wire.settled(lambda: not wire.plane.handshakes)


async def silence(wire: Wire, count: int) -> list[Peer]:
    """Return clients who begin no handshake."""
    clients = [await wire.connect() for _ in range(count)]
    await wire.settled(lambda: len(wire.plane.handshakes) == count)
    return clients


async def test_a_handshake_counts_as_a_connection(start: Start, certificates: "Certificates") -> None:
    wire = await start("limits: {connections: 3}", listen=listen_on(certificates))
    wire.serve(lambda head: OK)
    silent = await silence(wire, 2)
    assert (await ask(wire, trusting(certificates))).startswith(b"HTTP/1.1 200 OK\r\n")
    silent.append(await wire.connect())
    await wire.settled(lambda: len(wire.plane.handshakes) == 3)
    assert (await ask(wire, trusting(certificates))).startswith(b"HTTP/1.1 503 ")
    for client in silent:
        client.close()
    await wire.settled(lambda: not wire.plane.handshakes)
    assert (await ask(wire, trusting(certificates))).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_handshakes_beyond_the_limit_are_few(start: Start, certificates: "Certificates") -> None:
    wire = await start("limits: {connections: 1}", listen=listen_on(certificates))
    await silence(wire, tls_server._BEYOND_LIMIT)
    assert await (await wire.connect()).to_end() == b""
    assert len(wire.plane.handshakes) == tls_server._BEYOND_LIMIT


async def test_handshakes_end_with_the_proxy(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))
    (client,) = await silence(wire, 1)
    wire.plane.abort()
    await client.gone()
    assert not wire.plane.handshakes


async def test_without_files_for_more_clients_those_who_came_wait(
    start: Start,
    certificates: "Certificates",
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tls_server, "_PAUSE_SECONDS", 0.01)
    wire = await start(listen=listen_on(certificates))
    wire.serve(lambda head: OK)
    (server,) = wire._listener._servers
    assert isinstance(server, tls_server.TlsServer)
    listening = server._sock

    class Full:
        """Has no file for the first client."""

        fileno = listening.fileno

        def accept(self) -> None:
            monkeypatch.setattr(server, "_sock", listening)
            raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(server, "_sock", Full())
    assert (await ask(wire, trusting(certificates))).startswith(b"HTTP/1.1 200 OK\r\n")
    assert caplog.messages == ["no client can be accepted for 0.01 s: Too many open files"]


async def test_many_clients_at_once_are_all_served(start: Start, certificates: "Certificates") -> None:
    wire = await start(listen=listen_on(certificates))
    wire.serve(lambda head: OK)
    context = trusting(certificates)
    answers = await asyncio.gather(*(ask(wire, context) for _ in range(100)))
    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers)


async def test_a_unix_socket_may_speak_tls(start: Start, certificates: "Certificates") -> None:
    path = str(certificates.folder / "listen")
    wire = await start(listen=listen_on(certificates).replace("127.0.0.1:0", f"unix:{path}"))
    wire.serve(lambda head: OK)
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_unix_connection(
            path, ssl=trusting(certificates), server_hostname="localhost"
        )
        writer.write(CLOSING)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
