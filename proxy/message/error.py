"""The errors that clients see, by kind, and the exception that refuses a message."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ErrorKind(StrEnum):
    """What went wrong: ``error`` in the body, and a metric label value."""

    BAD_REQUEST = "bad_request"
    INVALID_CONTEXT = "invalid_context"
    NO_ROUTE = "no_route"
    REQUEST_TIMEOUT = "request_timeout"
    BODY_TOO_LARGE = "body_too_large"
    TARGET_TOO_LONG = "target_too_long"
    HEAD_TOO_LARGE = "head_too_large"
    METHOD_NOT_SUPPORTED = "method_not_supported"
    UPSTREAM_CONNECT = "upstream_connect"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_RESET = "upstream_reset"
    UPSTREAM_PROTOCOL = "upstream_protocol"
    OVERLOAD = "overload"
    DRAINING = "draining"
    NO_HEALTHY_TARGET = "no_healthy_target"


STATUS: Final[Mapping[ErrorKind, int]] = {
    ErrorKind.BAD_REQUEST: 400,
    ErrorKind.INVALID_CONTEXT: 400,
    ErrorKind.NO_ROUTE: 404,
    ErrorKind.REQUEST_TIMEOUT: 408,
    ErrorKind.BODY_TOO_LARGE: 413,
    ErrorKind.TARGET_TOO_LONG: 414,
    ErrorKind.HEAD_TOO_LARGE: 431,
    ErrorKind.METHOD_NOT_SUPPORTED: 501,
    ErrorKind.UPSTREAM_CONNECT: 502,
    ErrorKind.UPSTREAM_RESET: 502,
    ErrorKind.UPSTREAM_PROTOCOL: 502,
    ErrorKind.OVERLOAD: 503,
    ErrorKind.DRAINING: 503,
    ErrorKind.NO_HEALTHY_TARGET: 503,
    ErrorKind.UPSTREAM_TIMEOUT: 504,
}

#: Kinds that a client may try again after the seconds told in Retry-After.
RETRY_AFTER_SECONDS: Final = 1
RETRIABLE: Final = frozenset({ErrorKind.OVERLOAD, ErrorKind.DRAINING, ErrorKind.NO_HEALTHY_TARGET})

#: Kinds after which the client's connection cannot be read further as HTTP.
CLOSING: Final = frozenset(
    {
        ErrorKind.BAD_REQUEST,
        ErrorKind.REQUEST_TIMEOUT,
        ErrorKind.BODY_TOO_LARGE,
        ErrorKind.TARGET_TOO_LONG,
        ErrorKind.HEAD_TOO_LARGE,
        ErrorKind.METHOD_NOT_SUPPORTED,
        ErrorKind.DRAINING,
    }
)


def encode_error(kind: ErrorKind, detail: str, trace_id: str | None) -> bytes:
    """Return the body of an answer that tells of an error of our own."""
    body = {"error": kind, "status": STATUS[kind], "detail": detail, "trace_id": trace_id}
    return json.dumps(body).encode() + b"\n"


class RefusedMessage(ValueError):
    """A message that is not taken any further: ``kind`` and, for people, ``detail``."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
