"""Between pydantic's errors and this package's words."""

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from proxy.config.problem import Location

#: Messages that the section, which knows its keys, completes.
MISSING = "is missing"
UNKNOWN = "is not a key here"
#: The last step of a location whose key is wrong, whatever its value.
AT_KEY = "[key]"


def located(problems: Iterable[tuple[Location, str]]) -> ValidationError:
    """Return one error of several problems, each beneath the value being validated."""
    details = [
        InitErrorDetails(type=PydanticCustomError("config", "{text}", {"text": text}), loc=loc, input=None)
        for loc, text in problems
    ]
    return ValidationError.from_exception_data("config", details)


def messages(error: ValidationError) -> list[tuple[Location, str]]:
    """Return the problems of an error of pydantic's in this package's own words."""
    found: list[tuple[Location, str]] = []
    for each in error.errors(include_url=False, include_input=False):
        match each["type"]:
            case "value_error":
                text = str(each["ctx"]["error"])
            case "missing":
                text = MISSING
            case "extra_forbidden":
                text = UNKNOWN
            case _:
                text = each["msg"]
        found.append((each["loc"], text))
    return found
