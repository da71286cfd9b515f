"""Configs loaded from text, as if they stood in a file of a temporary folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from proxy.config.load import LoadedConfig, load_text
from proxy.config.problem import ConfigError


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., LoadedConfig]:
    """Load ``config.yaml`` of ``tmp_path`` from a text."""

    def load(text: str, environ: Mapping[str, str] | None = None) -> LoadedConfig:
        return load_text(text.encode(), tmp_path / "config.yaml", environ or {})

    return load


@pytest.fixture
def errors(
    load: Callable[..., LoadedConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """Return the lines of the error that a text gets, less the file's name, and FOLDER for its folder."""
    monkeypatch.chdir(tmp_path)

    def errors(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{tmp_path}/config.yaml:") for line in lines)
        return [
            line.removeprefix(f"{tmp_path}/config.yaml:").replace(str(tmp_path), "FOLDER") for line in lines
        ]

    return errors


# A self-signed certificate for localhost and its key, made for these tests and nothing else.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUV6P7qI7uO/ZUq7bi+wo1v2/8mg4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzAyMzE0NloYDzIxMjYxMDMw
MDIzMTQ2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARF713F4NlDkbaiwTYhwXY2//VMf5p+qyKYEpBiSFGs8rL1X0AB/C/Z
u626v+2QnE7q8o/jYwltiOt829GzJFl/o1MwUTAdBgNVHQ4EFgQUdnp8M6QQJcpq
xVtjA/OH9xXmQgMwHwYDVR0jBBgwFoAUdnp8M6QQJcpqxVtjA/OH9xXmQgMwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiATIFuAN86OOfHGdzF8sZrj
PAYChdJGHtlfVRvY/A4HZgIgeQj/spOF509OvTur+MsX19B62i6+80xARQfHgpzd
7kc=
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDvNVHxkxMYrPlWNn
SuE7Yu2OBt1on0MP25SBJPjttFihRANCAARF713F4NlDkbaiwTYhwXY2//VMf5p+
qyKYEpBiSFGs8rL1X0AB/C/Zu626v+2QnE7q8o/jYwltiOt829GzJFl/
-----END PRIVATE KEY-----
"""
OTHER_KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIN7A/2gI9Mmy92j6IPZ1Z75rd10gc3vszMA5WiufhU2EoAoGCCqGSM49
AwEHoUQDQgAEy6bgWZC0l31wPaPhdYzSwfYql8Uli/NH0CVJuwCdX98tu8ZGxJ+U
AHnGam352xrQPqPoyy5j8p9W1LawG45fUQ==
-----END EC PRIVATE KEY-----
"""
ENCRYPTED_KEY = """\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,811AFA3DDEB065A4842BAFCB1F5FE212

Njlh4Nq2LHwUr4sJLAxwAHsT7riqZMPGPWBUZFZeK/fElUne5AdiEhCtWwxpA4B8
tJ4ioXWooR4QGeZIVRt0vMggB7ds8bg1WWsRhAodcvi1Vn2ocGTtVa20JTHFMi9W
O7BVqabtJdcwyH6gVXXO8rvOrOs9xfgWsbQ5hJqBjl8=
-----END EC PRIVATE KEY-----
"""


@pytest.fixture
def certificate() -> tuple[str, str]:
    """Return a certificate and its key, PEM."""
    return CERTIFICATE, KEY


@pytest.fixture
def other_key() -> str:
    """Return the key of another certificate, PEM."""
    return OTHER_KEY


@pytest.fixture
def encrypted_key() -> str:
    """Return the certificate's key, encrypted, PEM."""
    return ENCRYPTED_KEY
