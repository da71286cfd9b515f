"""CORS through a running proxy, as a browser sees it: may a page send trace headers, and read its trace."""

from dataclasses import dataclass

import pytest

from tests.conformance.cases import traceparent
from tests.conformance.harness import Answer, Live, Sent

ORIGIN = b"https://app.example.com"
SHOP = b"https://eu.shop.example.com"
EVIL = b"https://evil.example.net"
GOOD = traceparent()

# A browser, by https://fetch.spec.whatwg.org/#http-cors-protocol.

SAFE_METHODS = (b"GET", b"HEAD", b"POST")


def lists(answer: Answer, name: bytes) -> list[bytes]:
    """Return the elements of a field, in lower case."""
    joined = b",".join(answer.get_all(name)).lower()
    return [element.strip() for element in joined.split(b",") if element.strip()]


def passes_cors_check(answer: Answer, origin: bytes, *, credentials: bool) -> bool:
    origins = answer.get_all(b"access-control-allow-origin")
    if origins == [b"*"] and not credentials:
        return True
    if origins != [origin]:
        return False
    return not credentials or answer.get_all(b"access-control-allow-credentials") == [b"true"]


def lets_send(answer: Answer, origin: bytes, asked: "Asked", *, credentials: bool) -> bool:
    """Whether a preflight's answer lets a page send what it asked for."""
    if not 200 <= answer.status < 300 or not passes_cors_check(answer, origin, credentials=credentials):
        return False
    methods = answer.get_all(b"access-control-allow-methods")
    allowed = [method.strip() for value in methods for method in value.split(b",")]
    if asked.method not in (*SAFE_METHODS, *allowed) and (credentials or b"*" not in allowed):
        return False
    headers = lists(answer, b"access-control-allow-headers")
    every = b"*" in headers and not credentials
    return every or set(asked.names) <= set(headers)


def lets_read(answer: Answer, origin: bytes, name: bytes, *, credentials: bool = False) -> bool:
    """Whether a page may read a header of an answer."""
    if not passes_cors_check(answer, origin, credentials=credentials):
        return False
    exposed = lists(answer, b"access-control-expose-headers")
    return name.lower() in exposed or (b"*" in exposed and not credentials)


@dataclass(frozen=True)
class Asked:
    """What a preflight asks for; ``headers`` are the values of Access-Control-Request-Headers."""

    headers: tuple[bytes, ...] = (b"content-type,traceparent,tracestate",)
    method: bytes = b"POST"
    origin: bytes = ORIGIN

    @property
    def lines(self) -> list[bytes]:
        return [
            b"Origin: " + self.origin,
            b"Access-Control-Request-Method: " + self.method,
            *[b"Access-Control-Request-Headers: " + value for value in self.headers],
        ]

    @property
    def names(self) -> list[bytes]:
        return [name.strip().lower() for name in b",".join(self.headers).split(b",") if name.strip()]

    def send(self, live: Live, place: str, *lines: bytes, answer: bytes | None = None) -> Sent:
        return live.send(place, *self.lines, *lines, method="OPTIONS", answer=answer)


def answer_with(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    """Return the upstream's response."""
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"Content-Length: 0", b"\r\n"])


def outcomes(live: Live) -> dict[str, int]:
    lines = live.running.admin("/metrics").splitlines()
    counts = [line.split('"') for line in lines if line.startswith("traceward_preflights_total{")]
    return {outcome: int(float(count[1:])) for _, outcome, count in counts}


def rose(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return [outcome for outcome, count in after.items() if count > before.get(outcome, 0)]


ALLOW = b"Access-Control-Allow-Origin: " + ORIGIN
ANY = b"Access-Control-Allow-Origin: *"
CREDENTIALS = b"Access-Control-Allow-Credentials: true"
CONTENT_TYPE = b"Access-Control-Allow-Headers: content-type"
EVERY_HEADER = b"Access-Control-Allow-Headers: *"


# augment: the upstream owns its CORS.


@dataclass(frozen=True)
class Augmented:
    """A preflight, the upstream's answer to it, and what each side sees of the other."""

    asked: Asked
    answered: bytes
    reaches_upstream: tuple[bytes, ...]  # the values of Access-Control-Request-Headers
    sends: bool  # what a page that sends no credentials does
    sends_with_credentials: bool = False
    outcome: str = "augmented"
    place: str = "/all/"


AUGMENTED = {
    "upstream-knows-no-trace-headers": Augmented(
        Asked(), answer_with(ALLOW, CONTENT_TYPE), (b"content-type",), True
    ),
    "only-trace-headers": Augmented(Asked((b"traceparent",)), answer_with(ALLOW), (), True),
    "answered-with-204": Augmented(
        Asked((b"traceparent",)), answer_with(ALLOW, status=b"204 No Content"), (), True
    ),
    "credentials": Augmented(
        Asked(), answer_with(ALLOW, CREDENTIALS, CONTENT_TYPE), (b"content-type",), True, True
    ),
    "star-for-headers": Augmented(
        Asked(), answer_with(ALLOW, EVERY_HEADER), (b"content-type",), True, outcome="forwarded"
    ),
    "star-for-headers-with-credentials": Augmented(
        Asked((b"traceparent",)), answer_with(ALLOW, CREDENTIALS, EVERY_HEADER), (), True, True
    ),
    "star-for-origins": Augmented(Asked(), answer_with(ANY, CONTENT_TYPE), (b"content-type",), True),
    "upstream-knows-them-already": Augmented(
        Asked((b"traceparent",)),
        answer_with(ALLOW, b"Access-Control-Allow-Headers: TraceParent"),
        (),
        True,
        outcome="forwarded",
    ),
    "upstream-allows-no-origin": Augmented(
        Asked(), answer_with(CONTENT_TYPE), (b"content-type",), False, outcome="forwarded"
    ),
    "upstream-allows-another-origin": Augmented(
        Asked(),
        answer_with(b"Access-Control-Allow-Origin: " + SHOP, CONTENT_TYPE),
        (b"content-type",),
        False,
        outcome="forwarded",
    ),
    "upstream-says-two-origins": Augmented(
        Asked(), answer_with(ALLOW, ANY, CONTENT_TYPE), (b"content-type",), False, outcome="forwarded"
    ),
    "upstream-refuses-another-header": Augmented(
        Asked((b"traceparent, x-secret",)), answer_with(ALLOW, CONTENT_TYPE), (b"x-secret",), False
    ),
    "upstream-refuses-the-method": Augmented(
        Asked(method=b"DELETE"), answer_with(ALLOW, CONTENT_TYPE), (b"content-type",), False
    ),
    "upstream-fails": Augmented(
        Asked((b"content-type",)),
        answer_with(status=b"403 Forbidden"),
        (b"content-type",),
        False,
        outcome="forwarded",
    ),
    "odd-case-and-spaces": Augmented(
        Asked((b" TraceParent ,X-A,\tBAGGAGE",)),
        answer_with(ALLOW, b"access-control-allow-headers: X-A"),
        (b"X-A",),
        True,
    ),
    "two-lines": Augmented(
        Asked((b"traceparent,x-a", b"tracestate,x-b")),
        answer_with(ALLOW, b"Access-Control-Allow-Headers: x-a", b"Access-Control-Allow-Headers: x-b"),
        (b"x-a,x-b",),
        True,
    ),
    "no-trace-headers-asked-for": Augmented(
        Asked((b"x-a ,  x-b",)),
        answer_with(ALLOW, b"Access-Control-Allow-Headers: x-a, x-b"),
        (b"x-a ,  x-b",),
        True,
        outcome="forwarded",
    ),
    "no-headers-asked-for": Augmented(Asked(()), answer_with(ALLOW), (), True, outcome="forwarded"),
    "a-format-that-nobody-reads-or-writes": Augmented(
        Asked((b"traceparent,x-datadog-trace-id",)),
        answer_with(ALLOW),
        (b"x-datadog-trace-id",),
        False,
    ),
    "a-format-that-the-rule-writes": Augmented(
        Asked((b"traceparent,x-datadog-trace-id,b3,x-b3-traceid",)),
        answer_with(ALLOW),
        (),
        True,
        place="/every/",
    ),
    "without-a-rule": Augmented(
        Asked(), answer_with(ALLOW, CONTENT_TYPE), (b"content-type",), True, place="/no-rule/"
    ),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in AUGMENTED.items()])
def test_a_preflight_is_the_upstreams_but_for_the_trace_headers(row: Augmented, passing: Live) -> None:
    before = outcomes(passing)
    sent = row.asked.send(passing, row.place, GOOD, answer=row.answered)
    assert rose(before, outcomes(passing)) == [row.outcome]
    assert sent.get_all(b"access-control-request-headers") == list(row.reaches_upstream)
    assert sent.get_all(b"access-control-request-method") == [row.asked.method]
    assert sent.get_all(b"origin") == [row.asked.origin]
    assert not sent.context
    upstreams_own = [line for line in row.answered.split(b"\r\n")[1:] if b"Allow-Origin" in line]
    told = sent.answer.get_all(b"access-control-allow-origin")
    assert [b"Access-Control-Allow-Origin: " + value for value in told] == upstreams_own
    assert lets_send(sent.answer, ORIGIN, row.asked, credentials=False) is row.sends
    assert lets_send(sent.answer, ORIGIN, row.asked, credentials=True) is row.sends_with_credentials
    assert not lets_send(sent.answer, EVIL, row.asked, credentials=True)


def test_an_answer_that_is_left_alone_stays_byte_for_byte(passing: Live) -> None:
    lines = [b"X-odd:  \xe9 ", b"access-control-allow-origin: " + SHOP, b"VARY:  accept"]
    sent = Asked().send(passing, "/all/", answer=answer_with(*lines))
    assert [name + b": " + value for name, value in sent.answer.fields] == [
        b"X-odd: \xe9 ",
        b"access-control-allow-origin: " + SHOP,
        b"VARY: accept",
        b"Content-Length: 0",
    ]


def test_options_without_a_requested_method_are_no_preflight(passing: Live) -> None:
    sent = passing.send("/all/", b"Origin: " + ORIGIN, GOOD, method="OPTIONS")
    assert sent.context == [(b"traceparent", GOOD[13:])]


TOLD = (b"Server-Timing", b"traceresponse", b"x-trace-id")


@pytest.mark.parametrize(
    ("origin", "upstreams", "read", "timed"),
    [
        pytest.param(ORIGIN, [ALLOW], True, [ORIGIN], id="allowed"),
        pytest.param(ORIGIN, [ANY], True, [b"*"], id="everybody-allowed"),
        pytest.param(ORIGIN, [ALLOW, b"Timing-Allow-Origin: *"], True, [b"*"], id="timing-allowed"),
        pytest.param(ORIGIN, [ALLOW, b"Access-Control-Expose-Headers: *"], True, [ORIGIN], id="all-exposed"),
        pytest.param(EVIL, [ALLOW], False, [], id="another-allowed"),
        pytest.param(ORIGIN, [], False, [], id="nobody-allowed"),
    ],
)
def test_pages_that_the_upstream_allows_read_their_trace(
    origin: bytes, upstreams: list[bytes], read: bool, timed: list[bytes], passing: Live
) -> None:
    sent = passing.send("/shown/", b"Origin: " + origin, GOOD, answer=answer_with(*upstreams))
    value = GOOD[13:]
    assert sent.answer.get_all(b"traceresponse") == [value]
    assert sent.answer.get_all(b"server-timing") == [b'traceparent;desc="' + value + b'"']
    assert sent.answer.get_all(b"x-trace-id") == [value[3:35]]
    assert [lets_read(sent.answer, origin, name) for name in TOLD] == [read] * 3
    assert sent.answer.get_all(b"timing-allow-origin") == timed


def test_an_upstreams_own_server_timing_stays(passing: Live) -> None:
    sent = passing.send("/shown/", GOOD, answer=answer_with(b"Server-Timing: db;dur=3"))
    assert sent.answer.get_all(b"server-timing")[0] == b"db;dur=3"
    assert len(sent.answer.get_all(b"server-timing")) == 2


# answer: the proxy owns it. The config allows GET and POST, content-type, and credentials.


@dataclass(frozen=True)
class Answered:
    """A preflight, and whether its page may send what it asked for."""

    asked: Asked
    sends: bool
    outcome: str = "answered"
    place: str = "/all/"


ANSWERED = {
    "trace-headers": Answered(Asked((b"traceparent,tracestate,baggage",)), True),
    "trace-headers-and-content-type": Answered(Asked(), True),
    "formats-that-are-read": Answered(Asked((b"b3,x-b3-traceid,x-datadog-tags",)), True),
    "no-headers": Answered(Asked(()), True),
    "odd-case": Answered(Asked((b"TraceParent, Content-Type",)), True),
    "subdomain": Answered(Asked(origin=SHOP), True),
    "without-a-rule": Answered(Asked(), True, place="/no-rule/"),
    "trace-false": Answered(Asked(), True, place="/skip/"),
    "get": Answered(Asked(method=b"GET"), True),
    "another-header": Answered(Asked((b"traceparent,x-secret",)), False),
    "another-method": Answered(Asked(method=b"DELETE"), False, "refused"),
    "method-in-lower-case": Answered(Asked(method=b"post"), False, "refused"),
    "another-origin": Answered(Asked(origin=EVIL), False, "refused"),
    "null-origin": Answered(Asked(origin=b"null"), False, "refused"),
    "domain-itself": Answered(Asked(origin=b"https://shop.example.com"), False, "refused"),
    "look-alike": Answered(Asked(origin=b"https://evilshop.example.com"), False, "refused"),
    "another-scheme": Answered(Asked(origin=b"http://app.example.com"), False, "refused"),
    "another-port": Answered(Asked(origin=ORIGIN + b":8443"), False, "refused"),
    "origin-with-a-suffix": Answered(Asked(origin=ORIGIN + b".evil.example.net"), False, "refused"),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ANSWERED.items()])
def test_a_preflight_is_answered_without_the_upstream(row: Answered, polyglot: Live) -> None:
    before = outcomes(polyglot)
    sent = row.asked.send(polyglot, row.place, GOOD)
    assert rose(before, outcomes(polyglot)) == [row.outcome]
    assert sent.head is None
    assert (sent.answer.status, sent.answer.body) == (204, b"")
    assert b"origin" in lists(sent.answer, b"vary")
    assert lets_send(sent.answer, row.asked.origin, row.asked, credentials=True) is row.sends
    assert not lets_send(sent.answer, EVIL, row.asked, credentials=False)
    of_cors = [name for name, _ in sent.answer.fields if name.lower().startswith(b"access-control-")]
    assert bool(of_cors) is (row.outcome == "answered")
    if row.outcome == "answered":
        assert sent.answer.get_all(b"access-control-max-age") == [b"600"]


REAL = {
    "upstream-says-nothing": [],
    "upstream-says-the-same": [ALLOW, CREDENTIALS],
    "upstream-says-another": [b"Access-Control-Allow-Origin: " + SHOP],
    "upstream-says-everybody": [ANY, b"Access-Control-Expose-Headers: *"],
}


@pytest.mark.parametrize("upstreams", [pytest.param(lines, id=name) for name, lines in REAL.items()])
def test_allowed_pages_read_the_answer_whatever_the_upstream_says(
    upstreams: list[bytes], polyglot: Live
) -> None:
    sent = polyglot.send("/shown/", b"Origin: " + ORIGIN, answer=answer_with(*upstreams, b"Vary: Accept"))
    assert sent.head is not None
    names = (*TOLD, b"etag")
    assert [lets_read(sent.answer, ORIGIN, name, credentials=True) for name in names] == [True] * 4
    assert sent.answer.get_all(b"timing-allow-origin") == [ORIGIN]
    assert lists(sent.answer, b"vary") == [b"accept", b"origin"]


@pytest.mark.parametrize("upstreams", [pytest.param(lines, id=name) for name, lines in REAL.items()])
@pytest.mark.parametrize("origin", [[EVIL], [b"null"], []])
def test_other_pages_do_not(upstreams: list[bytes], origin: list[bytes], polyglot: Live) -> None:
    lines = [b"Origin: " + each for each in origin]
    sent = polyglot.send("/shown/", *lines, answer=answer_with(*upstreams))
    assert b"origin" in lists(sent.answer, b"vary")
    for each in origin:
        assert not sent.answer.get_all(b"access-control-allow-origin")
        assert not passes_cors_check(sent.answer, each, credentials=False)


def test_allowed_pages_read_the_proxys_own_errors(polyglot: Live) -> None:
    sent = polyglot.send("/reject/", b"Origin: " + ORIGIN, b"traceparent: bad")
    assert sent.answer.status == 400
    assert passes_cors_check(sent.answer, ORIGIN, credentials=True)
    sent = polyglot.send("/reject/", b"Origin: " + EVIL, b"traceparent: bad")
    assert not sent.answer.get_all(b"access-control-allow-origin")


# off: nothing of this.


def test_off_leaves_both_ways_as_they_came(participant: Live) -> None:
    asked = Asked((b"content-type, TraceParent",))
    before = outcomes(participant)
    sent = asked.send(participant, "/all/", GOOD, answer=answer_with(ALLOW, CONTENT_TYPE))
    assert rose(before, outcomes(participant)) == ["forwarded"]
    assert [name + b": " + value for name, value in sent.fields[1:]] == asked.lines
    assert [name + b": " + value for name, value in sent.answer.fields] == [
        ALLOW,
        CONTENT_TYPE,
        b"Content-Length: 0",
    ]
    assert not lets_send(sent.answer, ORIGIN, asked, credentials=False)


def test_off_exposes_nothing(participant: Live) -> None:
    sent = participant.send("/shown/", b"Origin: " + ORIGIN, GOOD, answer=answer_with(ALLOW))
    assert sent.answer.get_all(b"traceresponse")
    assert not any(lets_read(sent.answer, ORIGIN, name) for name in TOLD)
    assert not sent.answer.get_all(b"timing-allow-origin")
