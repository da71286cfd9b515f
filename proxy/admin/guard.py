"""Who may use the admin server.

``/metrics``, ``/healthz`` and ``/readyz`` are for everyone who reaches it. The rest needs the token;
without one it is served on loopback alone, and there only to whoever is not a page of another
origin: the operator's browser can be steered by one, and by names that resolve to 127.0.0.1.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from proxy.config.addresses import Address
from proxy.config.names import split_authority
from proxy.message.error import ErrorKind

OPEN_PATHS = frozenset({"/metrics", "/healthz", "/readyz"})


def error(status: int, kind: str, detail: str) -> web.Response:
    """Return an error in the shape that the proxy's own errors have."""
    return web.json_response({"error": kind, "status": status, "detail": detail}, status=status)


def make_guard(address: Address, get_token: Callable[[], str | None]) -> Middleware:
    """Return the middleware that lets requests through or refuses them; a reload may change the token."""

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        refused = None if request.path in OPEN_PATHS else _refuse(request, address, get_token())
        if refused is not None:
            return refused
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge as answer:
            return error(answer.status, ErrorKind.BODY_TOO_LARGE, answer.text or answer.reason)
        except web.HTTPException as answer:
            return _as_error(answer)

    return guard


def _refuse(request: web.Request, address: Address, token: str | None) -> web.Response | None:
    if token is None and not address.loopback:
        return error(404, "not_found", "set admin.token to serve this beyond the loopback interface")
    if token is None and not _is_local(_host(request)):
        return error(403, "forbidden", "without admin.token this is for localhost and addresses alone")
    if token is not None and not _has_token(request, token):
        refused = error(401, "unauthorized", "send Authorization: Bearer with the admin token")
        refused.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return refused
    if _is_foreign(request):
        return error(403, "forbidden", "a page of another origin asks")
    return None


def _as_error(answer: web.HTTPException) -> web.Response:
    """Return what aiohttp says in plain text in the shape of every other error."""
    refused = error(answer.status, answer.reason.lower().replace(" ", "_"), answer.reason)
    if hdrs.ALLOW in answer.headers:
        refused.headers[hdrs.ALLOW] = answer.headers[hdrs.ALLOW]
    return refused


def _has_token(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    sent = given.strip().encode(errors="surrogateescape")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent, token.encode())


def _host(request: web.Request) -> str:
    # request.host asks DNS for this machine's name where there is no Host.
    return request.headers.get(hdrs.HOST, "")


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
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != _host(request)
