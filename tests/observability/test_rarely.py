"""Warnings do not come one for each request."""

from proxy.observability.rarely import QUIET_SECONDS, Rarely


def test_one_warning_is_enough_for_a_while() -> None:
    times = iter([1.0, 2.0, 1.0 + QUIET_SECONDS, 2.0 + QUIET_SECONDS])
    rarely = Rarely(lambda: next(times))
    assert [rarely() for _ in range(4)] == [True, False, True, False]


def test_the_first_is_given_however_young_the_machine() -> None:
    assert Rarely(lambda: 0.0)()
