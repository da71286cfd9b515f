"""What every mapping of the config has in common: unknown keys, missing keys, checks across keys."""

from collections.abc import Iterable, Mapping
from inspect import get_annotations
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema

from proxy.config.fields import alternatives, describe, nearest
from proxy.config.messages import MISSING, UNKNOWN, located, messages
from proxy.config.problem import Location


class Section(BaseModel):
    """A mapping with known keys. Its problems are found all at once, whatever else is wrong in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    #: What to write, for who wrote something else.
    example: ClassVar[str]
    #: What an editor should take beside the mapping.
    short_form: ClassVar[Mapping[str, Any] | None] = None

    @classmethod
    def expand(cls, data: object) -> object:
        """Return the mapping that a short form stands for."""
        return data

    @classmethod
    def misplaced(cls, key: str, data: Mapping[str, object]) -> str | None:
        """Return what to write for a key that belongs elsewhere; None where it is no known one."""
        return None

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """Yield the problems that one key alone does not show; ``data`` is not validated."""
        return ()

    def complete(self) -> Self:
        """Return the section with what follows from several of its keys."""
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _validate(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        data = cls.expand(data)
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            kind = "a mapping, such as " if cls.short_form is None else ""
            raise ValueError(f"is {describe(data)}: write {kind}{cls.example}")
        problems = list(cls.check(data))
        try:
            section = handler(data)
        except ValidationError as error:
            problems += [
                (location, cls._translate(location, text, data)) for location, text in messages(error)
            ]
        if problems:
            raise located(problems)
        return section.complete()

    @classmethod
    def keys(cls) -> list[str]:
        """Return the keys that users may write, a class's own before those it shares."""
        own = get_annotations(cls)
        names = sorted(cls.model_fields, key=lambda name: name not in own)
        return [cls.model_fields[name].alias or name for name in names]

    @classmethod
    def _translate(cls, location: Location, text: str, data: Mapping[str, object]) -> str:
        if len(location) != 1:
            return text
        key = str(location[0])
        if text == MISSING:
            fields = {field.alias or name: field for name, field in cls.model_fields.items()}
            examples = fields[key].examples or []
            return f"{MISSING}: write {key}: {write_flow(examples[0])}" if examples else MISSING
        if text == UNKNOWN:
            instead = cls.misplaced(key, data) or nearest(key, cls.keys()) or alternatives(cls.keys())
            return f"{UNKNOWN}: write {instead}"
        return text

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the short form, and write defaults the way users do."""
        written = handler(schema)
        properties = handler.resolve_ref_schema(written).get("properties", {})
        defaults: object = cls.model_construct().model_dump(mode="json", by_alias=True, warnings=False)
        for key, default in defaults.items() if isinstance(defaults, dict) else ():
            if "default" in properties.get(key, ()):
                properties[key]["default"] = default
        return written if cls.short_form is None else {"anyOf": [cls.short_form, written]}


class SparseSection(Section):
    """A section in which it matters what is set; a dump shows that alone."""

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


def write_flow(value: object) -> str:
    """Write an example the way YAML has it in one line."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
