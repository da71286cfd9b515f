"""``tracing``: whose contexts are believed, what is sampled, what is written."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from proxy.config.fields import Items, Leaf, OrNull, choice, optional, plain_text
from proxy.config.names import SECRET
from proxy.config.problem import Location
from proxy.config.quantities import Boolean, Rate, integer
from proxy.config.rule import FormatList, RuleSettings, TracingChoices
from proxy.config.scalars import Scalar, shorten
from proxy.config.section import Section
from proxy.config.trust import Trust, TrustAll
from proxy.tracecontext.formats import Format

#: https://www.w3.org/TR/trace-context-2/#key
_MEMBER_KEY = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}")
_ORIGIN = re.compile(r"[!-+\-.-:<>-}]{1,64}")
_TRACE_URL = re.compile(r"https?://[!-~]+")


class Unmatched(StrEnum):
    """What requests that no rule matches keep of their context."""

    FORWARD = "forward"
    STRIP = "strip"


class Participate(StrEnum):
    """Whether a continued context gets a new parent-id without need."""

    AUTO = "auto"
    ALWAYS = "always"


def _read_member_key(scalar: Scalar) -> str:
    key = scalar.text
    if not _MEMBER_KEY.fullmatch(key):
        raise ValueError(
            f"{shorten(key)} is not a tracestate key: write lower-case letters, digits, or any of _ - * / @"
        )
    if key == "ot":
        raise ValueError("is ot, OpenTelemetry's own member: write another key, such as dd")
    return key


def _read_origin(scalar: Scalar) -> str:
    if not _ORIGIN.fullmatch(scalar.text):
        raise ValueError(
            f"{shorten(scalar.text)} cannot stand in tracestate: write up to 64 printable ones but , ; = ~"
        )
    return scalar.text


def _read_trace_url(scalar: Scalar) -> str:
    url = scalar.text
    if not _TRACE_URL.fullmatch(url):
        raise ValueError(f"{shorten(url)} is not a URL: write one such as https://jaeger/trace/{{trace_id}}")
    if "{trace_id}" not in url:
        raise ValueError(f"lacks {{trace_id}}: write where it goes, such as {url.rstrip('/')}/{{trace_id}}")
    return url


class TraceStateMember(Section):
    """The proxy's own tracestate member."""

    example: ClassVar[str] = "{key: dd, origin: rum}"

    key: Annotated[str, Leaf(_read_member_key, "a key, such as dd")] = Field(
        default="dd", description="The member's key."
    )
    origin: Annotated[str | None, optional(Leaf(_read_origin, "a text, such as rum"))] = Field(
        default="rum", description="Its o: where traces start; null: none is written."
    )


class Tracing(TracingChoices):
    """The ``tracing`` section."""

    example: ClassVar[str] = "{sample_rate: 10, rules: [{match: /api/}]}"

    sample_rate: Rate = Field(
        default=Decimal(100),
        description="Percent of the traces that are sampled; the environment's where it is not set.",
    )
    trust: Trust = Field(
        default=TrustAll.model_construct(), description="all, none or {clients: [CIDR or unix]}."
    )
    secret: Annotated[str | None, optional(SECRET)] = Field(
        default=None, description="Decides for untrusted: cap; set it where replicas must decide alike."
    )
    unmatched: Annotated[Unmatched, choice(Unmatched)] = Field(
        default=Unmatched.FORWARD, description="What requests that no rule matches keep of their context."
    )
    extract: FormatList = Field(
        default=(Format.TRACECONTEXT,),
        description="The formats that are read; the first that is there and valid wins.",
    )
    tracestate: Annotated[TraceStateMember | None, OrNull()] = Field(
        default=TraceStateMember.model_construct(),
        description="The proxy's own member; null: none is written.",
    )
    participate: Annotated[Participate, choice(Participate)] = Field(
        default=Participate.AUTO,
        description="always: a continued context gets a new parent-id, span or no span.",
    )
    w3c_level: Annotated[int, integer(1, 2, 1)] = Field(
        default=1, description="2: ids that the proxy makes carry the random flag."
    )
    threshold: Boolean = Field(
        default=False, description="Write OpenTelemetry's ot=th:... for traces sampled by rate."
    )
    trace_url: Annotated[str | None, optional(Leaf(_read_trace_url, "a URL with {trace_id}"))] = Field(
        default=None, description="Where people look at a trace, with {trace_id}."
    )
    rules: Annotated[tuple[RuleSettings, ...], Items("[{match: /api/}]", distinct=False)] = Field(
        default=(), description="Which requests are traced; the first match wins."
    )

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """Rule names are metric labels, so they are unique."""
        rules = data.get("rules")
        seen: dict[str, int] = {}
        for index, rule in enumerate(rules if isinstance(rules, (list, tuple)) else ()):
            name = rule.get("name") if isinstance(rule, Mapping) else None
            text = plain_text(name)
            if text is not None:
                if text in seen:
                    yield (
                        ("rules", index, "name"),
                        f"is {text}, as of rules[{seen[text]}]: write another name",
                    )
                seen.setdefault(text, index)
        for text, index in seen.items():
            default = _DEFAULT_NAME.fullmatch(text)
            if default is not None and isinstance(rules, (list, tuple)):
                place = int(default[1]) - 1
                if place != index and place < len(rules) and _is_unnamed(rules[place]):
                    yield (
                        ("rules", index, "name"),
                        f"is {text}, the name that rules[{place}] has by default: write another name",
                    )


_DEFAULT_NAME = re.compile(r"rule-([1-9][0-9]{0,6})")


def _is_unnamed(rule: object) -> bool:
    return isinstance(rule, Mapping) and "name" not in rule
