"""The JSON Schema of what users write, for editors."""

from typing import Any

from proxy.config.schema import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a config file, short forms included."""
    return {"$schema": _DIALECT, **Config.model_json_schema(by_alias=True), "title": "Traceward"}
