"""The trace context that a request came with: the first format that is present and valid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from proxy.message.head import Head
from proxy.tracecontext import b3, datadog, traceparent, tracestate
from proxy.tracecontext.context import TraceContext
from proxy.tracecontext.fault import Fault, InvalidContext
from proxy.tracecontext.formats import FIELDS_OF, Format

# Looking up a member of an enumeration costs 80 ns, too much for every request.
_TRACECONTEXT: Final = Format.TRACECONTEXT


class Inbound:
    """A valid context, the format it was read from, and the members of the tracestate that goes with it.

    ``fault`` says why a tracestate was dropped; it never spoils the context.
    """

    __slots__ = ("context", "fault", "format", "members")

    def __init__(self, fmt: Format, context: TraceContext) -> None:
        self.format = fmt
        self.context = context
        self.members: Sequence[bytes] = ()
        self.fault: Fault | None = None


def extract(formats: Sequence[Format], head: Head) -> Inbound | Fault | None:
    """Read the first format that is present and valid; else the first fault found; None without a context."""
    fault: Fault | None = None
    for fmt in formats:
        try:
            context = READERS[fmt](head)
        except InvalidContext as error:
            fault = fault or error.fault
            continue
        if context is not None:
            inbound = Inbound(fmt, context)
            if b"tracestate" in head.present and _TRACECONTEXT in formats:
                _read_tracestate(inbound, head)
            return inbound
    return fault


def read(fmt: Format, head: Head) -> TraceContext | None:
    """Read one format; None where it did not come, or came invalid."""
    try:
        return READERS[fmt](head)
    except InvalidContext:
        return None


def _read_tracestate(inbound: Inbound, head: Head) -> None:
    if inbound.format is not _TRACECONTEXT:
        # A tracestate belongs to its traceparent, which may tell of another trace.
        companion = read(_TRACECONTEXT, head)
        if companion is None or not companion.same_trace(inbound.context):
            return
    if head.names.count(b"tracestate") == 1:
        value = head.get(b"tracestate") or b""
    else:
        value = b",".join(head.get_all(b"tracestate"))
    try:
        inbound.members = tracestate.parse(value)
    except InvalidContext as error:
        inbound.fault = error.fault


def _read_tracecontext(head: Head) -> TraceContext | None:
    value = head.get(b"traceparent")
    if value is None:
        return None
    if head.names.count(b"traceparent") > 1:
        raise InvalidContext(Fault.DUPLICATE, value)
    return traceparent.parse(value)


def _read_b3(head: Head) -> TraceContext | None:
    value = head.get(b"b3")
    if value is None:
        return None
    if head.names.count(b"b3") > 1:
        raise InvalidContext(Fault.DUPLICATE, value)
    return b3.parse_single(value)


def _read_b3multi(head: Head) -> TraceContext | None:
    _refuse_contradictions(Format.B3MULTI, head)
    return b3.parse_multi(head.get)


def _read_datadog(head: Head) -> TraceContext | None:
    _refuse_contradictions(Format.DATADOG, head)
    return datadog.parse(head.get)


def _refuse_contradictions(fmt: Format, head: Head) -> None:
    # We would take the first value, an upstream perhaps the last: two decisions for one request.
    for name in FIELDS_OF[fmt] & head.present:
        if head.names.count(name) > 1 and len(set(values := head.get_all(name))) > 1:
            raise InvalidContext(Fault.DUPLICATE, values[1])


#: Each raises ``InvalidContext``, and answers None where its format did not come.
READERS: Final[Mapping[Format, Callable[[Head], TraceContext | None]]] = {
    Format.TRACECONTEXT: _read_tracecontext,
    Format.B3: _read_b3,
    Format.B3MULTI: _read_b3multi,
    Format.DATADOG: _read_datadog,
}
