"""The JSON Schema of what users write, for editors."""

from typing import Any

from proxy.config.schema import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a config file, short forms included."""
    schema = _trim(Config.model_json_schema(by_alias=True))
    return {"$schema": _DIALECT, **schema, "title": "Traceward"}


def _trim(schema: Any) -> Any:
    """Leave out titles, which repeat the keys, and defaults that are null or whole sections."""
    match schema:
        case dict():
            return {key: _trim(value) for key, value in schema.items() if not _is_noise(key, value)}
        case list():
            return [_trim(value) for value in schema]
        case _:
            return schema


def _is_noise(key: str, value: Any) -> bool:
    if key == "default":
        return (
            value is None
            or isinstance(value, dict)
            or (isinstance(value, list) and any(isinstance(v, dict) for v in value))
        )
    return key == "title" and isinstance(value, str)
