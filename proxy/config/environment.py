"""``${VAR}`` and ``${VAR:-default}`` in a scalar's text; ``$${`` is a literal ``${``."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\})?")


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Replace every reference; a default also stands in for a variable that is empty, as in a shell.

    Raises ValueError, which says what to write instead, for an unset variable or a malformed reference.
    """

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found["name"], found["default"]
        if name is None:
            raise ValueError(
                "has a malformed ${...}: write ${NAME}, ${NAME:-default}, or $${ for a literal ${"
            )
        value = environ.get(name)
        if default is not None:
            return value or default[2:]
        if value is None:
            raise ValueError(
                f"the environment variable {name} is not set: set it, or write ${{{name}:-default}}"
            )
        return value

    return _REFERENCE.sub(replace, text) if "${" in text else text
