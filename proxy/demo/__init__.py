"""What ``traceward demo`` shows: a sample API, the config in front of it, and curl lines to paste."""

from pathlib import Path


def config_file() -> Path:
    """Return the one demo config: beside this module where installed, in ``config/`` in a source tree."""
    here = Path(__file__).parent
    installed = here / "demo.yaml"
    return installed if installed.is_file() else here.parents[1] / "config" / "demo.yaml"
