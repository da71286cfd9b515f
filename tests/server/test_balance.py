"""Which of several targets gets a request."""

from collections.abc import Sequence

import pytest

from proxy.config.addresses import parse_target
from proxy.config.upstream import Balance
from proxy.server.balance import make_balance
from proxy.server.target import TargetPool
from tests.server.conftest import GET, OK, Start, StartTarget


def make(loads: Sequence[int]) -> list[TargetPool]:
    targets = [TargetPool(parse_target(f"http://t{number}")) for number in range(len(loads))]
    for target, load in zip(targets, loads, strict=True):
        target.open = load
    return targets


@pytest.mark.parametrize(
    ("balance", "loads", "chosen"),
    [
        pytest.param("round_robin", [9, 0, 3], [0, 1, 2, 0, 1, 2], id="in-turn-whatever-they-have"),
        pytest.param("round_robin", [0], [0, 0], id="one"),
        pytest.param("least_requests", [2, 1, 3], [1, 1, 1], id="least"),
        pytest.param("least_requests", [0, 0, 0], [0, 1, 2, 0], id="ties-rotate"),
        pytest.param("least_requests", [1, 5, 1, 1], [0, 2, 3, 0, 2], id="ties-of-some-rotate"),
        pytest.param("least_requests", [4], [0, 0], id="least-of-one"),
    ],
)
def test_a_balance_chooses(balance: Balance, loads: list[int], chosen: list[int]) -> None:
    targets = make(loads)
    choose = make_balance(Balance(balance))
    assert [targets.index(choose(targets)) for _ in chosen] == chosen


@pytest.mark.parametrize("balance", list(Balance))
def test_a_balance_goes_on_when_targets_leave_and_return(balance: Balance) -> None:
    targets = make([0, 0, 0])
    choose = make_balance(balance)
    for usable in (targets, targets, targets[:1], targets, targets[1:]):
        assert choose(usable) in usable


def test_idle_connections_and_attempts_are_counted_right() -> None:
    (target,) = make([3])
    target.connecting = 2
    assert target.in_flight == 5


async def test_targets_take_turns(start: Start, start_target: StartTarget) -> None:
    wire = await start(more_targets=[start_target(name).url for name in ("a", "b")])
    wire.serve(lambda head: OK)
    client = await wire.connect()
    answers = [(await client.ask(GET))[1] for _ in range(6)]
    assert answers == [b"ok", b"a", b"b"] * 2


async def test_the_target_with_the_fewest_requests_is_next(start: Start, start_target: StartTarget) -> None:
    other = start_target("other")
    wire = await start(upstream="balance: least_requests", more_targets=[other.url])
    slow = await wire.connect()
    held, _ = await wire.forward(slow, GET)
    client = await wire.connect()
    for _ in range(4):
        assert (await client.ask(GET))[1] == b"other"
    await held.send(OK)
    assert (await slow.answer())[1] == b"ok"
    held.close()
    wire.serve(lambda head: OK)
    assert {(await client.ask(GET))[1] for _ in range(4)} == {b"ok", b"other"}
