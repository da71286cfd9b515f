"""What is told of the config in use: its gauges, and what of it has no effect."""

import logging
from collections.abc import Iterator

from proxy.app.serving import Gauges
from proxy.config.compile import rule_name
from proxy.config.process import AccessLog
from proxy.config.schema import Config
from proxy.observability import catalog

_LOG = logging.getLogger(__name__)


def config_gauges(config: Config, loaded_at: float) -> Gauges:
    """Give the gauges of a config that was read at ``loaded_at``, seconds since 1970."""
    yield catalog.SAMPLE_RATE, {(rule,): rate for rule, rate in _rates(config)}
    yield catalog.CONFIG_LOADED, {(): loaded_at}


def warn_of_unused(config: Config) -> None:
    """Log the keys that say something which this version does not do."""
    for key in _unused(config):
        _LOG.warning("%s is set, and this version does nothing for it", key)


def _rates(config: Config) -> Iterator[tuple[str, float]]:
    tracing = config.tracing
    for index, rule in enumerate(tracing.rules):
        if rule.trace:
            rate = tracing.sample_rate if rule.sample_rate is None else rule.sample_rate
            yield rule_name(rule, index), float(rate)


def _unused(config: Config) -> Iterator[str]:
    if config.spans.otlp is not None:
        yield "spans.otlp"
    if config.access_log is not AccessLog.OFF:
        yield "access_log"
