"""Where counts live: in this process, or in a block of memory that a group of them shares.

Either way a count is a cell of a sequence, so counting is the same code for both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

_Number = TypeVar("_Number", int, float)

#: What tells one series of a name from another.
Labels: TypeAlias = tuple[str, ...]


class Cells(Protocol[_Number]):
    """Numbers that are counted up in place: a list, or a view of shared memory."""

    def __getitem__(self, place: int, /) -> _Number: ...

    def __setitem__(self, place: int, value: _Number, /) -> None: ...

    def __iter__(self) -> Iterator[_Number]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Series:
    """A series as a reader finds it; the numbers go on counting."""

    name: str
    labels: Labels
    counts: Cells[int]
    sum: Cells[float]


class Store(Protocol):
    """Gives each series its cells."""

    def cells(self, name: str, labels: Labels, size: int) -> tuple[Cells[int], Cells[float]]:
        """Return so many counts, and one sum: 0, or what they came to in a process before this one."""


class LocalStore:
    """Cells of this process alone."""

    def cells(self, name: str, labels: Labels, size: int) -> tuple[Cells[int], Cells[float]]:
        """Return so many counts, and one sum."""
        return [0] * size, [0.0]
