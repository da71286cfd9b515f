"""Numbers of the config: rates, durations, sizes, counts, and true or false."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, TypeAlias

from proxy.config.fields import Leaf
from proxy.config.scalars import Scalar, resolve, shorten

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|m|h)")
_SIZE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,12})?)(B|KiB|MiB|GiB)")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_LONGEST = 24 * 3600
_LARGEST = 1024**4
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def typed(scalar: Scalar) -> object:
    """Return what a scalar means to a key that does not want text.

    Quotes around a reference to the environment are often YAML's demand, so they do not make it text.
    """
    if scalar.substituted and isinstance(scalar.value, str):
        return resolve(scalar.text)
    return scalar.value


def read_boolean(scalar: Scalar) -> bool:
    """Read ``true`` or ``false``."""
    value = typed(scalar)
    if not isinstance(value, bool):
        raise ValueError(f"is {scalar.describe()}: write true or false")
    return value


def integer(least: int, most: int, example: int) -> Leaf:
    """Return a leaf that takes a whole number between two bounds, both included."""

    def read(scalar: Scalar) -> int:
        value = typed(scalar)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"is {scalar.describe()}: write a whole number, such as {example}")
        if not least <= value <= most:
            raise ValueError(f"is {value}: write a number from {least} to {most}")
        return value

    return Leaf(read, "a whole number", {"type": "integer", "minimum": least, "maximum": most})


def read_positive(scalar: Scalar) -> float:
    """Read a number above 0."""
    value = typed(scalar)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"is {scalar.describe()}: write a number, such as 100")
    if not 0 < value <= 1e9:
        raise ValueError(f"is {scalar.text}: write a number above 0, at most 1000000000")
    return float(value)


def parse_rate(text: str) -> Decimal:
    """Parse a rate in percent, exactly as written; raises ValueError."""
    if text.endswith("%"):
        raise ValueError(f"is {text}: write the number alone, {text[:-1].strip() or '10'}")
    try:
        rate = Decimal(text)
    except InvalidOperation:
        raise ValueError(
            f"is {shorten(text)}: write a percentage from 0 to 100, such as 10 or 0.01"
        ) from None
    if not (rate.is_finite() and 0 <= rate <= 100):
        raise ValueError(f"is {text}: write a percentage from 0 to 100")
    if not rate:
        return Decimal(0)
    # Trace-ids have 56 bits to decide on, so nothing below 1e-15 percent can be told from 0.
    if rate.adjusted() < -15 or len(text) > 40:
        raise ValueError(
            f"is {shorten(text)}, finer than a rate can be: write at least 0.000000000000001, or 0"
        )
    return Decimal(f"{rate.normalize():f}")


def read_rate(scalar: Scalar) -> Decimal:
    """Read a rate in percent."""
    value = typed(scalar)
    if isinstance(value, bool) or value is None:
        raise ValueError(f"is {scalar.describe()}: write a percentage from 0 to 100, such as 10 or 0.01")
    if isinstance(value, str) and not scalar.text.endswith("%"):
        raise ValueError(f"is {scalar.describe()}: write a percentage from 0 to 100, such as 10 or 0.01")
    if isinstance(value, int):
        return parse_rate(str(value))
    return parse_rate(scalar.text)


def write_rate(rate: Decimal) -> int | float:
    """Write a rate as the number that it is."""
    return int(rate) if rate == rate.to_integral_value() else float(rate)


def duration(example: str, *, zero: bool = False) -> Leaf:
    """Return a leaf that takes a duration with its unit and returns seconds."""

    def read(scalar: Scalar) -> float:
        found = _DURATION.fullmatch(scalar.text)
        if found is None and zero and typed(scalar) == 0 and typed(scalar) is not False:
            return 0.0
        if found is None:
            raise ValueError(
                f"is {scalar.describe()}: {_with_unit(scalar, example, _SECONDS, f'{scalar.text}s')}"
            )
        seconds = float(Decimal(found[1]) * _SECONDS[found[2]])
        if seconds > _LONGEST:
            raise ValueError(f"is {scalar.text}: write at most 24h")
        if not seconds and not zero:
            raise ValueError(f"is {scalar.text}: write a duration above 0, such as {example}")
        return seconds

    schema: dict[str, object] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"}
    if zero:
        schema = {"anyOf": [schema, {"const": 0}]}
    return Leaf(read, f"a duration, such as {example}", schema, write=write_duration)


def size(example: str, *, least: int = 1) -> Leaf:
    """Return a leaf that takes a size with its unit, of at least so many bytes, and returns bytes."""

    def read(scalar: Scalar) -> int:
        found = _SIZE.fullmatch(scalar.text)
        if found is None:
            small = _NUMBER.fullmatch(scalar.text) and Decimal(scalar.text) < least
            proposed = example if small else f"{scalar.text}B"
            raise ValueError(f"is {scalar.describe()}: {_with_unit(scalar, example, _BYTES, proposed)}")
        number = int(Decimal(found[1]) * _BYTES[found[2]])
        if not 0 < number <= _LARGEST:
            raise ValueError(f"is {scalar.text}: write a size above 0, at most 1024GiB")
        if number < least:
            raise ValueError(f"is {scalar.text}: write at least {write_size(least)}, such as {example}")
        return number

    pattern = r"^[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB)$"
    return Leaf(read, f"a size, such as {example}", {"type": "string", "pattern": pattern}, write=write_size)


def _with_unit(scalar: Scalar, example: str, units: dict[str, Decimal] | dict[str, int], number: str) -> str:
    """Say what to write for what has no unit: ``number``, where it is one."""
    names = ", ".join(units)
    if typed(scalar) == 0:
        return f"write one above 0, such as {example}"
    if _NUMBER.fullmatch(scalar.text):
        return f"write the unit ({names}), such as {number}"
    return f"write a number and its unit ({names}), such as {example}"


def write_duration(seconds: float) -> str:
    """Write seconds as a duration."""
    milliseconds = round(seconds * 1000)
    for unit, length in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % length == 0:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def write_size(number: int) -> str:
    """Write bytes as a size."""
    for unit, length in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if number % length == 0:
            return f"{number // length}{unit}"
    return f"{number}B"


Boolean: TypeAlias = Annotated[bool, Leaf(read_boolean, "true or false", {"type": "boolean"})]
RATE = Leaf(
    read_rate,
    "a percentage, such as 10",
    {"type": "number", "minimum": 0, "maximum": 100},
    write=write_rate,
)
Rate: TypeAlias = Annotated[Decimal, RATE]
PER_SECOND = Leaf(read_positive, "a number, such as 100", {"type": "number", "exclusiveMinimum": 0})
