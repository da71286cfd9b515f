"""Whether the upstreams that ``admin.ready`` asks for can be reached."""

from collections.abc import Mapping
from typing import assert_never

from proxy.config.process import Ready, ReadyMode


def find_unready(ready: Ready, healthy: Mapping[str, bool]) -> str | None:
    """Return why the proxy is not ready; None: it is.

    ``healthy`` says of each upstream whether it has a healthy target.
    """
    missing = [name for name, has_target in healthy.items() if not has_target]
    match ready.mode:
        case ReadyMode.ANY:
            return "no upstream has a healthy target" if missing and len(missing) == len(healthy) else None
        case ReadyMode.ALL:
            needed = missing
        case ReadyMode.NAMED:
            needed = [name for name in missing if name in ready.upstreams]
        case _:
            assert_never(ready.mode)
    return f"no healthy target: {', '.join(needed)}" if needed else None
