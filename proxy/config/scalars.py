"""Scalars of the YAML 1.2 core schema, https://yaml.org/spec/1.2.2/#103-core-schema.

A scalar keeps the text that was written beside the value that it means, so that a key that wants
text gets ``0123`` and ``1.10`` as written and not as numbers.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
# The schema's own grammar lets 0123 be 123; it stays text here, since to some it is 83.
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.nan|\.NaN|\.NAN")
# Longer ones are no number that a setting takes, and Python refuses to convert them.
_LONGEST_NUMBER = 64

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar: ``value`` is what it means, ``text`` what was written.

    ``substituted`` says that an environment variable is in it.
    """

    text: str
    value: Value
    substituted: bool = False

    def describe(self) -> str:
        """Name the scalar in an error message."""
        match self.value:
            case None:
                return "null" if self.text else "nothing"
            case bool():
                return self.text
            case int() | float():
                return f"the number {self.text}"
            case _:
                return f"the text {shorten(self.text)}"


def resolve(text: str) -> Value:
    """Return what a plain scalar means: null, a boolean, a number or its text."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if len(text) > _LONGEST_NUMBER:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.lower().replace(".", ""))
    return text


def shorten(text: str) -> str:
    """Quote a text for an error message, cut where it is long."""
    if len(text) > 80:
        text = text[:77] + "..."
    return repr(text)
