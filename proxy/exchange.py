"""The life of one request in phases, pure: head in, what to do next out.

The data plane and ``explain`` drive the very same code:
``receive_request`` answers ``Forward`` or ``Respond``; ``receive_interim`` and ``receive_response``
give the field lines to send to the client; ``fail`` makes an error of our own; ``close`` gives the one
record of the exchange, on every path.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from proxy.client import Client
from proxy.message.error import (
    RETRIABLE,
    RETRY_AFTER_SECONDS,
    STATUS,
    ErrorKind,
    RefusedMessage,
    encode_error,
)
from proxy.message.forwarding import (
    FORWARDED_FIELDS,
    HOP_BY_HOP,
    client_scheme,
    forwarded_fields,
    hop_by_hop,
)
from proxy.message.head import Field, PlainRequestHead, RequestHead, ResponseHead, context_of
from proxy.message.lines import encode_lines, parse_fields
from proxy.message.upgrade import accepts_offer, offered_protocols, required_protocols, upgrade_lines
from proxy.policy import cors, propagation
from proxy.policy.cors import CorsMode, PreflightOutcome
from proxy.policy.outcome import Decision, Reason
from proxy.policy.propagation import TraceDecision
from proxy.policy.rules import Rule
from proxy.record import ExchangeRecord
from proxy.tracecontext.formats import BAGGAGE, CONTEXT_FIELDS
from proxy.tracecontext.ids import IdSource

#: Fields that a Connection field cannot name away.
PROTECTED: Final = CONTEXT_FIELDS | {
    BAGGAGE,
    b"host",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
}
#: Names that no other field may come close to, see ``_disguised``.
GUARDED: Final = PROTECTED | HOP_BY_HOP | {b"content-length", b"forwarded"}
#: The status of an exchange whose client left before an answer began (as nginx logs it).
CLIENT_CLOSED_REQUEST: Final = 499


class Forward:
    """Send the request to ``upstream`` with this target and these field lines; framing is the sender's."""

    __slots__ = ("lines", "target", "upstream")

    def __init__(self, upstream: str, target: bytes, lines: bytes) -> None:
        self.upstream = upstream
        self.target = target
        self.lines = lines

    @property
    def fields(self) -> list[Field]:
        """The lines as fields."""
        return parse_fields(self.lines)


#: Phrases that RFC 9110 (15.5) changed.
PHRASES: Final = {413: b"Content Too Large", 414: b"URI Too Long"}


class Respond:
    """Answer without an upstream."""

    __slots__ = ("body", "fields", "phrase", "status")

    def __init__(self, status: int, fields: list[Field], body: bytes = b"") -> None:
        self.status = status
        self.phrase = PHRASES.get(status) or HTTPStatus(status).phrase.encode("ascii")
        self.fields = fields
        self.body = body


class Exchange(ExchangeRecord):
    """One request and its response: the record of it that grows until it is closed."""

    __slots__ = ("_asked", "_client", "_head", "_ids", "offer")

    def __init__(self, client: Client, ids: IdSource, started: float) -> None:
        self._client = client
        self._ids = ids
        self._head: RequestHead | None = None
        self._asked: Sequence[bytes] = ()  # the trace headers that a preflight asked for
        self.offer: bytes | None = None  # the protocols that the upstream may switch to
        ExchangeRecord.__init__(self, started, client.peer)

    @property
    def client_address(self) -> str:
        """Who asked: the peer, or whom the trusted proxy that it is forwarded for."""
        return self.peer if self._head is None else self._client.address(self._head)

    @property
    def http_version(self) -> str:
        """The version of the request."""
        return "1.1" if self._head is None else "{}.{}".format(*self._head.version)

    def receive_request(self, head: RequestHead, now: float) -> Forward | Respond:
        """Decide about a request; ``now`` is monotonic seconds.

        Raises:
            RefusedMessage: the target or Host is not one that can be read one way.
        """
        client = self._client
        policy = client.policy
        scheme = client.scheme
        if client.proxy and not head.plain:
            scheme = client_scheme(head, scheme, True)
        location = policy.locator.locate(head, scheme, client.authority)
        self._head = head
        self.method = head.method
        self.url = location.url
        preflight = head.method == b"OPTIONS" and cors.is_preflight(head)
        if preflight:
            rule = policy.locator.match_preflight(location, cors.get_requested_method(head))
        else:
            rule = policy.locator.match(location, head)
        trace = self.trace = self._decide(rule, head, preflight, now)
        if trace.decision is Decision.REJECTED:
            return self.fail(ErrorKind.INVALID_CONTEXT, f"the trace context is refused: {trace.fault}")
        if preflight and policy.cors.mode is CorsMode.ANSWER:
            answer = cors.answer_preflight(policy.cors, head, self._trace_names())
            self.preflight = answer.outcome
            return Respond(204, answer.fields)
        upstream = location.upstream
        if upstream is None:
            return self.fail(ErrorKind.NO_ROUTE, f"no route leads from {location.url} to an upstream")
        self.upstream = upstream
        lines = self._upstream_lines(head, trace)
        if preflight:
            lines = self._forward_preflight(head, lines)
        return Forward(upstream, location.target, lines)

    def receive_interim(self, head: ResponseHead) -> bytes:
        """Return the field lines of a 1xx response for the client."""
        return head.lines_without(_not_passed_on(head))

    def receive_switch(self, head: ResponseHead) -> bytes:
        """Return the field lines of a 101 for the client.

        Raises:
            RefusedMessage: the client did not offer what it switches to.
        """
        if self.offer is None or self._head is None or not accepts_offer(self._head, head):
            raise RefusedMessage(ErrorKind.UPSTREAM_PROTOCOL, "the upstream switched protocols unasked")
        return self.receive_response(head) + upgrade_lines(b", ".join(head.get_all(b"upgrade")))

    def receive_response(self, head: ResponseHead) -> bytes:
        """Return the field lines of the final response for the client; framing is the sender's."""
        lines = head.lines if head.plain else _passed_on(head)
        request = self._head
        if request is None:
            return lines
        if self.preflight is None:
            return self._amend(request, lines)
        if self._asked:
            fields, self.preflight = cors.augment_response(request, self._asked, parse_fields(lines))
            return encode_lines(fields)
        return lines

    def fail(self, kind: ErrorKind, detail: str) -> Respond:
        """Return the answer for an error of our own."""
        status = STATUS[kind]
        self.error = kind
        if not self.target:
            self.header_bytes = 0  # none of them was sent
        fields: list[Field] = [(b"Content-Type", b"application/json")]
        if kind in RETRIABLE:
            fields.append((b"Retry-After", b"%d" % RETRY_AFTER_SECONDS))
        if self._head is not None:
            fields = parse_fields(self._amend(self._head, encode_lines(fields)))
        return Respond(status, fields, encode_error(kind, detail, self.trace_id))

    def close(self, duration: float) -> ExchangeRecord:
        """Return the record of the exchange, which took so many seconds."""
        self.duration = duration
        if not self.status:
            self.status = CLIENT_CLOSED_REQUEST
        return self

    def _decide(self, rule: Rule | None, head: RequestHead, preflight: bool, now: float) -> TraceDecision:
        client = self._client
        trusted = client.believes(head) if client.proxy else client.trusted
        if rule is not None:
            self.rule = rule.name
            self.matched = True
            tracing = self.tracing = rule.tracing
            if tracing is not None:
                return propagation.decide(
                    tracing, head, trusted=trusted, preflight=preflight, ids=self._ids, now=now
                )
        strip = rule is None and client.policy.strip_unmatched
        reason = Reason.NO_RULE if rule is None else Reason.RULE_SKIPS
        if preflight:
            reason = Reason.PREFLIGHT
        return propagation.leave(reason, head, trusted=trusted, strip=strip)

    def _upstream_lines(self, head: RequestHead, trace: TraceDecision) -> bytes:
        client = self._client
        if isinstance(head, PlainRequestHead):
            lines = _plain_lines(head, trace) + client.own_lines(head)
        else:
            lines = self._read_lines(head, trace)
            self.offer = offered_protocols(head)
            if self.offer is not None:
                lines += upgrade_lines(self.offer)
        if head.host is None and b"host" not in head.present:
            lines = b"\r\nHost: %b%b" % (client.authority.encode("ascii"), lines)
        if not trace.add and not trace.remove:
            return lines
        self.header_bytes = _grown(head, trace)
        return lines + encode_lines(trace.add)

    def _read_lines(self, head: RequestHead, trace: TraceDecision) -> bytes:
        """Return the lines that stay of a request that was read, and X-Forwarded-*."""
        client = self._client
        gone = hop_by_hop(head, PROTECTED)
        if FORWARDED_FIELDS.isdisjoint(head.present):
            forwarded = client.own_lines(head)
        else:
            dropped, fields = forwarded_fields(
                client.policy.x_forwarded,
                head,
                peer=client.peer,
                peer_is_trusted=client.proxy,
                scheme=client.scheme,
            )
            gone |= dropped
            forwarded = encode_lines(fields)
        if trace.remove:
            gone |= trace.remove
        if b"_" in b"".join(head.names):
            gone |= _disguised(head.names)
        return head.lines_without(gone) + forwarded

    def _trace_names(self) -> Sequence[bytes]:
        return cors.get_trace_names(self.tracing or self._client.policy.tracing)

    def _forward_preflight(self, head: RequestHead, lines: bytes) -> bytes:
        """Leave the CORS to the upstream, but for the trace headers."""
        self.preflight = PreflightOutcome.FORWARDED
        if self._client.policy.cors.mode is not CorsMode.AUGMENT:
            return lines
        change = cors.augment_request(head, self._trace_names())
        self._asked = change.requested
        if not change.remove:
            return lines
        kept = [field for field in parse_fields(lines) if field[0].lower() not in change.remove]
        return encode_lines([*kept, *change.add])

    def _amend(self, head: RequestHead, lines: bytes) -> bytes:
        """Add to a response, or to an error, what tells the client its trace, and what CORS needs."""
        told: list[Field] = []
        policy = self._client.policy.cors
        if self.trace is not None and self.tracing is not None and self.tracing.response.tells:
            told = propagation.response_fields(self.tracing, self.trace)
        if not told and policy.mode is not CorsMode.ANSWER:
            return lines
        shown = self.tracing.response if told and self.tracing is not None else None
        return encode_lines(cors.amend_response(policy, head, parse_fields(lines) + told, shown))


def _plain_lines(head: PlainRequestHead, trace: TraceDecision) -> bytes:
    """Return the lines of a plain request less the context fields that go; it has no others that do."""
    context = head.context
    if context is None or not trace.remove:
        return head.lines
    if trace.remove.issuperset(context.present):
        return head.bare
    return head.lines_without(trace.remove)


def _passed_on(head: ResponseHead) -> bytes:
    """Return the lines of a final response, or of a 101, that are not of its connection alone."""
    lines = head.lines_without(_not_passed_on(head))
    required = required_protocols(head)
    return lines if required is None else lines + upgrade_lines(required)


def _not_passed_on(head: ResponseHead) -> frozenset[bytes]:
    """Return the names of the fields that stay here; 1xx and 204 have no length (RFC 9110, 8.6)."""
    names = hop_by_hop(head)
    return names | {b"content-length"} if head.status < 200 or head.status == 204 else names


def _disguised(names: Sequence[bytes]) -> set[bytes]:
    """Return the names that a CGI or WSGI server would read as one of ours: X_Forwarded_For."""
    return {name for name in names if b"_" in name and name.replace(b"_", b"-") in GUARDED}


def _grown(head: RequestHead, trace: TraceDecision) -> int:
    """Return by how many bytes the trace-header lines grew, at least 0; a line ends with CRLF."""
    grown = sum([len(name) + len(value) + 4 for name, value in trace.add])
    fields = context_of(head)
    if fields is not None and not trace.remove.isdisjoint(fields.present):
        removed = zip(fields.fields, fields.names, strict=True)
        grown -= sum([len(field[0]) + len(field[1]) + 4 for field, name in removed if name in trace.remove])
    return max(grown, 0)
