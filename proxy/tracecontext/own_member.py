"""The proxy's own tracestate member, as Datadog writes its: ``dd=s:1;o:rum``.

``s`` is the sampling priority, positive where sampled; ``o`` the origin of the trace. Subkeys that
others wrote into the member stay.
"""

import re
from typing import Final

from proxy.tracecontext.tracestate import MAX_VALUE

_PRIORITY: Final = re.compile(rb"-?[0-9]{1,3}")
_UNSAFE: Final = re.compile(rb"[^\x20-\x7e]|[,;~]")


def start(sampled: bool, origin: bytes | None) -> bytes:
    """Return the value for a trace that starts here."""
    state = b"s:1" if sampled else b"s:0"
    if not origin:
        return state
    # Datadog writes "=" as "~", and "_" for what a member cannot carry.
    return state + b";o:" + _UNSAFE.sub(b"_", origin).replace(b"=", b"~").rstrip(b" ")


def update(value: bytes | None, sampled: bool) -> bytes:
    """Return ``value`` with an ``s`` of the decision's sign; one that has it is kept (2, -1)."""
    state = b"s:1" if sampled else b"s:0"
    if value is None:
        return state
    if value[:3] == state and value[3:4] in (b"", b";"):
        return value
    subkeys = value.split(b";")
    for index, subkey in enumerate(subkeys):
        if subkey.startswith(b"s:"):
            if _sign(subkey[2:]) is not sampled:
                subkeys[index] = state
            return b";".join(subkeys)
    subkeys.insert(0, state)
    while len(updated := b";".join(subkeys)) > MAX_VALUE:
        subkeys.pop()
    return updated


def origin_of(value: bytes | None) -> bytes:
    """Return the origin that the member names, empty where it names none."""
    if value is None:
        return b""
    for subkey in value.split(b";"):
        if subkey.startswith(b"o:"):
            return subkey[2:].replace(b"~", b"=")
    return b""


def _sign(priority: bytes) -> bool | None:
    if _PRIORITY.fullmatch(priority) is None:
        return None
    return int(priority) > 0
