"""CORS preflights for the trace headers, and the CORS fields of responses.

https://fetch.spec.whatwg.org/#http-cors-protocol

``augment``: the upstream owns its CORS, and only what it allows is extended by the trace headers.
``answer``: the proxy owns it, whatever the upstream says. Fields that are not CORS's stay untouched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from proxy.message.fields import drop_fields, extend_list, get_elements
from proxy.message.head import Field, RequestHead
from proxy.policy.origins import Origins
from proxy.policy.propagation import ResponsePolicy, TracingPolicy
from proxy.tracecontext.formats import BAGGAGE, FIELD_NAMES, Format


class CorsMode(StrEnum):
    """Who owns the CORS answers."""

    AUGMENT = "augment"
    ANSWER = "answer"
    OFF = "off"


class PreflightOutcome(StrEnum):
    """What became of a preflight. Also a metric label."""

    ANSWERED = "answered"
    AUGMENTED = "augmented"
    FORWARDED = "forwarded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """The ``cors`` section. ``max_age`` is whole seconds, ``allow_origins`` as ``Origins`` takes them."""

    mode: CorsMode = CorsMode.AUGMENT
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int = 600
    origins: Origins = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "origins", Origins(self.allow_origins))


_ALLOW_ORIGIN: Final = b"access-control-allow-origin"
_ALLOW_CREDENTIALS: Final = b"access-control-allow-credentials"
_EXPOSE_HEADERS: Final = b"access-control-expose-headers"
_REQUEST_HEADERS: Final = b"access-control-request-headers"
_REQUEST_METHOD: Final = b"access-control-request-method"
_OWNED: Final = frozenset({_ALLOW_ORIGIN, _ALLOW_CREDENTIALS, _EXPOSE_HEADERS})


def is_preflight(head: RequestHead) -> bool:
    """Return whether this is a CORS-preflight request."""
    return head.method == b"OPTIONS" and b"origin" in head.present and _REQUEST_METHOD in head.present


def get_requested_method(head: RequestHead) -> bytes:
    """Return the method that a preflight asks about; its rule is found by it."""
    return head.get(_REQUEST_METHOD) or b""


def get_trace_names(policy: TracingPolicy) -> tuple[bytes, ...]:
    """Return the lower-case names of the trace headers that requests under a policy may carry."""
    return _names_of(policy.extract, policy.propagators)


@lru_cache(maxsize=256)
def _names_of(extract: tuple[Format, ...], propagators: tuple[Format, ...]) -> tuple[bytes, ...]:
    formats = dict.fromkeys(extract + propagators)
    return (*(name.encode() for each in formats for name in FIELD_NAMES[each]), BAGGAGE)


class PreflightAnswer:
    """The fields of a 204 that the proxy answers a preflight with."""

    __slots__ = ("fields", "outcome")

    def __init__(self, fields: list[Field], outcome: PreflightOutcome) -> None:
        self.fields = fields
        self.outcome = outcome


def answer_preflight(policy: CorsPolicy, head: RequestHead, trace_names: Sequence[bytes]) -> PreflightAnswer:
    """Answer a preflight from the config (mode ``answer``); refused ones get no CORS fields."""
    vary = [b"Origin", b"Access-Control-Request-Method"]
    origin, method = _get_origin(head), get_requested_method(head)
    any_method = "*" in policy.allow_methods
    allowed = any_method or method.decode("latin-1") in policy.allow_methods
    if origin is None or not policy.origins.allow(origin) or not allowed:
        return PreflightAnswer([(b"Vary", b", ".join(vary))], PreflightOutcome.REFUSED)
    methods = [method] if any_method and policy.allow_credentials else _encode(policy.allow_methods)
    headers = _encode(policy.allow_headers)
    if policy.allow_credentials and b"*" in headers:
        # With credentials "*" is a name like any other, so the names themselves are needed.
        vary.append(b"Access-Control-Request-Headers")
        headers = [name for name in headers if name != b"*"] + head.get_list(_REQUEST_HEADERS)
    named = {name.lower() for name in headers}
    headers += [name for name in trace_names if name not in named]
    fields = [
        *_origin_fields(policy, origin),
        (b"Access-Control-Allow-Methods", b", ".join(methods)),
        (b"Access-Control-Allow-Headers", b", ".join(headers)),
        (b"Access-Control-Max-Age", str(policy.max_age).encode()),
        (b"Vary", b", ".join(vary)),
    ]
    return PreflightAnswer(fields, PreflightOutcome.ANSWERED)


def _get_origin(head: RequestHead) -> bytes | None:
    origins = head.get_all(b"origin")
    return origins[0] if len(origins) == 1 else None


def _encode(names: Sequence[str]) -> list[bytes]:
    return [name.encode() for name in names]


def _origin_fields(policy: CorsPolicy, origin: bytes) -> list[Field]:
    fields = [(b"Access-Control-Allow-Origin", b"*" if policy.origins.every else origin)]
    if policy.allow_credentials:
        fields.append((b"Access-Control-Allow-Credentials", b"true"))
    return fields


class AugmentedRequest:
    """What changes in a preflight on its way up (mode ``augment``).

    ``remove`` holds lower-case names, ``add`` what comes instead, ``requested`` the lower-case
    names of the trace headers that were asked for.
    """

    __slots__ = ("add", "remove", "requested")

    def __init__(
        self, remove: frozenset[bytes], add: tuple[Field, ...], requested: tuple[bytes, ...]
    ) -> None:
        self.remove = remove
        self.add = add
        self.requested = requested


_UNCHANGED: Final = AugmentedRequest(frozenset(), (), ())


def augment_request(head: RequestHead, trace_names: Sequence[bytes]) -> AugmentedRequest:
    """Take the trace headers from what a preflight asks the upstream for."""
    asked = get_elements(head.fields, _REQUEST_HEADERS)
    requested = tuple(dict.fromkeys(name for each in asked if (name := each.lower()) in trace_names))
    if not requested:
        return _UNCHANGED
    rest = b",".join(name for name in asked if name.lower() not in trace_names)
    add = ((b"Access-Control-Request-Headers", rest),) if rest else ()
    return AugmentedRequest(frozenset({_REQUEST_HEADERS}), add, requested)


def augment_response(
    head: RequestHead, requested: Sequence[bytes], fields: list[Field]
) -> tuple[list[Field], PreflightOutcome]:
    """Add the trace headers that a preflight ``requested`` to what the upstream allows its origin.

    A ``*`` covers them already, but not with credentials, where it is a name like any other.
    """
    if not requested or _allowed_by_upstream(head, fields) is None:
        return fields, PreflightOutcome.FORWARDED
    allowed = get_elements(fields, b"access-control-allow-headers")
    if b"*" in allowed and not _has_credentials(fields):
        return fields, PreflightOutcome.FORWARDED
    extended = extend_list(fields, b"Access-Control-Allow-Headers", requested)
    if extended is fields:
        return fields, PreflightOutcome.FORWARDED
    return _merge_vary(extended, b"Access-Control-Request-Headers"), PreflightOutcome.AUGMENTED


def _allowed_by_upstream(head: RequestHead, fields: list[Field]) -> bytes | None:
    """Return the upstream's Access-Control-Allow-Origin where it allows the request's origin."""
    values = [field[1].strip() for field in fields if field[0].lower() == _ALLOW_ORIGIN]
    if len(values) != 1:
        return None
    return values[0] if values[0] == b"*" or values[0] == _get_origin(head) else None


def _has_credentials(fields: list[Field]) -> bool:
    return b"true" in get_elements(fields, _ALLOW_CREDENTIALS)


def _merge_vary(fields: list[Field], name: bytes) -> list[Field]:
    return fields if b"*" in get_elements(fields, b"vary") else extend_list(fields, b"Vary", [name])


def amend_response(
    policy: CorsPolicy, head: RequestHead, fields: list[Field], response: ResponsePolicy | None
) -> list[Field]:
    """Return the fields of a response to ``head``, other than a preflight's, with what CORS needs.

    ``fields`` are the upstream's, or those of an error of the proxy's own; ``response`` tells which
    fields about the trace are in them (None: none), to be exposed to the origins that are allowed.
    """
    if policy.mode is CorsMode.ANSWER:
        return _answer_response(policy, head, fields, response)
    if policy.mode is CorsMode.OFF or response is None:
        return fields
    return _expose_augmented(head, fields, response)


def _expose_augmented(head: RequestHead, fields: list[Field], response: ResponsePolicy) -> list[Field]:
    names = _exposed_names(response)
    if not names:
        return fields
    allowed = _allowed_by_upstream(head, fields)
    if allowed is None:
        return fields
    amended = fields
    if b"*" not in get_elements(fields, _EXPOSE_HEADERS) or _has_credentials(fields):
        amended = extend_list(fields, b"Access-Control-Expose-Headers", names)
    if response.server_timing:
        amended = _allow_timing(amended, allowed)
    return amended if amended is fields or allowed == b"*" else _merge_vary(amended, b"Origin")


def _answer_response(
    policy: CorsPolicy, head: RequestHead, fields: list[Field], response: ResponsePolicy | None
) -> list[Field]:
    # Without Origin too: a cache must not give what it stored then to a page of another origin.
    if b"origin" not in head.present:
        return _merge_vary(fields, b"Origin")
    origin = _get_origin(head)
    if origin is None or not policy.origins.allow(origin):
        return _merge_vary(drop_fields(fields, frozenset({_ALLOW_ORIGIN})), b"Origin")
    allowed = _origin_fields(policy, origin)
    amended = drop_fields(fields, _OWNED) + allowed
    names = _encode(policy.expose_headers)
    if response is not None:
        names += _exposed_names(response)
    amended = extend_list(amended, b"Access-Control-Expose-Headers", names)
    if response is not None and response.server_timing:
        amended = _allow_timing(amended, allowed[0][1])
    return _merge_vary(amended, b"Origin")


def _exposed_names(response: ResponsePolicy) -> list[bytes]:
    names = []
    if response.server_timing:
        names.append(b"Server-Timing")
    if response.traceresponse:
        names.append(b"traceresponse")
    if response.trace_id_header is not None:
        names.append(response.trace_id_header)
    return names


def _allow_timing(fields: list[Field], origin: bytes) -> list[Field]:
    if b"*" in get_elements(fields, b"timing-allow-origin"):
        return fields
    return extend_list(fields, b"Timing-Allow-Origin", [origin])
