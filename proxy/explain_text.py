"""An explanation as people read it: what was decided and why, and the head before and after."""

from collections.abc import Sequence
from itertools import zip_longest

from proxy.explain import Explanation, readable
from proxy.message.head import Field
from proxy.policy.outcome import Context, Decision, Reason
from proxy.tracecontext.fault import Fault

_REASONS = {
    Reason.NO_RULE: "no rule matches the URL",
    Reason.RULE_SKIPS: "the rule says trace: false",
    Reason.PREFLIGHT: "a CORS preflight carries no trace",
    Reason.RATE: "by the sample rate",
    Reason.PARENT: "the decision that came with the request stands",
    Reason.CAP: "the caller sampled it, the rate here does not",
    Reason.RATE_LIMIT: "max_traces_per_second is used up",
    Reason.INVALID_CONTEXT: "the trace context that came is not used",
}
_CONTEXTS = {
    Context.STARTED: "a new trace begins here",
    Context.CONTINUED: "the trace goes on with a new parent-id",
    Context.FORWARDED: "the trace goes on as it came",
    Context.RESTARTED: "a new trace takes the place of what came",
    Context.STRIPPED: "what came is removed",
    Context.REJECTED: "the request is refused",
    Context.NONE: "no trace context goes upstream",
}
_FAULTS = {
    Fault.SYNTAX: "it is not of the form that its specification gives",
    Fault.VERSION: "its version is not one",
    Fault.TRAILING_DATA: "something follows the flags, which version 00 does not allow",
    Fault.ZERO_TRACE_ID: "the trace-id is all zeros",
    Fault.ZERO_PARENT_ID: "the parent-id is all zeros",
    Fault.DUPLICATE: "it came more than once",
    Fault.UNTRUSTED: "the client is not trusted with it",
    Fault.TRACESTATE_SYNTAX: "tracestate has a bad member and is dropped; traceparent stands",
    Fault.TRACESTATE_TOO_MANY: "tracestate has more than 32 members and is dropped; traceparent stands",
}
#: The widest left column, characters.
_MOST_WIDTH = 72


def write_explanation(explanation: Explanation) -> str:
    """Return an explanation as text of several lines, without a final newline."""
    rows = [("url", explanation.url), ("rule", _rule(explanation))]
    rows.append(
        ("decision", f"{explanation.decision} ({explanation.reason}): {_REASONS[explanation.reason]}")
    )
    rows.append(("context", f"{explanation.context}: {_context(explanation)}"))
    if explanation.fault is not None:
        rows.append(("fault", f"{explanation.fault}: {_FAULTS[explanation.fault]}"))
    if explanation.trace_id is not None:
        rows.append(("trace-id", explanation.trace_id))
    if explanation.trace_url is not None:
        rows.append(("trace", explanation.trace_url))
    rows.append(("upstream", _upstream(explanation)))
    lines = [f"{name:<9} {value}" for name, value in rows]
    if explanation.upstream is not None:
        lines += ["", *_side_by_side(explanation.request, explanation.upstream_headers)]
    if explanation.response_headers:
        lines += ["", "response", *[f"  {line}" for line in _lines(explanation.response_headers)]]
    return "\n".join(lines)


def _rule(explanation: Explanation) -> str:
    if explanation.rule is not None:
        return explanation.rule
    if explanation.other_scheme_rule is None:
        return "none"
    other = "http" if explanation.url.startswith("https:") else "https"
    return f"none; {explanation.other_scheme_rule} would match with {other}://"


def _context(explanation: Explanation) -> str:
    if explanation.context is Context.RESTARTED and explanation.trace_id is None:
        return "what came is removed, and the new trace is not sampled and so not sent"
    return _CONTEXTS[explanation.context]


def _upstream(explanation: Explanation) -> str:
    if explanation.upstream is not None:
        return explanation.upstream
    rejected = explanation.decision is Decision.REJECTED
    return f"none: answered with {explanation.status}" + (", the context is refused" if rejected else "")


def _side_by_side(before: Sequence[Field], after: Sequence[Field]) -> list[str]:
    """Return both heads in columns; ``+`` marks what is new or changed, ``-`` what is gone."""
    left, right = _lines(before), _lines(after)
    gone, new = set(left) - set(right), set(right) - set(left)
    width = min(max([len(line) for line in left] + [len("request")]), _MOST_WIDTH)
    rows = [f"  {'request':<{width}}    upstream"]
    for one, other in zip_longest(left, right, fillvalue=""):
        marks = ("-" if one in gone else " ", "+" if other in new else " ")
        rows.append(f"{marks[0]} {one:<{width}}  {marks[1]} {other}".rstrip())
    return rows


def _lines(fields: Sequence[Field]) -> list[str]:
    return [f"{readable(name)}: {readable(value)}" for name, value in fields]
