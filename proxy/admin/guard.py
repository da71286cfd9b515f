"""Who may use the admin server.

``/metrics``, ``/healthz`` and ``/readyz`` are for everyone who reaches it. The rest needs the token;
without one it is served on loopback alone, and there only to whoever is not a page of another
origin: the operator's browser can be steered by one, and by names that resolve to 127.0.0.1.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from proxy.config.addresses import Address
from proxy.config.names import split_authority

OPEN_PATHS = frozenset({"/metrics", "/healthz", "/readyz"})


def error(status: int, kind: str, detail: str) -> web.Response:
    """Return an error in the shape that the proxy's own errors have."""
    return web.json_response({"error": kind, "status": status, "detail": detail}, status=status)


def make_guard(address: Address, token: str | None) -> Middleware:
    """Return the middleware that lets requests through or refuses them."""

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path in OPEN_PATHS:
            return await handler(request)
        if token is None and not address.loopback:
            return error(404, "not_found", "set admin.token to serve this beyond the loopback interface")
        if token is None and not _is_local(request.host):
            return error(403, "forbidden", "without admin.token this is for localhost and addresses alone")
        if token is not None and not _has_token(request, token):
            refused = error(401, "unauthorized", "send Authorization: Bearer with the admin token")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        if _is_foreign(request):
            return error(403, "forbidden", "a page of another origin asks")
        return await handler(request)

    return guard


def _has_token(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _is_local(authority: str) -> bool:
    """Whether a Host is an address or localhost: no name that somebody else's DNS could point here."""
    try:
        host, _ = split_authority(authority)
        if host == "localhost":
            return True
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_foreign(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host
