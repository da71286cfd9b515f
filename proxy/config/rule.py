"""One entry of ``tracing.rules``: what it matches, and what it sets."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field, WrapValidator

from proxy.config.expressions import instead_of, matches_no_url
from proxy.config.fields import Items, Keyed, Leaf, choice, is_null, optional, plain_text, write_plain
from proxy.config.loading import MatcherName
from proxy.config.names import (
    TEXT,
    HeaderValue,
    Method,
    check_token,
    read_cookie_name,
    read_header_name,
    read_name,
)
from proxy.config.problem import Location
from proxy.config.quantities import PER_SECOND, RATE, Boolean
from proxy.config.scalars import Scalar, shorten
from proxy.config.section import Section, SparseSection
from proxy.message.forwarding import HOP_BY_HOP
from proxy.policy.propagation import InvalidAction, Parent, UntrustedAction
from proxy.policy.rules import compile_regex, normalize_prefix
from proxy.tracecontext.formats import Format

#: Response headers that say where a message or a connection ends.
_FRAMING = HOP_BY_HOP | {b"content-length", b"trailer"}


class Inject(StrEnum):
    """Which of the contexts that the proxy starts are sent."""

    SAMPLED = "sampled"
    ALL = "all"


FormatList: TypeAlias = Annotated[
    tuple[Annotated[Format, choice(Format)], ...], Items("[tracecontext]", at_least=1)
]


class SampleBySettings(SparseSection):
    """What a rate is decided on in place of the trace-id."""

    example: ClassVar[str] = "trace_id, {header: x-session-id} or {cookie: sid}"
    short_form: ClassVar[Mapping[str, Any]] = {"const": "trace_id"}

    header: Annotated[str | None, Leaf(read_header_name, "a header name")] = Field(
        default=None, description="The header whose value decides."
    )
    cookie: Annotated[str | None, Leaf(read_cookie_name, "a cookie name")] = Field(
        default=None, description="The cookie whose value decides."
    )

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """One of the two."""
        if len(data.keys() & {"header", "cookie"}) != 1:
            yield (), "takes one of header and cookie: write {header: x-session-id} or {cookie: sid}"


def _or_trace_id(value: object, read: Callable[[object], object]) -> object:
    if is_null(value) or plain_text(value) == "trace_id":
        return None
    return read(value)


SampleBy: TypeAlias = Annotated[SampleBySettings | None, WrapValidator(_or_trace_id)]


def _read_response_header(scalar: Scalar) -> str:
    name = read_header_name(scalar)
    if name.lower().encode() in _FRAMING:
        raise ValueError(
            f"is {name}, which says where a message ends: write another name, such as x-trace-id"
        )
    return name


class ResponseSettings(SparseSection):
    """Which response headers tell a client its trace."""

    example: ClassVar[str] = "{traceresponse: true}"

    server_timing: Boolean = Field(default=False, description='Server-Timing: traceparent;desc="00-...".')
    traceresponse: Boolean = Field(default=False, description="The traceresponse header.")
    trace_id_header: Annotated[str | None, optional(Leaf(_read_response_header, "a header name"))] = Field(
        default=None, description="A header of this name, with the trace-id."
    )


class TracingChoices(Section):
    """What the tracing section sets for all rules, and a rule for itself."""

    inject: Annotated[Inject, choice(Inject)] = Field(
        default=Inject.SAMPLED,
        description="Whether a context that is started but not sampled is sent, with flags 00.",
    )
    parent: Annotated[Parent, choice(Parent)] = Field(
        default=Parent.FOLLOW,
        description="Keep an inbound decision, re-decide by rate, or sample what both would.",
    )
    invalid: Annotated[InvalidAction, choice(InvalidAction)] = Field(
        default=InvalidAction.RESTART, description="What an invalid context gets; reject answers 400."
    )
    untrusted: Annotated[UntrustedAction, choice(UntrustedAction)] = Field(
        default=UntrustedAction.RESTART, description="What an untrusted client's context gets."
    )
    propagators: FormatList = Field(
        default=(Format.TRACECONTEXT,), description="The formats that are written upstream."
    )
    sample_by: SampleBy = Field(
        default=None, description="What the rate is decided on: trace_id, {header: NAME} or {cookie: NAME}."
    )
    max_traces_per_second: Annotated[float | None, optional(PER_SECOND)] = Field(
        default=None, description="A cap on traces that are started or re-decided."
    )
    response: ResponseSettings = Field(
        default=ResponseSettings.model_construct(),
        description="Which response headers tell a client its trace.",
    )


def _read_prefix(scalar: Scalar) -> str:
    try:
        normalize_prefix(scalar.text)
    except ValueError as error:
        raise ValueError(f"{shorten(scalar.text)} {error}" if scalar.text else str(error)) from None
    return scalar.text


def _remedy(error: str) -> str:
    if "perl operator" in error or "escape sequence" in error:
        return "write it without look-around and back-references, which RE2 does not have"
    if "repetition size" in error:
        return "write a repetition of at most 1000"
    return "write a backslash before a character that stands for itself"


def _read_regex(scalar: Scalar) -> str:
    if not scalar.text:
        raise ValueError("is empty and would match every URL: write which it is to match, such as /api/")
    try:
        compile_regex(scalar.text)
    except ValueError as error:
        raise ValueError(
            f"{shorten(scalar.text)} is not RE2 syntax: {error}; {_remedy(str(error))}"
        ) from None
    if matches_no_url(scalar.text):
        raise ValueError(
            f"is {shorten(scalar.text)}, and every URL begins with http:// or https://, so it never matches: "
            f"write {instead_of(scalar.text)}"
        )
    return scalar.text


class MatchSettings(SparseSection):
    """The conditions of a rule; all that are set must hold."""

    example: ClassVar[str] = "/api/ or {prefix: /api/, methods: [GET]}"
    short_form: ClassVar[Mapping[str, Any]] = {"type": "string"}

    prefix: Annotated[str | None, Leaf(_read_prefix, "a URL or path, such as /api/")] = Field(
        default=None, description="What the URL starts with, or the path where this starts with a slash."
    )
    regex: Annotated[str | None, Leaf(_read_regex, "an expression")] = Field(
        default=None, description="An expression in RE2 syntax, searched in the URL."
    )
    function: MatcherName = Field(
        default=None, description="module:callable, called with the URL; returns a bool."
    )
    methods: Annotated[tuple[Method, ...] | None, Items("[GET, POST]", at_least=1)] = Field(
        default=None, description="The request's method is one of these."
    )
    headers: Annotated[Mapping[str, HeaderValue], Keyed("{x-tenant: acme}", check_token)] = Field(
        default={}, description="The request has each of these headers with exactly this value."
    )

    @classmethod
    def expand(cls, data: object) -> object:
        """Read a prefix alone."""
        return data if isinstance(data, (Mapping, list, tuple)) else {"prefix": data}

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """A match without conditions is more likely an unfinished one than meant for everything."""
        if not data:
            yield (), "has no condition: write which requests are meant, such as match: /api/"


class RuleSettings(SparseSection, TracingChoices):
    """A rule: requests that match it are traced, the first match wins."""

    example: ClassVar[str] = "{match: /api/, sample_rate: 10}"

    name: Annotated[str | None, Leaf(read_name, "a name", TEXT)] = Field(
        default=None, description="The metric label, unique; rule-1, rule-2, ... where it is not set."
    )
    match: MatchSettings = Field(description="Which requests.", examples=["/api/"])
    trace: Boolean = Field(default=True, description="false: matched requests are left alone.")
    sample_rate: Annotated[Decimal | None, RATE] = Field(
        default=None, description="Percent of the traces that are sampled; the section's where it is not set."
    )

    @classmethod
    def misplaced(cls, key: str, data: Mapping[str, object]) -> str | None:
        """Conditions belong into match."""
        conditions = MatchSettings.keys()
        if key not in conditions:
            return None
        match = MatchSettings.expand(data["match"]) if "match" in data else {}
        match = match if isinstance(match, Mapping) else {}
        beside = {each: data[each] for each in conditions if each in data}
        written = write_plain({**match, **beside})
        return f"match: {written or '{prefix: /api/, ' + _EXAMPLES.get(key, 'methods: [GET]') + '}'}"


_EXAMPLES = {"headers": "headers: {x-tenant: acme}", "regex": "regex: '/v[12]/'"}
