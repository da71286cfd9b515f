"""What operators are told of targets that fail requests: more than clients, who get no address of ours."""

import logging

from proxy.message.error import ErrorKind
from proxy.repeats import Repeats

_LOG = logging.getLogger(__name__)


class FailureLog:
    """The failures of one upstream in the log: a line a minute for each target and kind."""

    __slots__ = ("_repeats", "_upstream")

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._repeats = Repeats()

    def tell(self, target: str, kind: ErrorKind, detail: str) -> None:
        """Say that a target failed a request, unless that was said a moment ago."""
        more = self._repeats.note(target, kind)
        if more is not None:
            _LOG.warning("upstream %s: %s: %s: %s%s", self._upstream, target, kind, detail, more)
