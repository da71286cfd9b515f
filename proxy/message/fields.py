"""Lists of fields that are changed by name, everything else byte for byte as it came."""

from collections.abc import Iterable

from proxy.message.head import OWS, Field


def get_elements(fields: Iterable[Field], name: bytes) -> list[bytes]:
    """Return the elements, as written, of a comma-separated field (lower-case name), empty ones left out."""
    return [
        element
        for field in fields
        if field[0].lower() == name
        for part in field[1].split(b",")
        if (element := part.strip(OWS))
    ]


def extend_list(fields: list[Field], name: bytes, elements: Iterable[bytes]) -> list[Field]:
    """Return ``fields`` with those of ``elements`` that a comma-separated field lacks, in whatever case.

    They follow what the last field of that name holds, or come in a new field written as ``name``.
    """
    lower = name.lower()
    known = {element.lower() for element in get_elements(fields, lower)}
    missing = [element for element in elements if element.lower() not in known]
    if not missing:
        return fields
    added = b", ".join(missing)
    last = max((place for place, field in enumerate(fields) if field[0].lower() == lower), default=None)
    if last is None:
        return [*fields, (name, added)]
    written, value = fields[last]
    value = value.rstrip(OWS + b",")
    return [*fields[:last], (written, value + b", " + added if value else added), *fields[last + 1 :]]


def drop_fields(fields: list[Field], names: frozenset[bytes]) -> list[Field]:
    """Return ``fields`` without those of the lower-case ``names``."""
    return [field for field in fields if field[0].lower() not in names]
