"""Entries hold what is told of an exchange, and nothing that a client can make large."""

import gc
from collections.abc import Callable

import pytest

from proxy.observability.entry import MOST_URL, Entry
from proxy.record import ExchangeRecord


@pytest.mark.interpreted("compiled classes have no __slots__")
def test_an_entry_says_what_the_record_says(make_record: Callable[..., ExchangeRecord]) -> None:
    record = make_record(method=b"GET", url="http://h/", bytes=3)
    entry = Entry(record)
    for name in set(Entry.__slots__) - {"trace_url"}:
        assert getattr(entry, name) == getattr(record, name), name


def test_an_entry_does_not_keep_its_record(make_record: Callable[..., ExchangeRecord]) -> None:
    record = make_record(method=b"GET", url="http://h/")
    entry = Entry(record)
    assert not any(isinstance(each, ExchangeRecord) for each in gc.get_referents(entry))


def test_a_url_is_kept_so_far_as_it_is_not_too_long(make_record: Callable[..., ExchangeRecord]) -> None:
    kept = Entry(make_record(url="u" * MOST_URL)).url
    assert kept == "u" * MOST_URL
    cut = Entry(make_record(url="u" * (MOST_URL + 1))).url
    assert cut == "u" * (MOST_URL - 3) + "..."
