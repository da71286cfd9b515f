"""What the proxy would do with a request, and why: the same exchange, driven without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.exchange import Client, Exchange, Forward, Policy
from proxy.message.head import Field, RequestHead, ResponseHead
from proxy.policy.outcome import Context, Decision, Reason
from proxy.tracecontext.fault import Fault
from proxy.tracecontext.ids import IdSource

_OTHER_SCHEME = {"http": "https", "https": "http"}


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
            "upstream_headers": [_text(field) for field in self.upstream_headers],
            "response_headers": [_text(field) for field in self.response_headers],
            "trace_url": self.trace_url,
            "upstream": self.upstream,
            "status": self.status,
            "other_scheme_rule": self.other_scheme_rule,
        }


def explain(policy: Policy, question: Question, ids: IdSource, now: float) -> Explanation:
    """Explain a request.

    Raises:
        ValueError: the URL is not one that a client could ask for.
        RefusedMessage: the request would be refused before anything is decided.
    """
    scheme, authority, target = split_url(question.url)
    fields: list[Field] = list(question.headers)
    if not any(name.lower() == b"host" for name, _ in fields):
        fields.insert(0, (b"Host", authority))
    head = RequestHead(question.method.encode("ascii"), target, fields)
    exchange = Exchange(Client(policy, scheme, question.client), ids, now)
    action = exchange.receive_request(head, now)
    record = exchange.record
    trace = record.trace
    assert trace is not None  # receive_request raises before it, or decides
    if isinstance(action, Forward):
        answer = exchange.receive_response(ResponseHead(200, b"OK", []))
        upstream, sent, status = action.upstream, action.fields, None
    else:
        upstream, sent, answer, status = None, [], action.fields, action.status
    return Explanation(
        url=record.url,
        matched=record.matched,
        rule=record.rule if record.matched else None,
        decision=trace.decision,
        reason=trace.reason,
        context=trace.context,
        fault=trace.fault,
        trace_id=record.trace_id,
        trace_url=record.trace_url,
        request=fields,
        upstream=upstream,
        upstream_headers=sent,
        response_headers=answer,
        status=status,
        other_scheme_rule=None if record.matched else _match_other_scheme(policy, record.url, head),
    )


def split_url(url: str) -> tuple[str, bytes, bytes]:
    """Return scheme, authority and request target of an absolute URL.

    Raises:
        ValueError: it has no http scheme or no host, or is not ASCII.
    """
    if not url.isascii() or any(character <= " " for character in url):
        raise ValueError(f"{url!r} has characters that a URL does not: percent-encode them")
    parts = urlsplit(url)
    if parts.scheme not in _OTHER_SCHEME or not parts.netloc:
        raise ValueError(f"{url!r} is not a whole URL: write https://api.example.com/path")
    target = parts.path or "/"
    if "?" in url.partition("#")[0]:
        target += f"?{parts.query}"
    return parts.scheme, parts.netloc.encode("ascii"), target.encode("ascii")


def _match_other_scheme(policy: Policy, url: str, head: RequestHead) -> str | None:
    scheme, _, rest = url.partition("://")
    other = f"{_OTHER_SCHEME[scheme]}://{rest}"
    rule = policy.rules.match(other, head.target.decode("ascii"), head.method, head)
    return None if rule is None else rule.name


def _text(field: Field) -> list[str]:
    return [part.decode("latin-1") for part in field]
