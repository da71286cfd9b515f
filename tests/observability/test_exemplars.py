"""Exemplars: which request stays, and what another process reads of it."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.observability.exemplars import Exemplar, Exemplars, size_for

BOUNDS = (0.001, 0.01)
FIRST, SECOND = b"0af7651916cd43dd8448eb211c80319c", b"f" * 32
NOW = 1_795_412_355.678


def make() -> Exemplars:
    return Exemplars(BOUNDS, [0] * size_for(BOUNDS))


def test_each_bucket_has_its_own() -> None:
    exemplars = make()
    assert exemplars.read() == [None, None, None]
    exemplars.note(0.001, FIRST, NOW)
    exemplars.note(7.5, SECOND, NOW + 1)
    assert exemplars.read() == [
        Exemplar({"trace_id": FIRST.decode()}, 0.001, NOW),
        None,
        Exemplar({"trace_id": SECOND.decode()}, 7.5, NOW + 1),
    ]


@pytest.mark.parametrize(("after", "kept"), [(0.0, FIRST), (0.99, FIRST), (1.01, SECOND)])
def test_one_stays_for_a_while(after: float, kept: bytes) -> None:
    exemplars = make()
    exemplars.note(0.0005, FIRST, NOW)
    exemplars.note(0.0006, SECOND, NOW + after)
    first = exemplars.read()[0]
    assert first is not None
    assert first.labels == {"trace_id": kept.decode()}


@given(st.binary(min_size=16, max_size=16), st.floats(0, 1e6))
def test_every_id_and_value_fits_signed_numbers(trace_id: bytes, value: float) -> None:
    exemplars = Exemplars((), array("q", [0] * size_for(())))
    exemplars.note(value, trace_id.hex().encode(), NOW)
    [exemplar] = exemplars.read()
    assert exemplar is not None
    assert exemplar.labels == {"trace_id": trace_id.hex()}
    assert exemplar.value == pytest.approx(value, abs=1e-9)


def test_the_later_one_of_two_processes_is_shown() -> None:
    ours, theirs = make(), make()
    ours.note(0.0005, FIRST, NOW)
    ours.note(0.005, FIRST, NOW)
    theirs.note(0.0005, SECOND, NOW + 1)
    theirs.note(0.005, SECOND, NOW - 1)
    theirs.note(1.0, SECOND, NOW - 1)
    ours.add(theirs.cells)
    ids = [exemplar.labels["trace_id"].encode() for exemplar in ours.read() if exemplar is not None]
    assert ids == [SECOND, FIRST, SECOND]


def test_one_that_is_being_written_is_not_read_and_is_written_again() -> None:
    exemplars = make()
    exemplars.note(0.0005, FIRST, NOW)
    exemplars.cells[0] += 1
    assert exemplars.read()[0] is None
    other = make()
    other.add(exemplars.cells)
    assert other.read()[0] is None
    exemplars.note(0.0005, SECOND, NOW + 2)
    first = exemplars.read()[0]
    assert first is not None
    assert first.labels == {"trace_id": SECOND.decode()}
