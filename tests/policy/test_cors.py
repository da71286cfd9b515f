from dataclasses import replace
from decimal import Decimal

import pytest

from proxy.message.head import Field, RequestHead
from proxy.policy.cors import (
    CorsMode,
    CorsPolicy,
    PreflightOutcome,
    amend_response,
    answer_preflight,
    augment_request,
    augment_response,
    get_requested_method,
    get_trace_names,
    is_preflight,
)
from proxy.policy.propagation import ResponsePolicy, TracingPolicy
from proxy.policy.sampling import Sampler
from proxy.tracecontext.formats import Format

APP = b"https://app.example.com"
ORIGIN: Field = (b"Origin", APP)
NAMES = (b"traceparent", b"tracestate", b"baggage")
ANSWER = CorsPolicy(CorsMode.ANSWER, ("https://app.example.com",))
TRACING = TracingPolicy(Sampler(Decimal(10)))


def request(*fields: Field, method: bytes = b"GET") -> RequestHead:
    return RequestHead(method, b"/", list(fields))


def preflight(method: bytes = b"PUT", headers: bytes | None = None, origin: bytes = APP) -> RequestHead:
    fields = [(b"Origin", origin), (b"Access-Control-Request-Method", method)]
    if headers is not None:
        fields.append((b"Access-Control-Request-Headers", headers))
    return request(*fields, method=b"OPTIONS")


METHOD: Field = (b"access-control-request-method", b"PUT ")
PREFLIGHTS = [
    pytest.param(request(ORIGIN, METHOD, method=b"OPTIONS"), True, id="preflight"),
    pytest.param(request(METHOD, method=b"OPTIONS"), False, id="no-origin"),
    pytest.param(request(ORIGIN, method=b"OPTIONS"), False, id="no-method"),
    pytest.param(request(ORIGIN, METHOD), False, id="get"),
]


@pytest.mark.parametrize(("head", "expected"), PREFLIGHTS)
def test_is_preflight(head: RequestHead, expected: bool) -> None:
    assert is_preflight(head) is expected


def test_the_requested_method_is_without_white_space() -> None:
    assert get_requested_method(request(METHOD)) == b"PUT"
    assert get_requested_method(request()) == b""


def test_trace_names_are_those_of_extract_and_propagators_and_baggage() -> None:
    assert get_trace_names(TRACING) == NAMES
    both = replace(TRACING, extract=(Format.B3, Format.TRACECONTEXT), propagators=(Format.TRACECONTEXT,))
    assert get_trace_names(both) == (b"b3", *NAMES)
    datadog = replace(TRACING, propagators=(Format.DATADOG,))
    assert b"x-datadog-sampling-priority" in get_trace_names(datadog)


def answered(policy: CorsPolicy, head: RequestHead) -> tuple[dict[bytes, bytes], PreflightOutcome]:
    answer = answer_preflight(policy, head, NAMES)
    assert len({name for name, _ in answer.fields}) == len(answer.fields)
    return dict(answer.fields), answer.outcome


def test_a_preflight_is_answered_from_the_config() -> None:
    policy = replace(ANSWER, allow_headers=("X-Token", "TraceParent"), max_age=60)
    assert answered(policy, preflight()) == (
        {
            b"Access-Control-Allow-Origin": APP,
            b"Access-Control-Allow-Methods": b"GET, HEAD, POST, PUT, PATCH, DELETE",
            b"Access-Control-Allow-Headers": b"X-Token, TraceParent, tracestate, baggage",
            b"Access-Control-Max-Age": b"60",
            b"Vary": b"Origin, Access-Control-Request-Method",
        },
        PreflightOutcome.ANSWERED,
    )


REFUSED = [
    pytest.param(preflight(origin=b"https://evil.test"), id="origin"),
    pytest.param(preflight(origin=APP + b".evil.test"), id="longer-origin"),
    pytest.param(preflight(method=b"TRACE"), id="method"),
    pytest.param(preflight(method=b"put"), id="method-in-lower-case"),
    pytest.param(preflight(method=b"\xff"), id="method-not-ascii"),
    pytest.param(request(ORIGIN, ORIGIN, METHOD, method=b"OPTIONS"), id="two-origins"),
]


@pytest.mark.parametrize("head", REFUSED)
def test_a_refused_preflight_gets_no_cors_fields(head: RequestHead) -> None:
    assert answered(ANSWER, head) == (
        {b"Vary": b"Origin, Access-Control-Request-Method"},
        PreflightOutcome.REFUSED,
    )


def test_every_origin_is_an_asterisk() -> None:
    fields, _ = answered(replace(ANSWER, allow_origins=("*",)), preflight(origin=b"https://any.test"))
    assert fields[b"Access-Control-Allow-Origin"] == b"*"


def test_with_credentials_asterisks_become_what_was_asked_for() -> None:
    policy = replace(ANSWER, allow_credentials=True, allow_headers=("X-A", "*"), allow_methods=("*",))
    fields, _ = answered(policy, preflight(b"PURGE", b"x-b, traceparent"))
    assert fields[b"Access-Control-Allow-Credentials"] == b"true"
    assert fields[b"Access-Control-Allow-Methods"] == b"PURGE"
    assert fields[b"Access-Control-Allow-Headers"] == b"X-A, x-b, traceparent, tracestate, baggage"
    assert fields[b"Vary"] == b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def test_without_credentials_asterisks_stay() -> None:
    fields, _ = answered(replace(ANSWER, allow_headers=("*",), allow_methods=("*",)), preflight(b"PURGE"))
    assert fields[b"Access-Control-Allow-Methods"] == b"*"
    assert fields[b"Access-Control-Allow-Headers"] == b"*, traceparent, tracestate, baggage"


STRIPPED = [
    pytest.param(b"traceparent", None, (b"traceparent",), id="alone"),
    pytest.param(b"traceparent,x-a,tracestate", b"x-a", (b"traceparent", b"tracestate"), id="among-others"),
    pytest.param(b"X-A, TraceParent ,x-B", b"X-A,x-B", (b"traceparent",), id="case-and-order-kept"),
    pytest.param(b"baggage, traceparent", None, (b"baggage", b"traceparent"), id="baggage"),
    pytest.param(b"traceparent,traceparent", None, (b"traceparent",), id="twice"),
]


@pytest.mark.parametrize(("asked", "rest", "requested"), STRIPPED)
def test_the_upstream_is_not_asked_for_trace_headers(
    asked: bytes, rest: bytes | None, requested: tuple[bytes, ...]
) -> None:
    augmented = augment_request(preflight(headers=asked), NAMES)
    assert augmented.remove == {b"access-control-request-headers"}
    assert augmented.add == (() if rest is None else ((b"Access-Control-Request-Headers", rest),))
    assert augmented.requested == requested


@pytest.mark.parametrize("asked", [None, b"", b"x-a,x-traceparent", b"b3"])
def test_a_preflight_without_trace_headers_stays_as_it_came(asked: bytes | None) -> None:
    augmented = augment_request(preflight(headers=asked), NAMES)
    assert (augmented.remove, augmented.add, augmented.requested) == (frozenset(), (), ())


ACAO = b"Access-Control-Allow-Origin"
ALLOWED: Field = (ACAO, APP)
EVERY: Field = (ACAO, b"*")
CREDENTIALS: Field = (b"Access-Control-Allow-Credentials", b"true")
HEADERS = b"Access-Control-Allow-Headers"
VARY: Field = (b"Vary", b"Access-Control-Request-Headers")

AUGMENTED = [
    pytest.param([ALLOWED], [ALLOWED, (HEADERS, b"traceparent, baggage"), VARY], id="no-headers"),
    pytest.param(
        [ALLOWED, (HEADERS, b"X-B,x-a")],
        [ALLOWED, (HEADERS, b"X-B,x-a, traceparent, baggage"), VARY],
        id="headers",
    ),
    pytest.param(
        [(b"access-control-allow-headers", b"TraceParent"), EVERY],
        [(b"access-control-allow-headers", b"TraceParent, baggage"), EVERY, VARY],
        id="one-is-there",
    ),
    pytest.param(
        [ALLOWED, CREDENTIALS, (HEADERS, b"*")],
        [ALLOWED, CREDENTIALS, (HEADERS, b"*, traceparent, baggage"), VARY],
        id="asterisk-with-credentials",
    ),
    pytest.param(
        [ALLOWED, (b"Vary", b"Origin")],
        [ALLOWED, (b"Vary", b"Origin, Access-Control-Request-Headers"), (HEADERS, b"traceparent, baggage")],
        id="vary-merged",
    ),
    pytest.param(
        [ALLOWED, (b"Vary", b"*")],
        [ALLOWED, (b"Vary", b"*"), (HEADERS, b"traceparent, baggage")],
        id="vary-asterisk",
    ),
]


@pytest.mark.parametrize(("fields", "augmented"), AUGMENTED)
def test_requested_trace_headers_are_allowed_where_the_origin_is(
    fields: list[Field], augmented: list[Field]
) -> None:
    assert augment_response(preflight(), (b"traceparent", b"baggage"), fields) == (
        augmented,
        PreflightOutcome.AUGMENTED,
    )


UNTOUCHED = [
    pytest.param([], id="no-cors"),
    pytest.param([(HEADERS, b"x-a")], id="no-origin"),
    pytest.param([(ACAO, b"https://other.test"), (HEADERS, b"x-a")], id="other-origin"),
    pytest.param([ALLOWED, (ACAO, b"*")], id="two-origins"),
    pytest.param([ALLOWED, (HEADERS, b"*")], id="asterisk"),
    pytest.param([EVERY, (HEADERS, b"x-a, *")], id="asterisk-in-a-list"),
    pytest.param([ALLOWED, (HEADERS, b"Baggage,TRACEPARENT")], id="all-there"),
]


@pytest.mark.parametrize("fields", UNTOUCHED)
def test_nothing_else_is_ever_widened(fields: list[Field]) -> None:
    assert augment_response(preflight(), (b"traceparent", b"baggage"), fields) == (
        fields,
        PreflightOutcome.FORWARDED,
    )


def test_only_what_was_requested_is_added() -> None:
    assert augment_response(preflight(), (), [ALLOWED]) == ([ALLOWED], PreflightOutcome.FORWARDED)


EXPOSE = b"Access-Control-Expose-Headers"
TIMING = ResponsePolicy(server_timing=True)
TRACE_ID = ResponsePolicy(traceresponse=True, trace_id_header=b"X-Trace-Id")
AUGMENT = CorsPolicy()

AMENDED = [
    pytest.param(AUGMENT, None, [ALLOWED], [ALLOWED], id="augment-nothing-to-expose"),
    pytest.param(AUGMENT, ResponsePolicy(), [ALLOWED], [ALLOWED], id="augment-all-off"),
    pytest.param(AUGMENT, TIMING, [], [], id="augment-no-cors"),
    pytest.param(
        AUGMENT,
        TIMING,
        [(ACAO, b"https://other.test")],
        [(ACAO, b"https://other.test")],
        id="augment-other-origin",
    ),
    pytest.param(
        AUGMENT,
        TIMING,
        [ALLOWED],
        [ALLOWED, (EXPOSE, b"Server-Timing"), (b"Timing-Allow-Origin", APP), (b"Vary", b"Origin")],
        id="augment-server-timing",
    ),
    pytest.param(
        AUGMENT,
        TIMING,
        [EVERY, (EXPOSE, b"*")],
        [EVERY, (EXPOSE, b"*"), (b"Timing-Allow-Origin", b"*")],
        id="augment-asterisks",
    ),
    pytest.param(
        AUGMENT,
        TRACE_ID,
        [ALLOWED, CREDENTIALS, (EXPOSE, b"*"), (b"vary", b"origin")],
        [ALLOWED, CREDENTIALS, (EXPOSE, b"*, traceresponse, X-Trace-Id"), (b"vary", b"origin")],
        id="augment-asterisk-with-credentials",
    ),
    pytest.param(
        AUGMENT,
        TRACE_ID,
        [EVERY, (EXPOSE, b"X-A, x-trace-id")],
        [EVERY, (EXPOSE, b"X-A, x-trace-id, traceresponse")],
        id="augment-merged",
    ),
    pytest.param(
        AUGMENT,
        TIMING,
        [EVERY, (EXPOSE, b"server-timing"), (b"timing-allow-origin", b"*")],
        [EVERY, (EXPOSE, b"server-timing"), (b"timing-allow-origin", b"*")],
        id="augment-all-there",
    ),
    pytest.param(ANSWER, None, [], [ALLOWED, (b"Vary", b"Origin")], id="answer"),
    pytest.param(
        ANSWER,
        None,
        [(ACAO, b"*"), CREDENTIALS, (EXPOSE, b"*"), (b"Vary", b"Accept"), (b"X-A", b" 1")],
        [(b"Vary", b"Accept, Origin"), (b"X-A", b" 1"), ALLOWED],
        id="answer-whatever-the-upstream-said",
    ),
    pytest.param(
        replace(ANSWER, allow_credentials=True, expose_headers=("X-Total",)),
        TIMING,
        [(b"Timing-Allow-Origin", b"https://other.test")],
        [
            (b"Timing-Allow-Origin", b"https://other.test, " + APP),
            ALLOWED,
            CREDENTIALS,
            (EXPOSE, b"X-Total, Server-Timing"),
            (b"Vary", b"Origin"),
        ],
        id="answer-all",
    ),
    pytest.param(
        replace(ANSWER, allow_origins=("*",)),
        TIMING,
        [],
        [EVERY, (EXPOSE, b"Server-Timing"), (b"Timing-Allow-Origin", b"*"), (b"Vary", b"Origin")],
        id="answer-every-origin",
    ),
    pytest.param(
        replace(ANSWER, allow_origins=("https://other.test",)),
        TIMING,
        [ALLOWED, CREDENTIALS],
        [CREDENTIALS, (b"Vary", b"Origin")],
        id="answer-disallowed",
    ),
    pytest.param(CorsPolicy(CorsMode.OFF), TIMING, [ALLOWED], [ALLOWED], id="off"),
]


@pytest.mark.parametrize(("policy", "response", "fields", "amended"), AMENDED)
def test_amend_response(
    policy: CorsPolicy, response: ResponsePolicy | None, fields: list[Field], amended: list[Field]
) -> None:
    before = list(fields)
    assert amend_response(policy, request(ORIGIN), fields, response) == amended
    assert fields == before


def test_without_an_origin_only_vary_is_merged() -> None:
    fields = [EVERY, (b"X-A", b"1")]
    assert amend_response(ANSWER, request(), fields, TIMING) == [*fields, (b"Vary", b"Origin")]


def test_two_origins_are_not_allowed() -> None:
    assert amend_response(ANSWER, request(ORIGIN, ORIGIN), [EVERY], None) == [(b"Vary", b"Origin")]
