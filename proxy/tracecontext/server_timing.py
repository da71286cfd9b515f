"""The ``traceparent`` metric of the ``Server-Timing`` field, https://www.w3.org/TR/server-timing/.

Scripts in a page can read it where they cannot read other fields, so browser agents look there.
"""


def encode(traceparent: bytes) -> bytes:
    """Write the metric for a ``traceparent`` value."""
    return b'traceparent;desc="' + traceparent + b'"'
