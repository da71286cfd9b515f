"""A listening socket that ignores new clients keeps those who are queued."""

import socket
import sys

import pytest

from proxy.server.deaf import ignore_new_clients


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can")
def test_who_is_queued_is_served_and_nobody_else_is_queued() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        queued = socket.create_connection(listener.getsockname())
        ignore_new_clients(listener)
        late = socket.socket()
        late.setblocking(False)
        late.connect_ex(listener.getsockname())
        accepted, _ = listener.accept()
        queued.sendall(b"hello")
        assert accepted.recv(5) == b"hello"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        for sock in (accepted, queued, late):
            sock.close()


def test_a_unix_socket_is_left(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        ignore_new_clients(listener)
        client.connect(path)
        listener.accept()[0].close()
