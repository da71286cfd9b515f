"""Which upstreams readiness asks for."""

from collections.abc import Mapping

import pytest

from proxy.admin.ready import find_unready
from proxy.config.process import Ready

UP: Mapping[str, bool] = {"a": True, "b": True}
HALF: Mapping[str, bool] = {"a": True, "b": False}
DOWN: Mapping[str, bool] = {"a": False, "b": False}


@pytest.mark.parametrize(
    ("ready", "healthy", "reason"),
    [
        pytest.param("any", UP, None, id="any-up"),
        pytest.param("any", HALF, None, id="any-half"),
        pytest.param("any", DOWN, "no upstream has a healthy target", id="any-down"),
        pytest.param("any", {}, None, id="any-of-none"),
        pytest.param("all", UP, None, id="all-up"),
        pytest.param("all", HALF, "no healthy target: b", id="all-half"),
        pytest.param("all", DOWN, "no healthy target: a, b", id="all-down"),
        pytest.param("all", {}, None, id="all-of-none"),
        pytest.param(["a"], HALF, None, id="named-up"),
        pytest.param(["b"], HALF, "no healthy target: b", id="named-down"),
        pytest.param(["a", "b"], HALF, "no healthy target: b", id="named-half"),
    ],
)
def test_readiness(ready: str | list[str], healthy: Mapping[str, bool], reason: str | None) -> None:
    assert find_unready(Ready.model_validate(ready), healthy) == reason
