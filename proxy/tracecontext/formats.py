"""The header formats that carry a trace context, and the field names of each."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """A way to write a trace context in header fields, by its name in ``extract`` and ``propagators``."""

    TRACECONTEXT = "tracecontext"
    DATADOG = "datadog"
    B3 = "b3"
    B3MULTI = "b3multi"


FIELD_NAMES: Final[Mapping[Format, tuple[str, ...]]] = {
    Format.TRACECONTEXT: ("traceparent", "tracestate"),
    Format.DATADOG: (
        "x-datadog-trace-id",
        "x-datadog-parent-id",
        "x-datadog-sampling-priority",
        "x-datadog-origin",
        "x-datadog-tags",
    ),
    Format.B3: ("b3",),
    Format.B3MULTI: (
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-flags",
    ),
}

#: The same names as bytes, and those of every known format together.
FIELDS_OF: Final[Mapping[Format, frozenset[bytes]]] = {
    fmt: frozenset(name.encode() for name in names) for fmt, names in FIELD_NAMES.items()
}
CONTEXT_FIELDS: Final = frozenset().union(*FIELDS_OF.values())
BAGGAGE: Final = b"baggage"
