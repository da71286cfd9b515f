"""Exceptions of rules' functions: each counted, told once a minute for each rule."""

import logging
import time
from collections.abc import Callable

from proxy.observability.metrics import Metrics

_LOG = logging.getLogger(__name__)

#: How long a rule's errors stay untold after one was, seconds.
QUIET_SECONDS = 60.0


class MatcherErrors:
    """Takes what a rule's function raised; the request goes on as if it had not matched."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._quiet_until: dict[str, float] = {}

    def __call__(self, rule: str, error: Exception) -> None:
        """Count an error and log it, unless one of this rule was logged a moment ago."""
        self._metrics.observe_matcher_error(rule)
        now = self._clock()
        if now < self._quiet_until.get(rule, 0.0):
            return
        self._quiet_until[rule] = now + QUIET_SECONDS
        _LOG.error(
            "the function of rule %s raised %s: %s; it counts as no match", rule, type(error).__name__, error
        )
