"""What is wrong with a config file, and where."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

#: Keys and list indexes from the root of the document.
Location: TypeAlias = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Place(NamedTuple):
    """A line and column, both counted from 1."""

    line: int
    column: int


START = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One error: ``path`` is the key as the user wrote it, empty where the file itself is at fault."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {path}{self.message}"


class ConfigError(Exception):
    """A config that cannot be used; ``problems`` has every error of the file, sorted by place.

    ``files`` are those that it names, as far as it was understood.
    """

    def __init__(self, problems: Iterable[Problem], files: Iterable[Path] = ()) -> None:
        self.files = frozenset(files)
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def write_path(location: Location) -> str:
    """Write a location the way people do, ``tracing.rules[2].match.regex``."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text
