"""CORS preflights for the trace headers, and the CORS fields of responses."""

from dataclasses import dataclass
from enum import StrEnum


class CorsMode(StrEnum):
    """Who owns the CORS answers."""

    AUGMENT = "augment"
    ANSWER = "answer"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """The ``cors`` section. ``max_age`` is whole seconds."""

    mode: CorsMode = CorsMode.AUGMENT
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int = 600
