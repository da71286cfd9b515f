"""Errors of rules' functions: every one counted, one a minute told."""

import logging

import pytest

from proxy.observability.exposition import write
from proxy.observability.matcher_errors import QUIET_SECONDS, MatcherErrors
from proxy.observability.metrics import Metrics


class Told:
    """Errors of a rule at moments of a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.metrics = Metrics()
        self._errors = MatcherErrors(self.metrics, lambda: self.now)

    def at(self, seconds: float, rule: str = "api") -> None:
        self.now = 1000.0 + seconds
        self._errors(rule, KeyError("tenant"))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    caplog.set_level(logging.ERROR)
    return Told()


def test_an_error_names_rule_and_exception(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.at(0)
    assert caplog.messages == ["the function of rule api raised KeyError: 'tenant'; it counts as no match"]


def test_a_rule_is_told_of_once_a_minute(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    for seconds in (0, 1, QUIET_SECONDS - 0.1, QUIET_SECONDS, QUIET_SECONDS + 1):
        told.at(seconds)
    assert len(caplog.messages) == 2


def test_each_rule_has_a_minute_of_its_own(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.at(0, "api")
    told.at(1, "shop")
    assert len(caplog.messages) == 2


def test_every_error_is_counted(told: Told) -> None:
    for seconds in range(5):
        told.at(seconds)
    text = "".join(write(told.metrics.families(), openmetrics=False))
    assert 'traceward_matcher_errors_total{rule="api"} 5.0\n' in text
