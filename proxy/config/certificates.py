"""Whether certificates, keys and authorities load, before anything depends on them."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from proxy.config.problem import Location


def check_certificate(cert: Path, key: Path) -> Iterator[tuple[Location, str]]:
    """Give a problem at ``cert`` or ``key`` where the two do not load together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An encrypted key would be asked for on the terminal.
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        yield _refusal(cert, key, error)
    except (OSError, ValueError) as error:
        yield ("key",), f"{key} cannot be used: {error}"


def _no_password() -> str:
    raise ValueError("it is encrypted: write a key without a password")


def _refusal(cert: Path, key: Path, error: ssl.SSLError) -> tuple[Location, str]:
    if error.reason == "KEY_VALUES_MISMATCH":
        return ("key",), f"{key} is not the key of {cert}: write the one that it was made with"
    if _holds_certificate(cert):
        return ("key",), f"{key} has no private key: write a PEM file with one"
    return ("cert",), f"{cert} has no certificate: write a PEM file with one"


def _holds_certificate(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ssl.SSLError, OSError):
        return False
    return True


def check_authorities(name: str, path: Path | None) -> Iterator[tuple[Location, str]]:
    """Give a problem at the key ``name`` where ``path`` holds no certificate."""
    if path is not None and not _holds_certificate(path):
        yield (name,), f"{path} has no certificate: write a PEM file with one"
