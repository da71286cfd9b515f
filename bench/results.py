"""The results of a run: for each row and variant the median, least and most of each figure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.measure import Figures
from bench.rows import Row


@dataclass(slots=True)
class Results:
    """What was measured, as ``rows[row][label]``: the figures of each round."""

    rounds: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def add(self, row: Row, label: str, figures: Figures) -> None:
        """Add a round."""
        self.rounds.setdefault(row.name, {}).setdefault(label, []).append(figures)

    def labels(self, row: Row) -> list[str]:
        """Return the variants of a row that were measured, in its order."""
        measured = self.rounds.get(row.name, {})
        return [variant.label for variant in row.variants if variant.label in measured]

    def values(self, row: Row, label: str, figure: str) -> list[float]:
        """Return a figure of each round."""
        return [figures[figure] for figures in self.rounds[row.name][label]]

    def ratio(self, row: Row, label: str) -> float | None:
        """Return the first figure beside that of the row's first variant, None where that is missing."""
        figure, first = next(iter(row.columns)), row.variants[0].label
        if first not in self.rounds[row.name]:
            return None
        basis = median(self.values(row, first, figure))
        return median(self.values(row, label, figure)) / basis if basis else None

    def as_json(self, rows: Sequence[Row]) -> dict[str, object]:
        """Return all of it for a file."""
        return {
            row.name: {
                "title": row.title,
                "variants": {
                    label: {
                        "ratio": self.ratio(row, label),
                        "figures": {figure: self._summary(row, label, figure) for figure in row.columns},
                    }
                    for label in self.labels(row)
                },
            }
            for row in rows
            if row.name in self.rounds
        }

    def _summary(self, row: Row, label: str, figure: str) -> dict[str, object]:
        values = self.values(row, label, figure)
        return {"median": median(values), "least": min(values), "most": max(values), "rounds": values}
