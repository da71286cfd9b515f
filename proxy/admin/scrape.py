"""Answering a scrape beside the requests that are served.

The text is written on the loop that serves, a moment at a time. A thread would hold up every callback
of the loop, each for as long as the interpreter lets a thread run on: 5 ms.
"""

import asyncio
from collections.abc import Iterator
from time import perf_counter as clock

from aiohttp import hdrs, web

from proxy.observability.exposition import Family, write

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

#: How long the text is written at a stretch, and then how long requests have the loop, seconds.
BUSY_SECONDS = 0.0005
PAUSE_SECONDS = 0.001


async def answer_scrape(request: web.Request, families: Iterator[Family | None]) -> web.StreamResponse:
    """Send the metrics in the format that is asked for, as it is written."""
    openmetrics = accepts_openmetrics(request.headers.get("Accept", ""))
    response = web.StreamResponse(headers={"Content-Type": OPENMETRICS if openmetrics else PROMETHEUS})
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        await response.write_eof()
        return response
    parts: list[str] = []
    until = clock() + BUSY_SECONDS
    for part in write(families, openmetrics=openmetrics):
        parts.append(part)
        if clock() >= until:
            await response.write("".join(parts).encode())
            parts.clear()
            await asyncio.sleep(PAUSE_SECONDS)
            until = clock() + BUSY_SECONDS
    await response.write_eof("".join(parts).encode())
    return response


def accepts_openmetrics(accept: str) -> bool:
    """Whether an Accept field prefers OpenMetrics 1.0 to Prometheus' own format (RFC 9110, 12.5.1)."""
    openmetrics = plain = 0.0
    for media in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in media.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if kind == "text/plain":
            plain = max(plain, _weight(given))
        elif kind == "application/openmetrics-text" and given.get("version", "1.0.0") == "1.0.0":
            openmetrics = max(openmetrics, _weight(given))
    return openmetrics > 0 and openmetrics >= plain


def _weight(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
