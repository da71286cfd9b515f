"""New ids."""

import re
from collections.abc import Callable

from proxy.tracecontext.ids import IdSource


def blocks(*starts: bytes) -> Callable[[int], bytes]:
    """Give blocks that begin so and go on with ``\\x11``; after the last, ``\\x22`` throughout."""
    remaining = list(starts)

    def random_bytes(size: int) -> bytes:
        return remaining.pop(0).ljust(size, b"\x11") if remaining else b"\x22" * size

    return random_bytes


def test_ids_are_lower_case_hex() -> None:
    ids = IdSource(blocks(b"\xab" * 24))
    assert ids.trace_id() == b"ab" * 16
    assert ids.span_id() == b"ab" * 8
    assert ids.span_id() == b"11" * 8


def test_a_zero_trace_id_is_passed_over() -> None:
    assert IdSource(blocks(b"\0" * 16)).trace_id() == b"22" * 16


def test_a_zero_span_id_is_passed_over() -> None:
    ids = IdSource(blocks(b"\x11" * 16 + b"\0" * 8))
    ids.trace_id()
    assert ids.span_id() == b"22" * 8


def test_a_partly_zero_id_is_fine() -> None:
    assert IdSource(blocks(b"\0" * 15 + b"\1")).trace_id() == b"0" * 31 + b"1"


def test_randomness_is_taken_in_blocks_and_never_used_twice() -> None:
    sizes = []
    counter = iter(range(1, 1 << 30))

    def random_bytes(size: int) -> bytes:
        sizes.append(size)
        return b"".join(b"%08x" % next(counter) for _ in range(size // 8))

    ids = IdSource(random_bytes)
    taken = [ids.trace_id() + ids.span_id() for _ in range(1000)]
    assert len(set(taken)) == 1000
    assert all(re.fullmatch(rb"[0-9a-f]{48}", pair) for pair in taken)
    assert len(sizes) < 10
