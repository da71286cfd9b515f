"""https upstreams: which certificates are accepted, what is shown to them, and what is no answer."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest

from tests.server.conftest import GET, PATIENCE, Start, StartMonitor, Wire

if TYPE_CHECKING:
    from tests.conftest import Certificates

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class SecureTarget:
    """A TLS server in the test's loop that answers each head with ``answer``, and what it saw of clients."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.answer = OK
        self.cut = False  # without the close_notify that ends TLS in order
        self.deaf = False  # to all that comes behind the first answer
        self.kept: list[
            asyncio.StreamWriter
        ] = []  # those that were cut, which would close once nobody has them
        self.names: list[str | None] = []
        self.protocols: list[str | None] = []
        self.shown: list[Any] = []
        self.context = context
        context.sni_callback = lambda connection, name, _: self.names.append(name)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.kept:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = writer.get_extra_info("ssl_object")
        self.protocols.append(secure.selected_alpn_protocol())
        self.shown.append(secure.getpeercert())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer)
                await writer.drain()
                if self.deaf:
                    cast("asyncio.Transport", writer.transport).pause_reading()
                    self.kept.append(writer)
                    return
                if b"Length" not in self.answer:
                    break
        if self.cut:
            # The end of TCP alone, as anybody on the way could send it.
            with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as wire:
                wire.shutdown(socket.SHUT_WR)
            self.kept.append(writer)
        else:
            writer.close()


#: The fixture ``start_secure``: the name of a certificate.
StartSecure: TypeAlias = Callable[..., Awaitable[SecureTarget]]


@pytest.fixture
async def start_secure(certificates: "Certificates") -> AsyncIterator[StartSecure]:
    """Start TLS servers that show a certificate of ours."""
    started: list[SecureTarget] = []

    async def start(
        shown: str = "here", *, alpn: list[str] | None = None, asks: bool = False
    ) -> SecureTarget:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.cert(shown), certificates.key(shown))
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        if asks:
            context.load_verify_locations(certificates.cert("ca"))
            context.verify_mode = ssl.CERT_REQUIRED
        target = SecureTarget(context)
        started.append(target)
        await target.start()
        return target

    yield start
    for target in started:
        target.close()


#: The fixture ``front``.
Front: TypeAlias = Callable[..., Awaitable[Wire]]


@pytest.fixture
def front(start: Start, certificates: "Certificates") -> Front:
    """Start a data plane whose upstream's certificate our ca issued, unless ``tls`` says otherwise."""

    async def front(port: int, host: str = "localhost", tls: str = "", more: str = "") -> Wire:
        settings = f"tls: {{ca: '{certificates.cert('ca')}'{tls and ', ' + tls}}}{more}"
        return await start(upstream=settings, targets=[f"https://{host}:{port}"])

    return front


async def ask(wire: Wire, request: bytes = GET) -> tuple[int, str]:
    """Return the status, and the body or the detail of an error."""
    head, body = await (await wire.connect()).ask(request)
    status = int(head[9:12])
    return status, body.decode() if status == 200 else json.loads(body)["detail"]


@pytest.mark.parametrize(
    ("shown", "host", "complaint"),
    [
        pytest.param("here", "localhost", None, id="good"),
        pytest.param("here", "127.0.0.1", None, id="good-address"),
        pytest.param("elsewhere", "localhost", "Hostname mismatch", id="wrong-name"),
        pytest.param("elsewhere", "127.0.0.1", "IP address mismatch", id="wrong-address"),
        pytest.param("expired", "localhost", "certificate has expired", id="expired"),
        pytest.param("unknown", "localhost", "unable to get local issuer certificate", id="unknown-ca"),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
async def test_certificates_are_verified(
    front: Front,
    start_secure: StartSecure,
    caplog: pytest.LogCaptureFixture,
    shown: str,
    host: str,
    complaint: str | None,
    verify: bool,
) -> None:
    target = await start_secure(shown)
    wire = await front(target.port, host, "" if verify else "verify: false")
    status, said = await ask(wire)
    if complaint is None or not verify:
        assert (status, said) == (200, "ok")
        return
    assert status == 502
    assert said == "cannot connect to upstream default: its certificate is not accepted"
    (told,) = caplog.messages
    assert told.startswith(
        f"upstream default: https://{host}:{target.port}: upstream_connect: "
        "cannot connect: its certificate is not accepted: "
    )
    assert complaint in told
    assert (await wire.record()).error == "upstream_connect"


async def test_without_a_ca_the_systems_list_counts(start: Start, start_secure: StartSecure) -> None:
    target = await start_secure()
    wire = await start(targets=[f"https://localhost:{target.port}"])
    status, said = await ask(wire)
    assert status == 502
    assert said.endswith(": its certificate is not accepted")


@pytest.mark.parametrize(
    ("host", "tls", "name"),
    [
        pytest.param("localhost", "", "localhost", id="the-targets"),
        pytest.param("127.0.0.1", "", None, id="none-for-an-address"),
        pytest.param("localhost", "verify: false", "localhost", id="also-unverified"),
    ],
)
async def test_the_name_that_is_asked_for(
    front: Front, start_secure: StartSecure, host: str, tls: str, name: str | None
) -> None:
    target = await start_secure()
    await ask(await front(target.port, host, tls))
    assert target.names == [name]


async def test_another_name_may_be_asked_for_and_is_verified(
    front: Front, start_secure: StartSecure, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = await start_secure("elsewhere"), await start_secure("here")
    assert await ask(await front(good.port, "127.0.0.1", "server_name: other.test")) == (200, "ok")
    assert good.names == ["other.test"]
    status, _ = await ask(await front(bad.port, "127.0.0.1", "server_name: other.test"))
    assert status == 502
    assert "Hostname mismatch" in caplog.text


@pytest.mark.parametrize(("offered", "agreed"), [(["h2", "http/1.1"], "http/1.1"), (None, None)])
async def test_http_1_1_is_all_that_is_offered(
    front: Front, start_secure: StartSecure, offered: list[str] | None, agreed: str | None
) -> None:
    target = await start_secure(alpn=offered)
    assert await ask(await front(target.port)) == (200, "ok")
    assert target.protocols == [agreed]


async def test_the_proxys_own_certificate_is_shown(
    front: Front, start_secure: StartSecure, certificates: "Certificates"
) -> None:
    target = await start_secure(asks=True)
    own = f"cert: '{certificates.cert('elsewhere')}', key: '{certificates.key('elsewhere')}'"
    assert await ask(await front(target.port, tls=own)) == (200, "ok")
    assert target.shown[0]["subjectAltName"] == (("DNS", "other.test"),)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_without_one_where_it_is_asked_for_there_is_no_answer(
    front: Front, start_secure: StartSecure, method: bytes
) -> None:
    wire = await front((await start_secure(asks=True)).port)
    status, _ = await ask(wire, GET.replace(b"GET", method))
    assert status == 502


async def test_connections_are_kept(front: Front, start_secure: StartSecure) -> None:
    target = await start_secure()
    wire = await front(target.port)
    client = await wire.connect()
    for _ in range(3):
        assert (await client.ask(GET))[1] == b"ok"
    assert len(target.names) == 1


async def test_a_large_body_comes_whole(front: Front, start_secure: StartSecure) -> None:
    target = await start_secure()
    body = bytes(range(256)) * 8192
    target.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    client = await (await front(target.port)).connect()
    assert (await client.ask(GET))[1] == body


@pytest.mark.parametrize("end", ["in-order", "cut"])
async def test_an_answer_until_close_ends_where_tls_does(
    front: Front, start_secure: StartSecure, end: str
) -> None:
    target = await start_secure()
    target.answer = b"HTTP/1.1 200 OK\r\n\r\nsome"
    target.cut = end == "cut"
    client = await (await front(target.port)).connect()
    await client.send(GET)
    await client.head()
    if end == "in-order":
        assert await client.chunked() == (b"some", b"")
    else:
        # Whoever sits on the way could have ended it: RFC 9112, 9.8.
        assert not (await client.expect_reset()).endswith(b"0\r\n\r\n")


# Health checks.


@pytest.mark.parametrize(
    ("shown", "more", "complaint"),
    [
        pytest.param("here", "", None, id="good"),
        pytest.param("elsewhere", ", server_name: other.test", None, id="server-name"),
        pytest.param("expired", ", verify: false", None, id="unverified"),
        pytest.param("elsewhere", "", "Hostname mismatch", id="wrong-name"),
        pytest.param("unknown", "", "unable to get local issuer certificate", id="unknown-ca"),
    ],
)
async def test_a_health_check_verifies_as_requests_do(
    monitor: StartMonitor,
    start_secure: StartSecure,
    certificates: "Certificates",
    caplog: pytest.LogCaptureFixture,
    shown: str,
    more: str,
    complaint: str | None,
) -> None:
    target = await start_secure(shown)
    target.answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    url = f"https://localhost:{target.port}"
    watched = await monitor(url, more=f", tls: {{ca: '{certificates.cert('ca')}'{more}}}")
    assert await watched.change() == ("u", url, False)
    assert (complaint or "it answers 500") in caplog.text


# What is no TLS.


async def test_a_target_that_begins_no_handshake_is_given_up(front: Front, start: Start) -> None:
    silent = await start()
    port = int(silent.upstream_authority.rpartition(":")[2])
    wire = await front(port, "127.0.0.1", more=", timeouts: {connect: 50ms}")
    asked = asyncio.create_task(ask(wire))
    upstream = await silent.accept()
    status, said = await asked
    assert status == 504
    assert said == "connecting to upstream default took longer than 0.05 s"
    await upstream.gone()


@pytest.mark.parametrize("data", [OK, b"\x15\x03\x01\x00\x02\x02\x28", b""], ids=["http", "alert", "end"])
async def test_a_target_that_speaks_no_tls_is_told_apart(front: Front, start: Start, data: bytes) -> None:
    plain = await start()
    port = int(plain.upstream_authority.rpartition(":")[2])
    wire = await front(port, "127.0.0.1")
    asked = asyncio.create_task(ask(wire))
    upstream = await plain.accept()
    await upstream.receive()
    await upstream.send(data)
    upstream.close()
    status, said = await asked
    assert status == 502
    assert said in (
        "cannot connect to upstream default: the TLS handshake failed",
        "cannot connect to upstream default: connection reset",
    )


async def test_a_connection_whose_end_nobody_acknowledges_holds_no_place(
    front: Front, start_secure: StartSecure
) -> None:
    target = await start_secure()
    target.deaf = True
    wire = await front(target.port, more=", pool: {max_connections: 1}")
    pool = wire.plane.upstreams["default"]
    for _ in range(2):
        assert await ask(wire) == (200, "ok")
        wire.late(60)
        assert (pool.connections, pool.in_flight) == (0, 0)


async def test_a_connection_leads_to_an_address(front: Front, start_secure: StartSecure) -> None:
    target = await start_secure()
    wire = await front(target.port)
    assert await ask(wire) == (200, "ok")
    pool = wire.plane.upstreams["default"]
    (connection,) = pool._open
    assert connection.host == "127.0.0.1"
    (moving,) = pool.connected
    hosts = await pool.connector.hosts(moving.address)
    assert hosts is not None
    pool.retire(moving, hosts)
    assert (pool.connections, moving.idle) == (1, [connection])


# Against openssl.

_ASKING = ["-Verify", "1", "-verify_return_error"]


@pytest.mark.peer
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        pytest.param(["-tls1_2"], None, id="1.2"),
        pytest.param(["-tls1_3"], None, id="1.3"),
        pytest.param(["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], "alert protocol version", id="1.1"),
        pytest.param(["-alpn", "h2"], "alert no application protocol", id="h2-alone"),
        pytest.param(["-tls1_2", *_ASKING], "alert handshake failure", id="asks-for-a-certificate-in-1.2"),
        pytest.param(["-tls1_3", *_ASKING], "alert certificate required", id="asks-for-a-certificate-in-1.3"),
    ],
)
async def test_openssl_as_the_upstream(
    front: Front,
    certificates: "Certificates",
    options: list[str],
    complaint: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = ["-cert", str(certificates.cert("here")), "-key", str(certificates.key("here"))]
    server = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", "-accept", "127.0.0.1:0", "-www", *here, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while not (line := await server.stdout.readline()).startswith(b"ACCEPT"):
                pass
        port = int(line.rpartition(b":")[2])
        client = await (await front(port)).connect()
        await client.send(GET)
        head = await client.head()
        if complaint is not None:
            assert head.startswith(b"HTTP/1.1 502 ")
            (told,) = caplog.messages
            assert "TLS: " in told
            assert told.endswith(complaint)
            return
        assert head.startswith((b"HTTP/1.0 200 ", b"HTTP/1.1 200 "))
        page, _ = await client.chunked()
        assert f"Protocol  : {'TLSv1.2' if '-tls1_2' in options else 'TLSv1.3'}".encode() in page
    finally:
        server.kill()
        await server.wait()
