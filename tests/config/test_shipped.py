"""The configs that users copy: each loads, checks clean, and the reference names every key."""

from pathlib import Path

import pytest

from proxy.config.compile import compile_policy
from proxy.config.json_schema import json_schema
from proxy.config.lint import lint
from proxy.config.load import load_config
from proxy.config.schema import Config

FOLDER = Path(__file__).parents[2] / "config"
SHIPPED = [
    pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "compose"
]


def unexpected(rule: str, error: Exception) -> None:
    raise AssertionError(rule) from error


@pytest.mark.parametrize("path", SHIPPED)
def test_it_loads_and_checks_clean(path: Path) -> None:
    loaded = load_config(path, {})
    assert [str(warning) for warning in lint(loaded)] == []
    compile_policy(loaded.config, unexpected)


def test_the_reference_holds_the_defaults() -> None:
    written = load_config(FOLDER / "traceward.yaml", {}).config.model_dump(mode="json", by_alias=True)
    defaults = Config.model_validate({"upstream": "http://127.0.0.1:9000"}).model_dump(
        mode="json", by_alias=True
    )
    # A dump shows what is written there, and no more.
    assert set(written["tracing"].pop("response").values()) == {False, None}
    del defaults["tracing"]["response"]
    assert written == defaults


def test_the_reference_names_every_key() -> None:
    text = (FOLDER / "traceward.yaml").read_text()
    keys = {key for schema in json_schema()["$defs"].values() for key in _keys(schema)}
    assert [key for key in sorted(keys | set(json_schema()["properties"])) if key not in text] == []


def _keys(schema: dict[str, object]) -> set[str]:
    forms = schema.get("anyOf", [schema])
    assert isinstance(forms, list)
    return {key for form in forms for key in form.get("properties", {})}
