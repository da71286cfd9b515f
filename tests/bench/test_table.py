"""Tables and JSON of results."""

import pytest

from bench.results import Results
from bench.rows import ROWS, Row
from bench.table import markdown, text

BY_NAME = {row.name: row for row in ROWS}


def results_of(row: Row, figures: dict[str, list[float]]) -> Results:
    """Return results whose figures are all that one, round for round."""
    results = Results()
    for label, values in figures.items():
        for value in values:
            results.add(row, label, dict.fromkeys(row.columns, value))
    return results


def test_a_figure_is_the_median_and_its_ratio_is_to_the_first_variant() -> None:
    row = BY_NAME["same"]
    results = results_of(row, {"nginx": [19.0, 20.0, 90.0], "Traceward": [30.0]})
    lines = [line.split() for line in text(results, row)]
    assert lines[2][:5] == ["nginx", "20.0", "19.0", "90.0", "1.00"]
    assert lines[3][:5] == ["Traceward", "30.0", "30.0", "30.0", "1.50"]


def test_there_is_no_ratio_where_the_first_variant_is_missing() -> None:
    row = BY_NAME["same"]
    results = results_of(row, {"Traceward": [30.0]})
    assert results.ratio(row, "Traceward") is None
    assert list(text(results, row))[2].split()[:5] == ["Traceward", "30.0", "30.0", "30.0", "30"]


def test_proxies_stand_beside_each_other_in_markdown() -> None:
    row = BY_NAME["same"]
    results = results_of(row, {"nginx": [20.0], "Traceward": [30.0]})
    assert list(markdown(results, ROWS)) == [
        "| | nginx | Traceward |",
        "|---|---:|---:|",
        f"| {row.title}: CPU us/request | 20.0 (1.00) | 30.0 (1.50) |",
    ]


def test_what_one_proxy_alone_is_measured_for_has_a_table_of_its_own() -> None:
    row = BY_NAME["workers"]
    results = results_of(row, {"1 worker": [1000.0], "2 workers": [950.0]})
    assert list(markdown(results, ROWS))[1:] == [
        f"| {row.title} | requests/CPU s | ratio |",
        "|---|---:|---:|",
        "| 1 worker | 1,000 | 1.00 |",
        "| 2 workers | 950 | 0.95 |",
    ]


def test_json_has_all_rounds() -> None:
    row = BY_NAME["start"]
    results = results_of(row, {"nginx": [0.5, 0.1, 0.3]})
    told = results.as_json(ROWS)
    figure = {"median": 0.3, "least": 0.1, "most": 0.5, "rounds": [0.5, 0.1, 0.3]}
    figures = {"start_s": figure, "rss_mib": figure}
    assert told == {"start": {"title": row.title, "variants": {"nginx": {"ratio": 1.0, "figures": figures}}}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_labels_of_a_row_are_its_own(row: Row) -> None:
    assert len({variant.label for variant in row.variants}) == len(row.variants)
