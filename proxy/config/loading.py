"""The files and functions that a config names, found while it is validated."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import core_schema

from proxy.config.fields import JsonSchema, as_scalar, reference_or
from proxy.config.matchers import Matcher, MatcherLoader
from proxy.config.names import TEXT, read_text
from proxy.config.scalars import shorten


@dataclass
class Loading:
    """Validation's context: names are relative to ``folder``; ``files`` collects those that were read."""

    folder: Path
    files: set[Path] = field(default_factory=set)
    matchers: MatcherLoader = field(init=False)

    def __post_init__(self) -> None:
        self.matchers = MatcherLoader(self.folder)


def _loading(info: ValidationInfo) -> Loading:
    return info.context if isinstance(info.context, Loading) else Loading(Path.cwd())


@dataclass(frozen=True)
class _Named:
    """A text that names something to be loaded."""

    read: Callable[[str, Loading], object]
    expected: str
    nullable: bool = False

    def validate(self, value: object, info: ValidationInfo) -> object:
        if isinstance(value, (Path, Matcher)):
            return value
        scalar = as_scalar(value, self.expected)
        if self.nullable and scalar.value is None:
            return None
        return self.read(read_text(scalar), _loading(info))

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            lambda value: None if value is None else str(value), when_used="json"
        )
        return core_schema.with_info_plain_validator_function(self.validate, serialization=written)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchema:
        return reference_or(TEXT, nullable=self.nullable)


def _read_file(name: str, loading: Loading) -> Path:
    path = loading.folder / name
    loading.files.add(path)
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}: relative names start at the config's folder") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{shorten(str(path))} cannot be read: {reason}") from None
    return path


def _load_matcher(name: str, loading: Loading) -> Matcher:
    try:
        return loading.matchers.load(name)
    finally:
        loading.files |= loading.matchers.files


FileName: TypeAlias = Annotated[Path, _Named(_read_file, "a file name")]
OptionalFileName: TypeAlias = Annotated[Path | None, _Named(_read_file, "a file name or null", nullable=True)]
MatcherName: TypeAlias = Annotated[
    Matcher | None, _Named(_load_matcher, "module:callable, such as matchers:is_api")
]
