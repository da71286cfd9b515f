"""Trailer fields that may be passed on (RFC 9110, section 6.5.1)."""

from collections.abc import Sequence
from typing import Final

from proxy.message.head import Field

#: Fields that frame, route, authenticate, trace, condition or control a message. A recipient that
#: merges trailers into the head, as some do, would otherwise take them from whoever wrote the body.
_FORBIDDEN: Final = frozenset(
    {
        b"age",
        b"authorization",
        b"b3",
        b"baggage",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-location",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"http2-settings",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"keep-alive",
        b"location",
        b"max-forwards",
        b"origin",
        b"pragma",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"range",
        b"retry-after",
        b"set-cookie",
        b"te",
        b"traceparent",
        b"tracestate",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"vary",
        b"www-authenticate",
        b"x-http-method-override",
        b"x-real-ip",
    }
)
_FORBIDDEN_PREFIXES: Final = (b"access-control-", b"x-forwarded-", b"x-b3-", b"x-datadog-")


def safe_trailers(trailers: Sequence[Field]) -> list[Field]:
    """Return the trailer fields that change nothing of how the message is read."""
    return [field for field in trailers if _safe(field[0].lower().replace(b"_", b"-"))]


def _safe(name: bytes) -> bool:
    return name not in _FORBIDDEN and not name.startswith(_FORBIDDEN_PREFIXES)
