"""How one value of the config is read, and how it is told apart from a wrong one.

Every leaf of the schema is a ``Leaf``: a function from a scalar to the value, which raises
ValueError with what is wrong and what to write instead, so that no message is pydantic's own.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import core_schema

from proxy.config.messages import AT_KEY, located, messages
from proxy.config.scalars import Scalar

if TYPE_CHECKING:
    from proxy.config.problem import Location

E = TypeVar("E", bound=StrEnum)

JsonSchema = dict[str, Any]
#: What an editor sees where a value comes from the environment.
_REFERENCE: JsonSchema = {"type": "string", "pattern": r"\$\{"}


def as_scalar(value: object, expected: str) -> Scalar:
    """Return ``value`` as a scalar; raises ValueError where it is a list or a mapping."""
    match value:
        case Scalar():
            return value
        case bool():
            return Scalar(str(value).lower(), value)
        case None:
            return Scalar("null", None)
        case int() | float():
            return Scalar(str(value), value)
        case Decimal():
            return Scalar(str(value), float(value))
        case str():
            return Scalar(value, value)
        case _:
            raise ValueError(f"is {describe(value)}: write {expected}")


def describe(value: object) -> str:
    """Name a value in an error message."""
    match value:
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case Scalar():
            return value.describe()
        case None | bool() | int() | float() | Decimal() | str():
            return as_scalar(value, "a value").describe()
        case _:
            return f"a {type(value).__name__}"


def is_null(value: object) -> bool:
    """Return whether a value is null, or no value at all."""
    return value is None or (isinstance(value, Scalar) and value.value is None)


def plain_text(value: object) -> str | None:
    """Return the text of a value that has not been validated; None where it has none."""
    if isinstance(value, Scalar):
        return value.text
    return value if isinstance(value, str) else None


def write_plain(value: object) -> str | None:
    """Write a value of the document in one line of YAML; None where that is long, or from the environment."""
    match value:
        case Scalar(substituted=False):
            plain = _PLAIN.fullmatch(value.text)
            text = value.text if plain else "'" + value.text.replace("'", "''") + "'"
        case list():
            items = [write_plain(item) for item in value]
            text = f"[{', '.join(filter(None, items))}]" if all(items) else ""
        case Mapping():
            texts = {key: write_plain(item) for key, item in value.items()}
            text = f"{{{', '.join(f'{key}: {item}' for key, item in texts.items())}}}"
            text = text if all(texts.values()) else ""
        case _:
            text = ""
    return text if 0 < len(text) <= _LONGEST and text.isprintable() else None


_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*(://[A-Za-z0-9_./-]+)?")
_LONGEST = 120


class OrNull:
    """Marks a section that null switches off."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read a null of the document."""
        return core_schema.no_info_wrap_validator_function(
            lambda value, read: None if is_null(value) else read(value), handler(source)
        )


_WRITTEN = (Scalar, str, int, float, Decimal, type(None), Mapping, list, tuple)


@dataclass(frozen=True)
class Leaf:
    """A scalar of the config: how it is read, and what it looks like to an editor and in a dump."""

    read: Callable[[Scalar], object]
    expected: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    nullable: bool = False
    write: Callable[[Any], object] | None = None

    def validate(self, value: object) -> object:
        """Read one value; raises ValueError, which says what to write instead.

        What no document can hold is taken for a value that has been read already.
        """
        if not isinstance(value, _WRITTEN):
            return value
        scalar = as_scalar(value, self.expected)
        if self.nullable and scalar.value is None:
            return None
        return self.read(scalar)

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Replace pydantic's own reading of the type."""
        written = None
        if self.write is not None:
            written = core_schema.plain_serializer_function_ser_schema(self._write, when_used="json")
        return core_schema.no_info_plain_validator_function(self.validate, serialization=written)

    def _write(self, value: object) -> object:
        return None if value is None or self.write is None else self.write(value)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchema:
        """Return what users may write."""
        return reference_or(self.schema, nullable=self.nullable)


def reference_or(schema: Mapping[str, Any], *, nullable: bool = False) -> JsonSchema:
    """Return a schema that also takes a reference to the environment, and null where that is allowed."""
    choices = [dict(schema), _REFERENCE, *([{"type": "null"}] if nullable else [])]
    return {"anyOf": choices}


def optional(leaf: Leaf) -> Leaf:
    """Return the same leaf where null is allowed."""
    return Leaf(leaf.read, leaf.expected + " or null", leaf.schema, True, leaf.write)


def choice(words: type[E]) -> Leaf:
    """Return a leaf that takes one of the words, as written."""
    return Leaf(one_of(words), alternatives(words), {"enum": [str(word) for word in words]}, write=str)


def one_of(words: type[E]) -> Callable[[Scalar], E]:
    """Return a reader of one of the words, which names the nearest where it is none."""

    def read(scalar: Scalar) -> E:
        try:
            return words(scalar.text)
        except ValueError:
            raise ValueError(
                f"is {scalar.describe()}: write {nearest(scalar.text, words) or alternatives(words)}"
            ) from None

    return read


def alternatives(words: Iterable[str]) -> str:
    """Join words as prose: ``a, b or c``."""
    *most, last = [str(word) for word in words]
    return f"{', '.join(most)} or {last}" if most else last


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return what ``word`` was most likely meant to be, as prose; None where nothing is near."""
    words = [str(each) for each in known]
    begun = [each for each in words if len(word) > 2 and each.startswith(word.lower())]
    near = begun or get_close_matches(word.lower(), words, n=1, cutoff=0.75)
    return alternatives(near) if near else None


@dataclass(frozen=True)
class Items:
    """A list of the config: what is not a list is refused with an example, or is its ``alone`` item."""

    example: str
    at_least: int = 0
    distinct: bool = True
    alone: bool = False

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check the list before pydantic reads its items, and its items after."""
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def _validate(self, value: object, handler: Callable[[object], tuple[object, ...]]) -> object:
        if self.alone and not isinstance(value, (list, tuple)):
            return handler((value,))
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"is {describe(value)}: write a list, such as {self.example}")
        if len(value) < self.at_least:
            raise ValueError(f"is an empty list: write at least one, such as {self.example}")
        items = handler(value)
        if self.distinct:
            twice = [index for index, item in enumerate(items) if item in items[:index]]
            if twice:
                raise located([((index,), "is in the list twice: keep one") for index in twice])
        return items

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchema:
        """Add the least length, and the one item that needs no list."""
        written = handler(schema)
        if self.at_least:
            written = {**written, "minItems": self.at_least}
        return {"anyOf": [written["items"], written]} if self.alone else written


@dataclass(frozen=True)
class Keyed:
    """A mapping whose keys the user chooses; ``check_key`` raises ValueError for a wrong one."""

    example: str
    check_key: Callable[[str], None]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check the mapping and its keys before pydantic reads its values."""
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def _validate(self, value: object, handler: Callable[[object], object]) -> object:
        if not isinstance(value, Mapping):
            raise ValueError(f"is {describe(value)}: write a mapping, such as {self.example}")
        problems: list[tuple[Location, str]] = []
        for key in value:
            try:
                self.check_key(key)
            except ValueError as error:
                problems.append(((key, AT_KEY), str(error)))
        try:
            read = handler(value)
        except ValidationError as error:
            problems += messages(error)
        if problems:
            raise located(problems)
        return read
