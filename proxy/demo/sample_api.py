"""A small API that stands for the reader's own: it says which trace headers reached it.

It owns its CORS, for the origin http://localhost:3000, and like most APIs it has never heard of
``traceparent``: a preflight that asks for it is refused, unless a proxy takes care of that.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import TypeAlias

from aiohttp import web

from proxy.tracecontext.formats import BAGGAGE, CONTEXT_FIELDS

FRONT_END = "http://localhost:3000"

Json: TypeAlias = Mapping[str, object]

_TRACE_HEADERS = {name.decode() for name in CONTEXT_FIELDS} | {BAGGAGE.decode()}
_ALLOWED_METHODS = {"GET", "HEAD", "POST"}
_ALLOWED_HEADERS = {"content-type", "x-session-id"}
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d{1,6})(|KiB|MiB|GiB)")
_BLOCK = bytes(range(256)) * 256

_EVENTS = 10
_INTERVAL = web.AppKey("interval", float)


def _trace_headers(request: web.Request) -> dict[str, str]:
    """What arrived of every known trace header, in order; repeats are joined by a comma."""
    arrived: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        if key in _TRACE_HEADERS:
            arrived[key] = f"{arrived[key]}, {value}" if key in arrived else value
    return arrived


def _answer(request: web.Request, content: Json) -> web.Response:
    body = json.dumps({**content, "trace_headers": _trace_headers(request)}, indent=2)
    return web.Response(text=body + "\n", content_type="application/json")


async def _index(request: web.Request) -> web.Response:
    return _answer(request, {"try": ["/api/orders", "/api/events", "/checkout/cart", "/download/1MiB"]})


async def _orders(request: web.Request) -> web.Response:
    return _answer(request, {"orders": [{"id": 1, "total": "12.50"}, {"id": 2, "total": "8.00"}]})


async def _cart(request: web.Request) -> web.Response:
    return _answer(request, {"cart": [{"article": "teapot", "count": 1}]})


async def _pay(request: web.Request) -> web.Response:
    received = 0
    async for chunk in request.content.iter_any():
        received += len(chunk)
    return _answer(request, {"paid": True, "bytes_received": received})


async def _healthz(request: web.Request) -> web.Response:
    return _answer(request, {"status": "ok"})


async def _download(request: web.Request) -> web.StreamResponse:
    """Answer as many bytes as the path asks for, always the same ones."""
    size = _SIZE.fullmatch(request.match_info["size"])
    if size is None:
        raise web.HTTPNotFound(text="a size is a number with KiB, MiB, GiB or nothing behind it\n")
    left = int(size[1]) * _UNITS[size[2]]
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = left
    await response.prepare(request)
    while left > 0 and request.method != "HEAD":
        await response.write(_BLOCK[:left])
        left -= len(_BLOCK)
    return response


async def _events(request: web.Request) -> web.StreamResponse:
    """Answer a stream of Server-Sent Events, the first of them at once."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    for number in range(_EVENTS):
        if number:
            await asyncio.sleep(request.app[_INTERVAL])
        data = json.dumps({"order": number + 1, "trace_headers": _trace_headers(request)})
        await response.write(f"id: {number + 1}\ndata: {data}\n\n".encode())
    return response


async def _preflight(request: web.Request) -> web.Response:
    """Answer a preflight; the headers that it asked for are said back, for people to see."""
    asked = request.headers.get("Access-Control-Request-Headers", "")
    names = {name.strip().lower() for name in asked.split(",")} - {""}
    refused = (
        request.headers.get("Origin") != FRONT_END
        or request.headers.get("Access-Control-Request-Method") not in _ALLOWED_METHODS
        or not names <= _ALLOWED_HEADERS
    )
    if refused:
        raise web.HTTPForbidden(text="CORS: this origin, method or header is not allowed\n")
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": ", ".join(sorted(_ALLOWED_METHODS)),
            "Access-Control-Allow-Headers": ", ".join(sorted(_ALLOWED_HEADERS)),
            "X-Asked-For": asked,
        },
    )


async def _allow_front_end(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Vary"] = "Origin"
    if request.headers.get("Origin") == FRONT_END and response.status < 400:
        response.headers["Access-Control-Allow-Origin"] = FRONT_END


def make_app(event_interval: float = 1.0) -> web.Application:
    """Return the sample API; ``event_interval`` is the seconds between two Server-Sent Events."""
    app = web.Application()
    app[_INTERVAL] = event_interval
    app.router.add_get("/", _index)
    app.router.add_get("/api/orders", _orders)
    app.router.add_get("/api/events", _events)
    app.router.add_get("/checkout/cart", _cart)
    app.router.add_post("/checkout/pay", _pay)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/download/{size}", _download)
    app.router.add_options("/{path:.*}", _preflight)
    app.on_response_prepare.append(_allow_front_end)
    return app


async def start_sample_api(host: str = "127.0.0.1", port: int = 0) -> tuple[web.AppRunner, int]:
    """Serve the sample API, for ``port`` 0 on a free one; return its runner, to clean up, and the port."""
    # Cancelled, a stream whose reader left ends without a word in the log.
    runner = web.AppRunner(make_app(), access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    bound: int = runner.addresses[0][1]
    return runner, bound
