"""What is asked of the machine beside the config's own words."""

import sys
from collections.abc import Callable

import pytest

from proxy.config.load import LoadedConfig


@pytest.fixture
def no_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the packages of OpenTelemetry not be installed."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


@pytest.mark.usefixtures("no_opentelemetry")
def test_spans_need_their_package(errors: Callable[[str], list[str]]) -> None:
    assert errors("spans: {otlp: http://c/}") == [
        "1:15: spans.otlp: needs opentelemetry-proto, which is not installed: pip install 'traceward[otlp]'"
    ]


@pytest.mark.usefixtures("no_opentelemetry")
@pytest.mark.parametrize("text", ["spans: {otlp: null, queue: 4}", "spans: {queue: 4}"])
def test_without_spans_no_package_is_needed(text: str, load: Callable[..., LoadedConfig]) -> None:
    assert load(text).config.spans.otlp is None
