"""What a case of the table says: the lines that come in, and how W3C Trace Context reads them.

``spec`` is the title of the section in https://www.w3.org/TR/trace-context-2/ (Level 2), which holds
for Level 1 too where the id of the case does not say otherwise.
"""

from dataclasses import dataclass

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
OWN = b"dd="


@dataclass(frozen=True)
class Case:
    """One request. ``parent`` is what its traceparent says, None where that is none to go by.

    ``members`` are the list-members to carry on, in order; ``carried`` the whole tracestate that a
    participant sends where it is not just its own member and those.
    """

    id: str
    spec: str
    lines: tuple[bytes, ...]
    parent: tuple[bytes, bytes, int] | None  # trace-id, parent-id, flags
    fault: str | None = None
    members: tuple[bytes, ...] = ()
    carried: bytes | None = None

    @property
    def absent(self) -> bool:
        """Whether there is no traceparent at all, which is no fault."""
        return self.parent is None and self.fault is None

    @property
    def sampled(self) -> bool:
        """What the caller decided."""
        return self.parent is not None and self.parent[2] & 1 == 1

    @property
    def propagated(self) -> bytes:
        """The tracestate that a participant sends which keeps the caller's decision."""
        own = b"dd=s:1" if self.sampled else b"dd=s:0"
        return b",".join([own, *self.members]) if self.carried is None else self.carried


def traceparent(
    flags: bytes = b"01", trace_id: bytes = TRACE, span_id: bytes = SPAN, version: bytes = b"00"
) -> bytes:
    """Return a line."""
    return b"traceparent: " + b"-".join([version, trace_id, span_id, flags])


def valid(name: str, spec: str, *lines: bytes, flags: int = 1, trace_id: bytes = TRACE) -> Case:
    """Return a case whose traceparent is good, and without a tracestate."""
    return Case(name, spec, lines, (trace_id, SPAN, flags))


def invalid(name: str, spec: str, fault: str, *lines: bytes) -> Case:
    """Return a case that must be handled as if there were no context, so a new trace begins."""
    return Case(name, spec, lines, None, fault)


def absent(name: str, spec: str, *lines: bytes) -> Case:
    """Return a case without a traceparent."""
    return Case(name, spec, lines, None)
