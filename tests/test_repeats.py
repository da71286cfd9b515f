"""What happens thousands of times a second is told once a minute, with how often it was."""

from proxy.repeats import QUIET_SECONDS, Repeats


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_is_told_and_those_of_the_next_minute_are_counted() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    assert [repeats.note("a") for _ in range(4)] == ["", None, None, None]
    clock.now += QUIET_SECONDS
    assert repeats.note("a") == " (and 3 more since this was last told)"
    assert repeats.note("a") is None
    clock.now += QUIET_SECONDS
    assert repeats.note("a") == " (and 1 more since this was last told)"


def test_nothing_is_added_where_nothing_was_passed_over() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    assert repeats.note("a") == ""
    clock.now += QUIET_SECONDS
    assert repeats.note("a") == ""


def test_each_thing_is_told_for_itself() -> None:
    repeats = Repeats(Clock())
    assert [repeats.note("a", "x"), repeats.note("a", "y"), repeats.note("b", "x")] == ["", "", ""]
