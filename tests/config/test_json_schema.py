"""The JSON Schema takes what users write, short forms too, and refuses what they must not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from proxy.config.json_schema import json_schema

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


class Loader(yaml.SafeLoader):
    """YAML the way editors read it: ``off`` is a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first not in "oOyYnN" or "null" in tag]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str) -> Any:
    return yaml.load(text, Loader=Loader)


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in SHIPPED if path.stem != "compose"]
)
def test_the_shipped_configs(path: Path, validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(read(path.read_text()))] == []


TAKEN = [
    "listen: 127.0.0.1:80",
    "listen: [127.0.0.1:80, {address: 'unix:/a', scheme: https}]",
    "upstream: unix:/a",
    "upstream: ${UPSTREAM}",
    "environment: null",
    "tracing: {sample_rate: 0.5, trust: all, sample_by: trace_id}",
    "tracing: {sample_rate: '${RATE}', trust: {clients: [unix]}, sample_by: {header: a}}",
    "tracing: {rules: [{match: /}, {match: {regex: a}}, {match: /, name: 1.10}]}",
    "tracing: {tracestate: null}",
    "admin: {ready: any}",
    "admin: {ready: [a], token: null}",
    "cors: {mode: off, max_age: 10m}",
    "access_log: off",
    "limits: {request_body: null, header_bytes: 32KiB}",
    "workers: auto",
    "workers: 3",
    "drain_timeout: 0",
    "upstreams: {a: {targets: [http://b], eject: null, health_check: {path: /a}}}",
    "upstreams: {a: {targets: [http://b], eject: {for: 10s}}}",
]


@pytest.mark.parametrize("text", TAKEN)
def test_takes(text: str, validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(read(text))] == []


REFUSED = [
    "upstrem: http://a",
    "upstream: [http://a]",
    "upstream: a:9000",
    "upstreams: {a: {}}",
    "tracing: {sample_rate: 200}",
    "tracing: {trust: some}",
    "tracing: {rules: [{}]}",
    "tracing: {rules: {match: /}}",
    "access_log: some",
    "drain_timeout: 25",
    "limits: {header_bytes: 32}",
    "workers: many",
    "admin: {ready: {}}",
    "lint: {ignore: [rate_range]}",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str, validator: Draft202012Validator) -> None:
    assert not validator.is_valid(read(text))


def _walk(schema: Any) -> list[dict[str, Any]]:
    match schema:
        case dict():
            return [schema, *(found for value in schema.values() for found in _walk(value))]
        case list():
            return [found for value in schema for found in _walk(value)]
        case _:
            return []


def test_every_key_is_described() -> None:
    bare = [
        key
        for schema in _walk(json_schema())
        for key, value in schema.get("properties", {}).items()
        if "description" not in value and "$ref" not in value
    ]
    assert bare == []


def test_defaults_are_in_the_words_of_the_config() -> None:
    schema = json_schema()
    assert schema["properties"]["drain_timeout"]["default"] == "25s"
    assert schema["$defs"]["Limits"]["properties"]["header_bytes"]["default"] == "32KiB"
