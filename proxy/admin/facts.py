"""What the admin server asks of the proxy, apart from the server, which is loaded when somebody asks it."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from proxy.explain import Explanation, Question
from proxy.observability.exposition import Family


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a reload: its errors, none where it was applied, and what waits for a restart."""

    errors: Sequence[str] = ()
    restart: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the admin server asks of the running proxy."""

    scrape: Callable[
        [], Awaitable[Iterator[Family | None]]
    ]  # what to write, see proxy.observability.exposition
    not_ready: Callable[[], str | None]  # why the proxy is not ready; None: it is
    explain: Callable[[Question], Awaitable[Explanation]]  # raises ValueError
    reload: Callable[[], Awaitable[Reloaded]]
    token: Callable[[], str | None]  # of the config in use
