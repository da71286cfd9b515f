"""Why an inbound trace context was refused."""

from proxy.tracecontext.word import Word


class Fault(Word):
    """The rule that a refused context broke. Also a metric label, a log word and what ``explain`` prints."""

    SYNTAX = "syntax"
    VERSION = "version"
    TRAILING_DATA = "trailing_data"
    ZERO_TRACE_ID = "zero_trace_id"
    ZERO_PARENT_ID = "zero_parent_id"
    DUPLICATE = "duplicate"
    UNTRUSTED = "untrusted"
    TRACESTATE_SYNTAX = "tracestate_syntax"
    TRACESTATE_TOO_MANY = "tracestate_too_many"


class InvalidContext(ValueError):
    """An inbound context that must not be used; ``fault`` names the rule it broke."""

    def __init__(self, fault: Fault, value: bytes) -> None:
        super().__init__(f"{fault}: {value!r}")
        self.fault = fault
        self.value = value
