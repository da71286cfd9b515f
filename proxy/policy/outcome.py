"""The words for what was decided about a request: metric labels, log words and what ``explain`` prints."""

from proxy.tracecontext.word import Word


class Decision(Word):
    """What became of the request."""

    SAMPLED = "sampled"
    NOT_SAMPLED = "not_sampled"
    UNTRACED = "untraced"
    REJECTED = "rejected"


class Reason(Word):
    """Why the decision is what it is."""

    NO_RULE = "no_rule"
    RULE_SKIPS = "rule_skips"
    PREFLIGHT = "preflight"
    RATE = "rate"
    PARENT = "parent"
    CAP = "cap"
    RATE_LIMIT = "rate_limit"
    INVALID_CONTEXT = "invalid_context"


class Context(Word):
    """What became of the trace context."""

    STARTED = "started"
    CONTINUED = "continued"
    FORWARDED = "forwarded"
    RESTARTED = "restarted"
    STRIPPED = "stripped"
    REJECTED = "rejected"
    NONE = "none"
