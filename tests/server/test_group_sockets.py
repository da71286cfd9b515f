"""The sockets that a supervisor holds for its workers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config.listen import Listen
from proxy.server.group_sockets import GroupSockets
from proxy.server.listeners import AddressTaken


@pytest.fixture
def sockets() -> Iterator[GroupSockets]:
    sockets = GroupSockets(2)
    yield sockets
    sockets.close()


def _listen(*addresses: str) -> list[Listen]:
    return [Listen.model_validate(address) for address in addresses]


def test_each_worker_has_its_own_tcp_socket_and_all_share_a_unix_one(
    sockets: GroupSockets, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    prepared = sockets.prepare(_listen("127.0.0.1:0", "127.0.0.1:0", f"unix:{path}"))
    sockets.commit(prepared)
    of_workers = [list(sockets.of_worker(worker, prepared).values()) for worker in range(2)]
    ports = [[tcp.getsockname()[1] for (tcp,) in each[:2]] for each in of_workers]
    assert ports[0] == ports[1]
    assert ports[0][0] != ports[0][1]
    assert [each[2][0] for each in of_workers] == [of_workers[0][2][0]] * 2
    assert of_workers[0][0][0] is not of_workers[1][0][0]
    assert path.exists()
    sockets.close()
    assert not path.exists()


def test_clients_come_to_every_worker(sockets: GroupSockets) -> None:
    prepared = sockets.prepare(_listen("127.0.0.1:0"))
    sockets.commit(prepared)
    of_workers = [next(iter(sockets.of_worker(worker, prepared).values()))[0] for worker in range(2)]
    clients = [socket.create_connection(of_workers[0].getsockname()) for _ in range(64)]
    for sock in of_workers:
        sock.accept()[0].close()
    for client in clients:
        client.close()


def test_an_address_that_is_taken_is_seen_though_it_is_shared(sockets: GroupSockets) -> None:
    prepared = sockets.prepare(_listen("127.0.0.1:0"))
    sockets.commit(prepared)
    port = next(iter(sockets.of_worker(0, prepared).values()))[0].getsockname()[1]
    others = GroupSockets(2)
    with pytest.raises(AddressTaken, match=f"127.0.0.1:{port}: the address is in use"):
        others.prepare(_listen("127.0.0.1:0", f"127.0.0.1:{port}"))


def test_what_stays_is_kept_and_what_goes_is_closed(sockets: GroupSockets, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    sockets.commit(sockets.prepare(_listen(f"unix:{first}", "127.0.0.1:0")))
    before = sockets.urls(_listen(f"unix:{first}", "127.0.0.1:0"))
    prepared = sockets.prepare(_listen("127.0.0.1:0", f"unix:{second}"))
    assert (first.exists(), second.exists()) == (True, True)
    sockets.commit(prepared)
    assert (first.exists(), second.exists()) == (False, True)
    assert sockets.urls(_listen("127.0.0.1:0", f"unix:{second}")) == [before[1], f"unix:{second}"]


def test_what_is_discarded_leaves_nothing(sockets: GroupSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    sockets.prepare(_listen(f"unix:{path}")).discard()
    assert not path.exists()


def test_a_wider_address_takes_over_from_a_narrow_one(sockets: GroupSockets) -> None:
    prepared = sockets.prepare(_listen("127.0.0.1:0"))
    sockets.commit(prepared)
    port = next(iter(sockets.of_worker(0, prepared).values()))[0].getsockname()[1]
    sockets.commit(sockets.prepare(_listen(f"0.0.0.0:{port}")))
    sockets.commit(sockets.prepare(_listen(f"127.0.0.1:{port}")))
    assert sockets.urls(_listen(f"127.0.0.1:{port}")) == [f"http://127.0.0.1:{port}"]
