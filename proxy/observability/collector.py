"""A collector of spans, over OTLP/HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp.

Imported where spans are configured alone.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeAlias

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from multidict import CIMultiDict

from proxy import __version__
from proxy.observability.otlp import read_rejected
from proxy.resolving.aiohttp_resolver import AiohttpResolver
from proxy.resolving.resolver import Resolver

#: How long one request may take, seconds.
REQUEST_SECONDS = 10.0
#: What of an answer is read, bytes.
_MOST_ANSWER = 64 * 1024
#: Answers after which a request may be repeated.
_TRANSIENT = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Taken:
    """The collector has the spans, but for so many."""

    rejected: int
    message: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """It may take them later: not before ``after`` seconds, where it said so."""

    why: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never take them."""

    why: str


Answer: TypeAlias = Taken | Unavailable | Refused


class Collector:
    """One collector, asked over one connection that is kept."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = CIMultiDict({"User-Agent": f"traceward/{__version__}"})
        self._headers.update(headers)
        self._headers["Content-Type"] = "application/x-protobuf"
        self._headers["Content-Encoding"] = "gzip"
        self._session: ClientSession | None = None

    async def send(self, body: bytes) -> Answer:
        """Send a request, compressed already; return what became of it."""
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=1, resolver=AiohttpResolver(Resolver())),
                timeout=ClientTimeout(total=REQUEST_SECONDS),
                cookie_jar=DummyCookieJar(),
                # Answers are short: what one could unpack to is not worth knowing.
                skip_auto_headers=["Accept-Encoding"],
                auto_decompress=False,
            )
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, allow_redirects=False
            ) as response:
                return await _read_answer(response)
        except TimeoutError:
            return Unavailable(f"the collector did not answer within {REQUEST_SECONDS:g} s")
        except (ClientError, OSError) as error:
            return Unavailable(str(error) or type(error).__name__)

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()


async def _read_answer(response: ClientResponse) -> Answer:
    status = response.status
    if status in _TRANSIENT:
        return Unavailable(
            f"the collector answered {status}",
            read_retry_after(response.headers.get("Retry-After"), time.time()),
        )
    if not 200 <= status < 300:
        return Refused(f"the collector answered {status}")
    try:
        body = await _read_body(response)
    except (TimeoutError, ClientError, OSError, asyncio.IncompleteReadError):
        # The spans are there; what it would have said of them is not.
        return Taken(0, "")
    return Taken(*read_rejected(body))


async def _read_body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(_MOST_ANSWER):
        body += part
        if len(body) > _MOST_ANSWER:
            return b""
    return bytes(body)


def read_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110, 10.2.3); ``now`` is wall-clock seconds.

    None where there is none that can be read.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        # Longer than any wait: a number of that size is no number of seconds.
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
