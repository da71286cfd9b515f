"""What the fields of one format say about a trace, whatever the format.

Ids are lower-case hex: 32 digits of trace-id, 16 of span-id. Both are empty where a format carried
a decision alone (``b3: 0``); the span-id alone is empty where the trace had no parent yet.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class TraceContext:
    """Ids, the sampling decision, and what a format carries beside them."""

    trace_id: bytes
    span_id: bytes
    sampled: bool | None  # None: the sender left the decision to us
    random: bool = False  # the random flag of Trace Context Level 2
    debug: bool = False  # B3: recorded whatever the rate
    narrow: bool = False  # the trace-id came as 64 bits; the high half is zeros
    priority: int | None = None  # Datadog: 2, 1, 0, -1
    origin: bytes = b""  # Datadog: the product that started the trace
    tags: bytes = b""  # Datadog: x-datadog-tags as it came

    def agrees_with(self, other: "TraceContext") -> bool:
        """Tell whether both name the same trace, the same span and the same decision."""
        return self.same_trace(other) and self.span_id == other.span_id and self.sampled == other.sampled

    def same_trace(self, other: "TraceContext") -> bool:
        """Tell whether both are of one trace; where one has 64 bits, those are compared."""
        if self.narrow or other.narrow:
            return self.trace_id[16:] == other.trace_id[16:]
        return self.trace_id == other.trace_id
