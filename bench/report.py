"""What a scenario found: figures, and what does not hold."""

from collections.abc import Sequence


class Report:
    """One line of figures."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[str] = []
        self._figures: list[str] = []

    def note(self, what: str, value: object) -> None:
        """Add a figure."""
        self._figures.append(f"{what} {value}")

    def require(self, holds: bool, otherwise: str) -> None:
        """Note a fault, unless it holds."""
        if not holds:
            self.faults.append(otherwise)

    def __str__(self) -> str:
        end = f"FAILED: {'; '.join(self.faults)}" if self.faults else "ok"
        return f"{self.name}: {', '.join(self._figures)}: {end}"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent do not exceed, 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def milliseconds(seconds: float) -> str:
    """Return a time for people."""
    return f"{seconds * 1000:.1f} ms"


def mebibytes(size: float) -> str:
    """Return a size for people."""
    return f"{size / 2**20:.1f} MiB"
