"""X-Forwarded-* and Forwarded: who the client is, and what the upstream is told about it."""

from dataclasses import dataclass
from enum import StrEnum


class XForwarded(StrEnum):
    """What becomes of X-Forwarded-For, -Proto and -Host."""

    APPEND = "append"
    REPLACE = "replace"
    OFF = "off"
