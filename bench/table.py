"""The results as tables: for a terminal, and in Markdown for the README."""

from collections.abc import Iterator, Sequence
from statistics import median

from bench.peer import PEERS
from bench.results import Results
from bench.rows import REQUESTS, Column, Row


def text(results: Results, row: Row) -> Iterator[str]:
    """Give the lines of a row's table, for a terminal."""
    yield f"{row.name}: {row.title}"
    first = next(iter(row.columns))
    titles = [column.title for column in row.columns.values()]
    yield f"  {'':<24}{titles[0]:>19}{'least':>10}{'most':>10}{'ratio':>7}" + "".join(
        f"{title:>18}" for title in titles[1:]
    )
    for label in results.labels(row):
        values = results.values(row, label, first)
        figures = [median(values), min(values), max(values)]
        ratio = results.ratio(row, label)
        yield (
            f"  {label:<24}{_number(figures[0], row.columns[first]):>19}"
            + "".join(f"{_number(figure, row.columns[first]):>10}" for figure in figures[1:])
            + (f"{'':>7}" if ratio is None else f"{ratio:>7.2f}")
            + "".join(
                f"{_number(median(results.values(row, label, figure)), column):>18}"
                for figure, column in row.columns.items()
                if figure != first
            )
        )
    yield ""


def markdown(results: Results, rows: Sequence[Row]) -> Iterator[str]:
    """Give the lines of the README's tables: the proxies beside each other, then Traceward's own rows."""
    compared = [row for row in rows if row.name in results.rounds and _compares_peers(row)]
    names = [peer.name for peer in PEERS if any(peer.name in results.rounds[row.name] for row in compared)]
    if compared:
        yield f"| | {' | '.join(names)} |"
        yield f"|---|{'---:|' * len(names)}"
    for row in compared:
        for figure, column in _shown(row):
            cells = [_cell(results, row, name, figure, column) for name in names]
            yield f"| {row.title}: {column.title} | {' | '.join(cells)} |"
    for row in rows:
        if row.name not in results.rounds or row in compared:
            continue
        first, column = next(iter(row.columns.items()))
        yield ""
        yield f"| {row.title} | {column.title} | ratio |"
        yield "|---|---:|---:|"
        for label in results.labels(row):
            cell = _number(median(results.values(row, label, first)), column)
            ratio = results.ratio(row, label)
            yield f"| {label} | {cell} | {'' if ratio is None else f'{ratio:.2f}'} |"


def _compares_peers(row: Row) -> bool:
    return [variant.label for variant in row.variants] == [peer.name for peer in PEERS]


def _shown(row: Row) -> Iterator[tuple[str, Column]]:
    """Give the figures of a row that people want to see beside each other."""
    wanted = (
        1 if row.columns is REQUESTS or "mib_per_second" in row.columns or "start_s" in row.columns else 2
    )
    yield from list(row.columns.items())[:wanted]


def _number(value: float, column: Column) -> str:
    return f"{value:,.{column.digits}f}"


def _cell(results: Results, row: Row, name: str, figure: str, column: Column) -> str:
    if name not in results.rounds[row.name]:
        return "-"
    cell = _number(median(results.values(row, name, figure)), column)
    ratio = results.ratio(row, name)
    first = figure == next(iter(row.columns))
    return cell if ratio is None or not first else f"{cell} ({ratio:.2f})"
