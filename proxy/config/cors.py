"""``cors`` and ``forwarded``: what browsers and upstreams are told."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from proxy.config.fields import Items, Leaf, as_scalar, choice
from proxy.config.names import HeaderName, Method, split_authority
from proxy.config.problem import Location
from proxy.config.quantities import Boolean, duration
from proxy.config.scalars import Scalar, shorten
from proxy.config.section import Section
from proxy.config.trust import NetworkList
from proxy.message.forwarding import XForwarded
from proxy.policy.cors import CorsMode

_ORIGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<wild>\*\.)?(?P<authority>[^/?#*]+)")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _read_origin(scalar: Scalar) -> str:
    """Read an origin; returned as browsers write it: lower case, without a default port."""
    origin = scalar.text
    if origin == "*":
        return origin
    if origin == "null":
        raise ValueError("is null, which any sandboxed page can send: write the origins you mean")
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        raise ValueError(f"{shorten(origin)} is not an origin: write {_nearest_origin(origin)}")
    scheme = found["scheme"].lower()
    host, port = split_authority(found["authority"])
    bracketed = f"[{host}]" if ":" in host else host
    end = "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{port}"
    return f"{scheme}://{found['wild'] or ''}{bracketed}{end}"


def _nearest_origin(text: str) -> str:
    if "*" in text:
        return "scheme://*.host, such as https://*.example.com"
    begun = _ORIGIN.match(text)
    if begun is not None:
        return f"it without a path, {begun[0]}"
    return "scheme://host, such as https://app.example.com"


HeaderNames: TypeAlias = Annotated[tuple[HeaderName, ...], Items("[content-type]")]


class Cors(Section):
    """CORS: who owns it, and for answer what it says."""

    example: ClassVar[str] = "{mode: augment}"

    mode: Annotated[CorsMode, choice(CorsMode)] = Field(
        default=CorsMode.AUGMENT,
        description="augment: the upstream owns CORS, trace headers are added; answer: the proxy owns it.",
    )
    allow_origins: Annotated[
        tuple[Annotated[str, Leaf(_read_origin, "an origin, such as https://app.example.com")], ...],
        Items('[https://app.example.com, "https://*.example.com"]'),
    ] = Field(default=(), description='Exact origins, https://*.example.com, or "*".')
    allow_methods: Annotated[tuple[Method, ...], Items("[GET, POST]")] = Field(
        default=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"), description="What answer allows."
    )
    allow_headers: HeaderNames = Field(default=(), description="What answer allows beside the trace headers.")
    expose_headers: HeaderNames = Field(
        default=(), description="Response headers that answer lets pages read."
    )
    allow_credentials: Boolean = Field(default=False, description="Whether answer allows cookies.")
    max_age: Annotated[float, duration("10m", zero=True)] = Field(
        default=600.0, description="How long a browser may remember the answer to a preflight."
    )

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """``answer`` needs origins, and any origin with credentials is none that browsers accept."""
        origins = data.get("allow_origins", ())
        if _text(data.get("mode")) != CorsMode.ANSWER or not isinstance(origins, (list, tuple)):
            return
        if not origins:
            location = ("allow_origins",) if "allow_origins" in data else ("mode",)
            yield location, "answer needs at least one origin: write allow_origins: [https://app.example.com]"
        if "*" in map(_text, origins) and _text(data.get("allow_credentials")).lower() == "true":
            index = [_text(origin) for origin in origins].index("*")
            yield (
                ("allow_origins", index),
                'is "*" with allow_credentials, which lets every site act for users: write the origins',
            )


def _text(value: object) -> str:
    return "" if isinstance(value, (Mapping, list, tuple)) else as_scalar(value, "").text


class Forwarded(Section):
    """What upstreams are told about the client."""

    example: ClassVar[str] = "{x_forwarded: append}"

    x_forwarded: Annotated[XForwarded, choice(XForwarded)] = Field(
        default=XForwarded.APPEND,
        description="X-Forwarded-For, -Proto, -Host: append keeps only what a trusted proxy sent.",
    )
    trusted_proxies: NetworkList = Field(
        default=(), description="Proxies in front of this one: CIDR, or unix."
    )
