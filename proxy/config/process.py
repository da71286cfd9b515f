"""``limits``, ``admin``, ``records``, ``spans`` and ``lint``: the process and what it tells."""

import importlib.util
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, GetJsonSchemaHandler, model_serializer
from pydantic_core import CoreSchema

from proxy.config.addresses import ADDRESS, Address, TcpAddress
from proxy.config.fields import (
    Items,
    JsonSchema,
    Keyed,
    Leaf,
    as_scalar,
    choice,
    is_null,
    optional,
    reference_or,
)
from proxy.config.names import HEADER_SECRET, SECRET, Text, check_token, read_url
from proxy.config.problem import Location
from proxy.config.quantities import duration, integer, size
from proxy.config.section import Section

#: The least that ``header_bytes`` may be: a request with hardly a field, and its answer.
LEAST_HEAD = 256


class Limits(Section):
    """What a client may ask for; for the whole process group."""

    example: ClassVar[str] = "{header_bytes: 32KiB, connections: 10000}"

    header_bytes: Annotated[int, size("32KiB", least=LEAST_HEAD)] = Field(
        default=32 * 1024, description="Of a request's head; 431 or 414."
    )
    headers: Annotated[int, integer(1, 100_000, 100)] = Field(
        default=100, description="Header lines of a request; 431."
    )
    request_body: Annotated[int | None, optional(size("10MiB"))] = Field(
        default=None, description="Of a request's body; 413. null: any."
    )
    connections: Annotated[int, integer(1, 10_000_000, 10_000)] = Field(
        default=10_000, description="Clients' connections at once."
    )
    header_timeout: Annotated[float, duration("10s")] = Field(
        default=10.0, description="To a complete request head."
    )
    keepalive_timeout: Annotated[float, duration("75s")] = Field(
        default=75.0, description="To the next request of a connection."
    )
    body_timeout: Annotated[float, duration("60s")] = Field(
        default=60.0, description="Between two pieces of a request's body."
    )


class ReadyMode(StrEnum):
    """Which upstreams need a healthy target."""

    ANY = "any"
    ALL = "all"
    NAMED = "named"


class Ready(Section):
    """When /readyz answers 200: one of the words, or the names of ``upstreams``."""

    example: ClassVar[str] = "any, all or [checkout]"

    mode: Annotated[ReadyMode, choice(ReadyMode)] = ReadyMode.ANY
    upstreams: Annotated[tuple[Text, ...], Items("[checkout]", at_least=1)] = ()

    @model_serializer(mode="plain")
    def _serialize(self) -> str | list[str]:
        return list(self.upstreams) if self.mode is ReadyMode.NAMED else str(self.mode)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        """Return the short forms, which are all that there is."""
        names = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        return reference_or({"anyOf": [{"enum": ["any", "all"]}, names]})

    @classmethod
    def expand(cls, data: object) -> object:
        """Read a word or a list of names."""
        if isinstance(data, (list, tuple)):
            return {"mode": ReadyMode.NAMED, "upstreams": data}
        if isinstance(data, Mapping):
            raise ValueError(f"is a mapping: write {cls.example}")
        text = as_scalar(data, cls.example).text
        if text not in ("any", "all"):
            raise ValueError(f"is {as_scalar(data, '').describe()}: write {cls.example}")
        return {"mode": text}


class Admin(Section):
    """Metrics, health, explain and reload."""

    example: ClassVar[str] = "{listen: 127.0.0.1:9901}"

    listen: Annotated[Address | None, optional(ADDRESS)] = Field(
        default=TcpAddress("127.0.0.1", 9901), description="host:port or unix:/path; null: no admin server."
    )
    token: Annotated[str | None, optional(SECRET)] = Field(
        default=None, description="What Authorization: Bearer must carry, but for metrics and health."
    )
    ready: Ready = Field(
        default=Ready.model_construct(mode=ReadyMode.ANY),
        description="Which upstreams need a healthy target.",
    )


class QueryRecording(StrEnum):
    """What records keep of a query."""

    REDACT = "redact"
    KEEP = "keep"


class Records(Section):
    """What is written down of a request."""

    example: ClassVar[str] = "{query: redact}"

    query: Annotated[QueryRecording, choice(QueryRecording)] = Field(
        default=QueryRecording.REDACT, description="Query values in the access log and in spans."
    )


class AccessLog(StrEnum):
    """Which requests are logged."""

    OFF = "off"
    ERRORS = "errors"
    SAMPLED = "sampled"
    ALL = "all"


#: What encodes spans.
_OTLP_MODULE = "opentelemetry.proto.collector.trace.v1"


class Spans(Section):
    """The proxy's own spans."""

    example: ClassVar[str] = "{otlp: http://127.0.0.1:4318/v1/traces}"

    otlp: Annotated[
        str | None, optional(Leaf(read_url, "a URL, such as http://127.0.0.1:4318/v1/traces"))
    ] = Field(
        default=None,
        description="An OTLP collector, such as http://127.0.0.1:4318/v1/traces; null: no spans.",
    )
    service_name: Text = Field(default="traceward", description="service.name of the spans.")
    headers: Annotated[
        Mapping[str, Annotated[str, HEADER_SECRET]], Keyed("{authorization: Bearer abc}", check_token)
    ] = Field(default={}, description="Sent to the collector.")
    queue: Annotated[int, integer(1, 1_000_000, 2048)] = Field(
        default=2048, description="Spans that may wait; more are dropped and counted."
    )

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """Spans are encoded by a package that only they need."""
        if not is_null(data.get("otlp")) and not _is_installed(_OTLP_MODULE):
            message = "needs opentelemetry-proto, which is not installed: pip install 'traceward[otlp]'"
            yield ("otlp",), message


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class LintCode(StrEnum):
    """A warning's name."""

    RATE_RANGE = "rate-range"
    MATCHES_ALL = "matches-all"
    SHADOWED = "shadowed"
    PREFIX_WITHOUT_SLASH = "prefix-without-slash"
    REGEX_FOR_PREFIX = "regex-for-prefix"
    UNNAMED_RULE = "unnamed-rule"
    SCHEME_UNSERVED = "scheme-unserved"
    TRUST_ALL_EXPOSED = "trust-all-exposed"
    NO_SPAN_RECORDED = "no-span-recorded"
    ADMIN_EXPOSED = "admin-exposed"
    NO_UPSTREAM = "no-upstream"
    UNUSED_SETTINGS = "unused-settings"
    OTLP_WITHOUT_PATH = "otlp-without-path"


class Lint(Section):
    """Warnings of check that are meant to be so."""

    example: ClassVar[str] = "{ignore: [unnamed-rule]}"

    ignore: Annotated[tuple[Annotated[LintCode, choice(LintCode)], ...], Items("[unnamed-rule]")] = Field(
        default=(), description="Codes of warnings to leave out."
    )
