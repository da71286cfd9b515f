"""The limit of open files is raised to what the config needs."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config.load import load_text
from proxy.config.schema import Config
from proxy.server.open_files import (
    allow_group_files,
    allow_open_files,
    needed_files,
    needed_group_files,
)

SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
LOW = 400


def _config(connections: int) -> Config:
    text = (
        f"limits: {{connections: {connections}}}\n"
        "upstreams: {default: {targets: [http://a.test], pool: {max_connections: 10}}}\n"
    )
    return load_text(text.encode(), Path("traceward.yaml"), {}).config


@pytest.fixture(autouse=True)
def low_limit() -> Iterator[None]:
    """The soft limit, low for a test."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (LOW, HARD))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD))


def test_clients_and_upstreams_both_need_files() -> None:
    assert needed_files(_config(1_000)) - needed_files(_config(500)) == 500
    assert needed_files(_config(1_000)) > 1_000 + 10


def test_the_limit_is_raised_to_what_the_config_needs(caplog: pytest.LogCaptureFixture) -> None:
    config = _config(500)
    allow_open_files(config)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (needed_files(config), HARD)
    assert caplog.messages == []


def test_a_limit_that_suffices_is_left() -> None:
    allow_open_files(_config(1))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (LOW, HARD)


@pytest.mark.skipif(HARD == resource.RLIM_INFINITY, reason="this system has no hard limit")
def test_a_hard_limit_below_it_is_reached_and_told(caplog: pytest.LogCaptureFixture) -> None:
    config = _config(HARD)
    allow_open_files(config)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (HARD, HARD)
    assert caplog.messages == [
        f"the limits of the config need {needed_files(config)} open files, and the system allows {HARD}: "
        "raise its limit (ulimit -Hn, LimitNOFILE=), or lower limits.connections"
    ]


def _group(listeners: int) -> Config:
    listed = ", ".join(["127.0.0.1:0"] * listeners)
    return load_text(
        f"listen: [{listed}]\nupstream: http://a.test".encode(), Path("traceward.yaml"), {}
    ).config


def test_a_supervisor_holds_listeners_for_each_worker() -> None:
    needed = needed_group_files(_group(2), 4) - needed_group_files(_group(1), 4)
    assert needed >= 4
    assert needed_group_files(_group(1), 8) > needed_group_files(_group(1), 4) + 4 * 3


def test_a_supervisor_raises_its_limit_likewise() -> None:
    config = _group(10)
    allow_group_files(config, 4)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (needed_group_files(config, 4), HARD)


@pytest.mark.skipif(HARD == resource.RLIM_INFINITY, reason="this system has no hard limit")
def test_a_supervisor_tells_of_a_hard_limit_below_it(caplog: pytest.LogCaptureFixture) -> None:
    config = _group(1)
    allow_group_files(config, HARD)
    assert caplog.messages == [
        f"the listeners of {HARD} workers need {needed_group_files(config, HARD)} open files, and the system "
        f"allows {HARD}: raise its limit (ulimit -Hn, LimitNOFILE=), or have fewer workers"
    ]
