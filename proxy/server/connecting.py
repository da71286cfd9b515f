"""Making connections, for the request that waits for one: the part of a pool that is coroutines.

By itself, for it is not compiled: mypyc's coroutines pass exceptions on in a way that Python is to lose.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from proxy.message.error import ErrorKind
from proxy.server.clock import clock
from proxy.server.connect_failure import ConnectFailure

if TYPE_CHECKING:
    from proxy.server.pool import Upstream
    from proxy.server.relay import Relay
    from proxy.server.target import TargetPool
    from proxy.server.upstream import UpstreamConnection


async def connect_for(upstream: "Upstream", relay: "Relay", first: "TargetPool") -> None:
    """Connect to the first target, or the next that accepts, and give the connection away."""
    started = clock()
    exchange = relay.exchange
    target, failure = first, None
    for target in upstream.in_order(first):
        if failure is not None:
            exchange.passed_over += (failure.kind,)
        try:
            connection = await _open_connection(upstream, target)
        except OSError as error:
            failure = ConnectFailure.of(error, upstream.name, upstream.settings.timeouts.connect)
        else:
            if upstream.is_open(connection):
                upstream.settle(relay, connection, clock() - started)
                return
            failure = ConnectFailure.by_end(upstream.name)
        note = upstream.note_failure if failure.by_target else upstream.tell_failure
        note(target, failure.kind, failure.detail)
        if not relay.waiting:
            return
    exchange.connect_wait += clock() - started
    assert failure is not None
    if failure.kind is ErrorKind.UPSTREAM_RESET and relay.take_retry():
        # Nothing was written, so any method may go there once more.
        upstream.acquire_again(relay, target)
        return
    relay.fail(failure.kind, failure.told)


async def connect_spare(upstream: "Upstream", target: "TargetPool") -> None:
    """Connect to the target for whoever comes next, who will find out why it failed where it does."""
    with suppress(OSError):
        connection = await _open_connection(upstream, target)
        if upstream.is_open(connection):
            upstream.release(connection, clock())


async def _open_connection(upstream: "Upstream", target: "TargetPool") -> "UpstreamConnection":
    target.connecting += 1
    try:
        return await upstream.connector.open(target.address, lambda: upstream.make_connection(target))
    finally:
        target.connecting -= 1
