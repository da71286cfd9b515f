"""What a policy says about trace contexts, and what a decision about one says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.message.head import Field
from proxy.policy.outbound import Writer
from proxy.policy.outcome import Context, Decision, Reason
from proxy.policy.sampling import Sampler, TraceLimiter
from proxy.tracecontext.fault import Fault
from proxy.tracecontext.formats import Format

#: The names that most decisions remove.
NOTHING: Final[frozenset[bytes]] = frozenset()


class Parent(StrEnum):
    """What an inbound, trusted decision means here."""

    FOLLOW = "follow"
    DECIDE = "decide"
    CAP = "cap"


class InvalidAction(StrEnum):
    """What an invalid context gets."""

    RESTART = "restart"
    STRIP = "strip"
    REJECT = "reject"
    FORWARD = "forward"


class UntrustedAction(StrEnum):
    """What an untrusted client's context gets."""

    RESTART = "restart"
    CAP = "cap"
    STRIP = "strip"


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """Which response fields tell the client its trace. ``trace_id_header`` is a field name as written."""

    server_timing: bool = False
    traceresponse: bool = False
    trace_id_header: bytes | None = None
    tells: bool = field(init=False, repr=False, compare=False)  # whether any field is on

    def __post_init__(self) -> None:
        on = self.server_timing or self.traceresponse or self.trace_id_header is not None
        object.__setattr__(self, "tells", on)


@dataclass(frozen=True, slots=True)
class TracingPolicy:
    """The ``tracing`` section merged with one rule: all that decides a matched request."""

    sampler: Sampler
    inject_all: bool = False  # inject: all
    parent: Parent = Parent.FOLLOW
    invalid: InvalidAction = InvalidAction.RESTART
    untrusted: UntrustedAction = UntrustedAction.RESTART
    extract: tuple[Format, ...] = (Format.TRACECONTEXT,)
    propagators: tuple[Format, ...] = (Format.TRACECONTEXT,)
    member_key: bytes | None = b"dd"  # tracestate.key; None: no own member is written
    member_origin: bytes | None = b"rum"  # tracestate.origin
    always_participate: bool = False
    w3c_level: int = 1
    write_threshold: bool = False
    limits: tuple[TraceLimiter, ...] = ()  # the rule's and the overall cap; all must allow
    secret: bytes = field(default=b"", repr=False)
    records_span: bool = False  # the proxy records a span for what it samples
    response: ResponsePolicy = ResponsePolicy()
    trace_url: str | None = None  # with {trace_id}
    writer: Writer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        consistent = self.write_threshold and self.sampler.by is None and not self.limits
        writer = Writer(
            self.propagators,
            member_key=self.member_key,
            member_origin=self.member_origin,
            w3c_level=self.w3c_level,
            threshold=self.sampler.threshold if consistent else None,
        )
        object.__setattr__(self, "writer", writer)


class TraceDecision:
    """What was decided, why, and the fields to take from and add to the head that goes upstream.

    ``trace_id`` and ``span_id`` (the parent-id that the upstream sees) are lower-case hex, empty
    where there is none; ``flags`` are the two hex digits that go with them. ``parent_id`` is the
    inbound parent-id, empty where none was believed. ``remove`` holds lower-case names, of which not
    all need be present. ``rejected`` requests get a 400 naming ``fault``. ``replaced_trace_id`` is the
    client's own trace-id where its context was restarted. Not to be changed: the commonest ones are shared.
    """

    __slots__ = (
        "add",
        "context",
        "decision",
        "fault",
        "flags",
        "parent_id",
        "reason",
        "remove",
        "replaced_parent_id",
        "replaced_trace_id",
        "span_id",
        "trace_id",
    )

    def __init__(
        self,
        decision: Decision,
        reason: Reason,
        context: Context,
        fault: Fault | None = None,
        remove: frozenset[bytes] = NOTHING,
        add: Sequence[Field] = (),
        trace_id: bytes = b"",
        span_id: bytes = b"",
        flags: bytes = b"00",
        parent_id: bytes = b"",
    ) -> None:
        self.decision = decision
        self.reason = reason
        self.context = context
        self.fault = fault
        self.remove = remove
        self.add = add
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.parent_id = parent_id
        self.replaced_trace_id = b""
        self.replaced_parent_id = b""
