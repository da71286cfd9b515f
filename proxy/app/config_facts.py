"""What is told of the config in use: its gauges."""

from collections.abc import Iterator

from proxy.app.serving import Gauges
from proxy.config.compile import rule_name
from proxy.config.schema import Config
from proxy.observability import catalog


def config_gauges(config: Config, loaded_at: float) -> Gauges:
    """Give the gauges of a config that was read at ``loaded_at``, seconds since 1970."""
    yield catalog.SAMPLE_RATE, {(rule,): rate for rule, rate in _rates(config)}
    yield catalog.CONFIG_LOADED, {(): loaded_at}


def _rates(config: Config) -> Iterator[tuple[str, float]]:
    tracing = config.tracing
    for index, rule in enumerate(tracing.rules):
        if rule.trace:
            rate = tracing.sample_rate if rule.sample_rate is None else rule.sample_rate
            yield rule_name(rule, index), float(rate)
