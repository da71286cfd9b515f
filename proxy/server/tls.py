"""TLS as the config asks for it."""

import ssl

from proxy.config.addresses import Scheme
from proxy.config.upstream import Upstream


def upstream_context(settings: Upstream) -> ssl.SSLContext | None:
    """Return how https targets are spoken to; None where there are none."""
    if all(target.scheme is not Scheme.HTTPS for target in settings.targets):
        return None
    tls = settings.tls
    context = ssl.create_default_context(cafile=tls.ca)
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    return context
