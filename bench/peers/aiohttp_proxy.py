"""The plain proxy that one writes with aiohttp: ``python -m bench.peers.aiohttp_proxy PORT UPSTREAM [PEM]``.

A server and a client session of aiohttp, bodies streamed, hop-by-hop fields left out, two headers set. With
a file of certificate and key it speaks TLS.
"""

import asyncio
import secrets
import ssl
import sys

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
#: Bodies up to here are sent in one go.
SMALL = 16 * 1024


class Proxy:
    """Sends what comes to one upstream."""

    def __init__(self, session: ClientSession, upstream: str) -> None:
        self._session = session
        self._upstream = upstream

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Proxy one request."""
        fields = end_to_end(request.headers)
        fields["X-Forwarded-For"] = request.remote or ""
        fields["X-Forwarded-Proto"] = request.scheme
        fields["X-Forwarded-Host"] = request.host
        fields["traceparent"] = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        fields["tracestate"] = "dd=s:1;o:rum"
        async with self._session.request(
            request.method,
            self._upstream + request.raw_path,
            headers=fields,
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            fields = end_to_end(answer.headers)
            if answer.content_length is not None and answer.content_length <= SMALL:
                body = await answer.read()
                return web.Response(status=answer.status, reason=answer.reason, headers=fields, body=body)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=fields)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def end_to_end(fields: CIMultiDict[str] | CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the fields that are not between two neighbours alone."""
    return CIMultiDict((name, value) for name, value in fields.items() if name.lower() not in HOP_BY_HOP)


async def serve(port: int, upstream: str, tls: ssl.SSLContext | None) -> None:
    """Serve until cancelled."""
    async with ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=4),
        timeout=ClientTimeout(total=None, sock_connect=2, sock_read=60),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    ) as session:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", Proxy(session, upstream).handle)
        runner = web.AppRunner(application, access_log=None, handle_signals=True, keepalive_timeout=75)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, backlog=4096, ssl_context=tls).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def main() -> None:
    """Read the arguments and serve."""
    port, upstream, *pem = sys.argv[1:]
    tls = None
    if pem:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pem[0])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(int(port), f"http://127.0.0.1:{upstream}", tls))
        except web.GracefulExit:
            pass


if __name__ == "__main__":
    main()
