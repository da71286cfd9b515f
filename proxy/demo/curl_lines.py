"""The curl lines that ``traceward demo`` prints; each does what it says every time."""

import textwrap
from dataclasses import dataclass

from proxy.demo.sample_api import FRONT_END


@dataclass(frozen=True, slots=True)
class CurlLine:
    """A line to paste, what it shows in a few words, and what to see in its answer."""

    title: str
    command: str
    see: str


def curl_lines(url: str) -> tuple[CurlLine, ...]:
    """Return the lines for a proxy at ``url``, which is a scheme and authority alone."""
    return (
        CurlLine(
            "A sampled request",
            f"curl -s {url}/checkout/cart",
            "The checkout rule samples everything: the API received a traceparent that ends in -01, "
            "and a tracestate that says the same, dd=s:1.",
        ),
        # The rate is decided on SHA-256 of the session's id. Of these two, anna falls within the
        # first ten percent and walter does not.
        CurlLine(
            "One filtered by the rate",
            f"curl -s -H 'x-session-id: walter' {url}/api/orders",
            "The api rule samples ten percent of the sessions, and walter's is not among them: the API "
            "received no trace header. Put anna for walter, and it does, on every request.",
        ),
        CurlLine(
            "One repaired from a bad traceparent",
            "curl -s -H 'traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01' "
            f"{url}/checkout/cart",
            "A trace-id of zeros is invalid: the API received a new one in its place.",
        ),
        CurlLine(
            "A preflight",
            f"curl -si -X OPTIONS -H 'Origin: {FRONT_END}' -H 'Access-Control-Request-Method: GET' "
            f"-H 'Access-Control-Request-Headers: content-type,traceparent' {url}/api/orders",
            "The API does not know traceparent and would refuse it, so it was asked for content-type alone "
            "(X-Asked-For), and Access-Control-Allow-Headers has traceparent added: the browser goes on.",
        ),
    )


def describe(url: str, admin_url: str) -> str:
    """Return all that ``traceward demo`` prints beneath its listeners."""
    lines = [f"{_comment(f'{line.title}. {line.see}')}\n{line.command}\n" for line in curl_lines(url)]
    lines.append(f"# All of these decisions, counted.\ncurl -s {admin_url}/metrics | grep _decisions_total\n")
    return "\n".join(lines)


def _comment(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
