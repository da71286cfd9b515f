"""Why there is no connection, in words that clients may see."""

import errno
import socket
import ssl

import pytest

from proxy.message.error import ErrorKind
from proxy.server.connect_failure import ConnectFailure


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "IP address mismatch, certificate is not valid for '10.0.0.5'"
    return error


REASONS = [
    pytest.param(ConnectionRefusedError(111, "connect to 10.0.0.5"), "connection refused", id="refused"),
    pytest.param(ConnectionResetError(104, "10.0.0.5"), "connection reset", id="reset"),
    pytest.param(OSError(113, "10.0.0.5"), "host unreachable", id="host"),
    pytest.param(OSError(101, "10.0.0.5"), "network unreachable", id="network"),
    pytest.param(FileNotFoundError(2, "/run/10.0.0.5"), "no connection could be made", id="unix"),
    pytest.param(OSError("Multiple exceptions: 10.0.0.5"), "no connection could be made", id="many"),
    pytest.param(socket.gaierror(-2, "10.0.0.5"), "its name does not resolve", id="name"),
    pytest.param(ssl.SSLError(1, "10.0.0.5"), "the TLS handshake failed", id="tls"),
    pytest.param(certificate_error(), "its certificate is not accepted", id="certificate"),
]


@pytest.mark.parametrize(("error", "words"), REASONS)
def test_clients_get_the_upstreams_name_and_no_address(error: OSError, words: str) -> None:
    failure = ConnectFailure.of(error, "shop", 2)
    assert failure.kind is ErrorKind.UPSTREAM_CONNECT
    assert failure.told == f"cannot connect to upstream shop: {words}"


def test_an_attempt_that_took_too_long_is_told_with_its_limit() -> None:
    assert ConnectFailure.of(TimeoutError("10.0.0.5"), "shop", 0.5) == ConnectFailure(
        ErrorKind.UPSTREAM_TIMEOUT,
        "connecting took longer than 0.5 s",
        "connecting to upstream shop took longer than 0.5 s",
        by_target=True,
    )


@pytest.mark.parametrize(
    ("number", "by_target"),
    [
        pytest.param(errno.ECONNREFUSED, True, id="refused"),
        pytest.param(errno.EMFILE, False, id="files-of-the-process"),
        pytest.param(errno.ENFILE, False, id="files-of-the-system"),
        pytest.param(errno.EADDRNOTAVAIL, False, id="ports"),
    ],
)
def test_what_this_machine_lacks_is_no_fault_of_a_target(number: int, by_target: bool) -> None:
    assert ConnectFailure.of(OSError(number, "words"), "shop", 2).by_target is by_target
