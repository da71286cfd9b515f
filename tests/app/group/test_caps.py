"""Which bucket of a group keeps which cap."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.app.group import caps
from proxy.app.group.caps import CapPlaces, TooManyCaps
from proxy.config.compile import Cap
from proxy.config.load import load_text
from proxy.config.schema import Config
from proxy.server.group_limits import GroupMemory


@pytest.fixture
def memory() -> Iterator[GroupMemory]:
    descriptor = os.memfd_create("test")
    yield GroupMemory(descriptor)
    os.close(descriptor)


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Config]:
    """Load a config with rules: ``name: cap`` for each."""

    def load(rules: str) -> Config:
        written = [rule.split(":") for rule in rules.split()]
        listed = ", ".join(
            f"{{name: {name}, match: /{name}/, max_traces_per_second: {cap}}}" for name, cap in written
        )
        text = f"upstream: http://127.0.0.1:9\ntracing: {{max_traces_per_second: 9, rules: [{listed}]}}"
        return load_text(text.encode(), tmp_path / "t.yaml", {}).config

    return load


def test_a_cap_that_stays_keeps_its_bucket(memory: GroupMemory, load: Callable[[str], Config]) -> None:
    places = CapPlaces(memory)
    first = places.prepare(load("a:1 b:2"))
    assert set(first) == {Cap(None, 9), Cap("a", 1), Cap("b", 2)}
    assert len(set(first.values())) == 3
    places.commit(first)
    memory.buckets[2 * first[Cap("b", 2)]] = 0.5
    second = places.prepare(load("b:2 a:3"))
    assert second[Cap("b", 2)] == first[Cap("b", 2)]
    # Requests in flight may still use the other.
    assert second[Cap("a", 3)] not in first.values()
    places.commit(second)
    assert memory.buckets[2 * second[Cap("b", 2)]] == 0.5
    third = places.prepare(load("b:2 c:1"))
    assert third[Cap("c", 1)] not in {first[Cap("a", 1)], *second.values()}


def test_what_is_only_prepared_takes_nothing(memory: GroupMemory, load: Callable[[str], Config]) -> None:
    places = CapPlaces(memory)
    assert places.prepare(load("a:1")) == places.prepare(load("a:1"))


def test_more_caps_than_there_is_room_for_are_refused(
    memory: GroupMemory, load: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caps, "MOST_CAPS", 2)
    with pytest.raises(TooManyCaps, match="more than 2 max_traces_per_second are too many"):
        CapPlaces(memory).prepare(load("a:1 b:1"))
