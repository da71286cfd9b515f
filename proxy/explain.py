"""What the proxy would do with a request, and why: the same exchange, driven without a network."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import httptools

from proxy.client import Client, Policy
from proxy.config.upstream import Upstream
from proxy.exchange import Exchange, Forward
from proxy.message.encode import encode_request_head
from proxy.message.error import ErrorKind, RefusedMessage
from proxy.message.framing import request_framing
from proxy.message.head import Field, RequestHead, ResponseHead
from proxy.message.lines import parse_fields, with_host
from proxy.message.target import normalize_authority
from proxy.policy import cors
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.trust import UNIX
from proxy.tracecontext.fault import Fault
from proxy.tracecontext.ids import IdSource

_OTHER_SCHEME = {"http": "https", "https": "http"}
_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]+)(?P<target>[^#]*)(?:#.*)?")


@dataclass(frozen=True, slots=True)
class Question:
    """A request to explain: a whole URL; ``client`` is the peer's address, or ``unix``."""

    url: str
    method: str = "GET"
    headers: tuple[Field, ...] = ()
    client: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of a request.

    ``request`` are its header lines as they come in, ``upstream_headers`` as they would leave,
    ``response_headers`` what an answer would carry, beside the upstream's own fields.
    ``other_scheme_rule`` names the rule that matches under the other scheme where none does.
    """

    url: str
    matched: bool
    rule: str | None
    decision: Decision
    reason: Reason
    context: Context
    fault: Fault | None
    trace_id: str | None
    trace_url: str | None
    request: Sequence[Field]
    upstream: str | None
    upstream_headers: Sequence[Field]
    response_headers: Sequence[Field]
    status: int | None
    other_scheme_rule: str | None

    def to_json(self) -> dict[str, object]:
        """Return the object of ``explain --json`` and of the admin's explain."""
        return {
            "url": self.url,
            "matched": self.matched,
            "rule": self.rule,
            "decision": self.decision,
            "reason": self.reason,
            "context": self.context,
            "fault": self.fault,
            "trace_id": self.trace_id,
            "upstream_headers": [[readable(part) for part in field] for field in self.upstream_headers],
            "response_headers": [[readable(part) for part in field] for field in self.response_headers],
            "trace_url": self.trace_url,
            "upstream": self.upstream,
            "status": self.status,
            "other_scheme_rule": self.other_scheme_rule,
        }


def explain(
    policy: Policy, upstreams: Mapping[str, Upstream], question: Question, ids: IdSource, now: float
) -> Explanation:
    """Explain a request; ``upstreams`` say by which Host they want it: that of the first of several targets.

    Raises:
        ValueError: the URL is not one that a client could ask for, or ``client`` is no address.
        RefusedMessage: the request would be refused before anything is decided.
    """
    scheme, authority, target = split_url(question.url)
    _check_client(question.client)
    fields: list[Field] = list(question.headers)
    if not any(name.lower() == b"host" for name, _ in fields):
        fields.insert(0, (b"Host", authority))
    head = RequestHead(question.method.encode(), target, fields)
    _check_wire(head)
    exchange = Exchange(Client(policy, scheme, question.client), ids, now)
    action = exchange.receive_request(head, now)
    trace = exchange.trace
    assert trace is not None  # receive_request raises before it, or decides
    if isinstance(action, Forward):
        answer = parse_fields(exchange.receive_response(ResponseHead(200, b"OK", [])))
        upstream, sent, status = action.upstream, _fields_for(upstreams[action.upstream], action.lines), None
    else:
        upstream, sent, answer, status = None, [], action.fields, action.status
    return Explanation(
        url=exchange.url,
        matched=exchange.matched,
        rule=exchange.rule if exchange.matched else None,
        decision=trace.decision,
        reason=trace.reason,
        context=trace.context,
        fault=trace.fault,
        trace_id=exchange.trace_id,
        trace_url=exchange.trace_url,
        request=fields,
        upstream=upstream,
        upstream_headers=sent,
        response_headers=answer,
        status=status,
        other_scheme_rule=None if exchange.matched else _match_other_scheme(policy, exchange.url, head),
    )


def _fields_for(upstream: Upstream, lines: bytes) -> list[Field]:
    host = upstream.host_for(upstream.targets[0])
    return parse_fields(lines if host is None else with_host(lines, host.encode("ascii")))


def split_url(url: str) -> tuple[str, bytes, bytes]:
    """Return scheme, authority and request target of an absolute URL; a fragment stays with the client.

    Raises:
        ValueError: it has no http scheme or no host, or is not ASCII.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{url!r} has characters that a URL does not: percent-encode them")
    parts = _URL.fullmatch(url)
    if parts is None or parts["scheme"].lower() not in _OTHER_SCHEME:
        rest = url.rpartition("://")[2].lstrip("/") or "api.example.com/"
        example = f"api.example.com/{rest}" if url.startswith("/") else rest
        raise ValueError(f"{url!r} is not a whole http URL: write https://{example}")
    scheme, authority, target = parts["scheme"].lower(), parts["authority"].encode(), parts["target"]
    if b"@" in authority:
        raise ValueError(f"{url!r} has user information, which clients send as a header: leave it out")
    try:
        normalize_authority(authority, scheme)
    except ValueError:
        raise ValueError(f"{url!r} has no valid host and port: write https://api.example.com/") from None
    return scheme, authority, (target if target.startswith("/") else f"/{target}").encode()


def readable(part: bytes) -> str:
    """Return a name or value as people read it: UTF-8 where it is that, Latin-1 where it is not."""
    try:
        return part.decode()
    except UnicodeDecodeError:
        return part.decode("latin-1")


def _check_client(client: str) -> None:
    try:
        if client != UNIX:
            ip_address(client)
    except ValueError:
        raise ValueError(f"{client!r} is not a client: write its IP address, or unix") from None


class _Listener:
    """What the parser calls: nothing."""


def _check_wire(head: RequestHead) -> None:
    """Refuse what the data plane would refuse to read; raises RefusedMessage."""
    if head.method in (b"CONNECT", b"TRACE"):
        raise RefusedMessage(ErrorKind.METHOD_NOT_SUPPORTED, f"{head.method.decode()} is answered with 501")
    if any(mark in part for field in head.fields for part in field for mark in (b"\r", b"\n")):
        raise RefusedMessage(ErrorKind.BAD_REQUEST, "a header has a line break in it")
    try:
        httptools.HttpRequestParser(_Listener()).feed_data(
            encode_request_head(head.method, head.target, head.lines)
        )
    except httptools.HttpParserInvalidMethodError:
        method = readable(head.method)
        raise RefusedMessage(
            ErrorKind.METHOD_NOT_SUPPORTED, f"{method} is no method that the proxy knows; it answers 501"
        ) from None
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise RefusedMessage(
            ErrorKind.BAD_REQUEST, f"the request is not valid HTTP/1.1, and answered with 400: {error}"
        ) from None
    request_framing(head)


def _match_other_scheme(policy: Policy, url: str, head: RequestHead) -> str | None:
    """Return the name of the rule that matches under the other scheme."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    other = _OTHER_SCHEME[scheme]
    target = slash + path
    moved = f"{other}://{normalize_authority(authority.encode(), other)}{target}"
    if cors.is_preflight(head):
        rule = policy.rules.match(moved, target, cors.get_requested_method(head), None)
    else:
        rule = policy.rules.match(moved, target, head.method, head)
    return None if rule is None else rule.name
