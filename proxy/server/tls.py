"""TLS as the config asks for it."""

import ssl
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from proxy.config.addresses import Scheme
from proxy.config.listen import ClientAuth, ListenTls
from proxy.config.upstream import Upstream, UpstreamTls
from proxy.server.alerts import AlertingContext


def read_files(settings: ListenTls | UpstreamTls | None) -> bytes:
    """Return a digest of the files that TLS is made of: it tells whether they changed.

    Raises:
        OSError: one of them cannot be read.
    """
    digest = sha256()
    for path in _files(settings):
        content = b"" if path is None else path.read_bytes()
        digest.update(b"%d:" % len(content) + content)
    return digest.digest()


def _files(settings: ListenTls | UpstreamTls | None) -> Iterable[Path | None]:
    match settings:
        case ListenTls():
            return settings.cert, settings.key, settings.client_ca
        case UpstreamTls():
            return settings.ca, settings.cert, settings.key
        case None:
            return ()


def upstream_context(settings: Upstream) -> ssl.SSLContext | None:
    """Return how https targets are spoken to; None where there are none."""
    if all(target.scheme is not Scheme.HTTPS for target in settings.targets):
        return None
    tls = settings.tls
    context = ssl.create_default_context(cafile=tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def listener_context(settings: ListenTls) -> ssl.SSLContext:
    """Return how clients are spoken to where TLS ends at the listener."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AlertingContext.convert(context)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(settings.cert, settings.key)
    if settings.client_ca is not None:
        context.load_verify_locations(settings.client_ca)
        optional = settings.client_auth is ClientAuth.REQUEST
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    return context
