"""Binding addresses: a taken one is seen, whoever listens there, and a socket left behind is not."""

import socket
from pathlib import Path

import pytest

from proxy.config.addresses import TcpAddress, UnixAddress
from proxy.server.listeners import AddressTaken, bind
from tests.server.conftest import GET, OK, Start


def test_a_port_in_use_is_named() -> None:
    (taken,) = bind(TcpAddress("127.0.0.1", 0))
    port = taken.getsockname()[1]
    with taken, pytest.raises(AddressTaken, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*in use"):
        bind(TcpAddress("127.0.0.1", port))


def test_a_port_is_free_again_at_once() -> None:
    (first,) = bind(TcpAddress("127.0.0.1", 0))
    address = first.getsockname()
    with socket.create_connection(address):
        accepted = True
        while accepted:
            try:
                first.accept()[0].close()
                accepted = False
            except BlockingIOError:
                continue
    first.close()
    (second,) = bind(TcpAddress(*address))
    second.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_somebody_else_is_named(host: str) -> None:
    with pytest.raises(AddressTaken, match=f"cannot listen on {host}:8080: "):
        bind(TcpAddress(host, 8080))


def _stand_for(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_name_needs_not_all_of_its_addresses_here(monkeypatch: pytest.MonkeyPatch) -> None:
    _stand_for(monkeypatch, "192.0.2.1", "127.0.0.1")
    (bound,) = bind(TcpAddress("localhost", 0))
    with bound:
        assert bound.getsockname()[0] == "127.0.0.1"


def test_a_name_needs_one_of_its_addresses_here(monkeypatch: pytest.MonkeyPatch) -> None:
    _stand_for(monkeypatch, "192.0.2.1", "203.0.113.1")
    with pytest.raises(AddressTaken, match=r"cannot listen on shop\.example\.com:0: Cannot assign"):
        bind(TcpAddress("shop.example.com", 0))


def test_a_unix_socket_in_use_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    (taken,) = bind(UnixAddress(path))
    with taken, pytest.raises(AddressTaken, match=f"cannot listen on unix:{path}: .*in use"):
        bind(UnixAddress(path))


def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    (left,) = bind(UnixAddress(path))
    left.close()
    (again,) = bind(UnixAddress(path))
    again.close()


def test_a_file_that_is_no_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(AddressTaken):
        bind(UnixAddress(str(path)))
    assert path.read_text() == "precious"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(AddressTaken, match="No such file or directory"):
        bind(UnixAddress(str(tmp_path / "no" / "s")))


async def test_a_client_and_an_upstream_on_unix_sockets(start: Start, tmp_path: Path) -> None:
    wire = await start(listen=f"unix:{tmp_path}/listen", unix_upstream=f"{tmp_path}/upstream")
    client = await wire.connect()
    upstream, head = await wire.forward(client, GET)
    assert b"X-Forwarded-For" not in head
    assert b"Host: a.test\r\n" in head
    await upstream.send(OK)
    assert (await client.answer())[1] == b"ok"
    assert (await wire.record()).peer == "unix"


async def test_a_unix_listener_gives_http_1_0_a_host(start: Start, tmp_path: Path) -> None:
    wire = await start(listen=f"unix:{tmp_path}/listen")
    client = await wire.connect()
    _, head = await wire.forward(client, b"GET / HTTP/1.0\r\n\r\n")
    assert b"Host: localhost\r\n" in head
    await wire.close()
    assert not (tmp_path / "listen").exists()


async def test_a_half_answer_on_a_unix_socket_never_looks_complete(start: Start, tmp_path: Path) -> None:
    wire = await start(listen=f"unix:{tmp_path}/listen")
    client = await wire.connect()
    upstream, _ = await wire.forward(client, GET)
    await upstream.send(b"HTTP/1.1 200 OK\r\n\r\nsome")
    await client.until(b"some\r\n")
    upstream.reset()
    with pytest.raises((AssertionError, ConnectionResetError)):
        await client.until(b"0\r\n\r\n")
