"""Nodes of a YAML document: values that know their place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy.config.problem import START, Location, Place, Problem
from proxy.config.scalars import Scalar

#: What validation reads: mappings, lists and scalars without their places.
Raw: TypeAlias = "Scalar | list[Raw] | dict[str, Raw]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping and its value."""

    key_place: Place
    node: "Node"


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place; ``size`` and ``height`` count what is beneath, aliases in full."""

    place: Place
    content: "Scalar | Sequence[Node] | Mapping[str, Entry]"
    size: int = 1
    height: int = 1

    def to_raw(self) -> Raw:
        """Return the value without places."""
        match self.content:
            case Scalar() as scalar:
                return scalar
            case Mapping() as entries:
                return {key: entry.node.to_raw() for key, entry in entries.items()}
            case items:
                return [item.to_raw() for item in items]


@dataclass(frozen=True, slots=True)
class Document:
    """A composed file; ``root`` is None where nothing of it can be used."""

    root: Node | None
    problems: Sequence[Problem]

    def locate(self, location: Location, *, key: bool = False) -> tuple[Location, Place]:
        """Return the part of a location that the user wrote, and its place: a key's, or its value's.

        Steps that are not in the document, for they stem from a short form, are left out.
        """
        node, written, place = self.root, list[str | int](), START
        if node is None:
            return (), place
        place = node.place
        for step in location:
            match node.content, step:
                case Mapping() as entries, str() if step in entries:
                    entry = entries[step]
                    place = entry.key_place if key else entry.node.place
                    node = entry.node
                case (list() | tuple()) as items, int() if step < len(items):
                    node = items[step]
                    place = node.place
                case _:
                    continue
            written.append(step)
        return tuple(written), place
