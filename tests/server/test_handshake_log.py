"""Why a handshake failed, in words."""

import socket
import ssl
from pathlib import Path

import pytest

from proxy.server.handshake_log import describe_failure, own_name, peer_name


def ssl_error(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL: X] x (_ssl.c:1006)")
    if reason is not None:
        error.reason = reason
    return error


DISTRUSTED = "it does not accept the certificate that it was shown"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(ssl_error("TLSV1_ALERT_UNKNOWN_CA"), DISTRUSTED, id="alert-unknown-ca"),
        pytest.param(ssl_error("SSLV3_ALERT_CERTIFICATE_UNKNOWN"), DISTRUSTED, id="alert-certificate"),
        pytest.param(ssl_error("NO_SHARED_CIPHER"), "it offers no cipher that is taken here", id="cipher"),
        pytest.param(ssl_error("BAD_KEY_SHARE"), "bad key share", id="another-reason"),
        pytest.param(ssl_error(None), "unknown reason", id="no-reason"),
        pytest.param(ConnectionAbortedError("late"), "the handshake took longer than 10 s", id="late"),
    ],
)
def test_the_reason_is_told_in_words(error: OSError, words: str) -> None:
    assert describe_failure(error, 10) == words


def test_sockets_have_the_names_of_a_config(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = own_name(server)
        assert name == f"127.0.0.1:{server.getsockname()[1]}"
        with socket.create_connection(server.getsockname()[:2]) as client:
            assert peer_name(client) == name
        assert peer_name(server) == "a client that is gone"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "listen"))
        assert own_name(server) == f"unix:{tmp_path}/listen"


def test_a_peer_on_a_unix_socket_has_no_address() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_name(one) == "a client on this machine"
