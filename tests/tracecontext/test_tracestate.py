"""The ``tracestate`` grammar, and what is dropped where it gets too long."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tracecontext import tracestate
from proxy.tracecontext.fault import Fault, InvalidContext

EVERY_VALUE_CHARACTER = bytes(code for code in range(0x20, 0x7F) if code not in b",=")

VALID = [
    pytest.param(b"", [], id="empty"),
    pytest.param(b" \t", [], id="blank"),
    pytest.param(b",,", [], id="only-commas"),
    pytest.param(b"foo=1", [b"foo=1"], id="one"),
    pytest.param(b"foo=1,bar=2", [b"foo=1", b"bar=2"], id="two"),
    pytest.param(b"foo=1,,bar=2", [b"foo=1", b"bar=2"], id="empty-member"),
    pytest.param(b"foo=1 , \t bar=2", [b"foo=1", b"bar=2"], id="white-space-around"),
    pytest.param(b"foo= 1", [b"foo= 1"], id="leading-space-is-of-the-value"),
    pytest.param(b"foo=1 2", [b"foo=1 2"], id="space-inside"),
    pytest.param(b"foo=" + EVERY_VALUE_CHARACTER, [b"foo=" + EVERY_VALUE_CHARACTER], id="every-character"),
    pytest.param(b"0az_-*/@=1", [b"0az_-*/@=1"], id="every-key-character"),
    pytest.param(b"foo@=1", [b"foo@=1"], id="level-2-key-ends-in-at"),
    pytest.param(b"a@b@c=1", [b"a@b@c=1"], id="level-2-key-two-ats"),
    pytest.param(b"0a@sys=1", [b"0a@sys=1"], id="tenant"),
    pytest.param(b"k" * 256 + b"=1", [b"k" * 256 + b"=1"], id="key-of-256"),
    pytest.param(b"foo=" + b"v" * 256, [b"foo=" + b"v" * 256], id="value-of-256"),
    pytest.param(b"foo=1,foo=2", [b"foo=1", b"foo=2"], id="key-twice-is-passed-on"),
    pytest.param(b",".join([b"a=1"] * 32), [b"a=1"] * 32, id="32-members"),
    pytest.param(b",".join([b"a=1"] * 32) + b", ,", [b"a=1"] * 32, id="32-members-and-empty-ones"),
]

SYNTAX = [
    pytest.param(b"foo", id="no-equals-sign"),
    pytest.param(b"=1", id="no-key"),
    pytest.param(b"foo=", id="no-value"),
    pytest.param(b"foo= ", id="blank-value"),
    pytest.param(b"foo=1=2", id="equals-in-value"),
    pytest.param(b"foo =1", id="space-after-key"),
    pytest.param(b"Foo=1", id="upper-case-key"),
    pytest.param(b"@foo=1", id="key-starts-with-at"),
    pytest.param(b"-foo=1", id="key-starts-with-dash"),
    pytest.param(b"foo.bar=1", id="dot-in-key"),
    pytest.param(b"foo=1\t2", id="tab-in-value"),
    pytest.param(b"foo=\xc3\xa9", id="not-ascii"),
    pytest.param(b"foo=\x7f", id="delete"),
    pytest.param(b"foo=1\n", id="newline"),
    pytest.param(b"k" * 257 + b"=1", id="key-of-257"),
    pytest.param(b"foo=" + b"v" * 257, id="value-of-257"),
    pytest.param(b"foo=1,bar", id="one-bad-among-good"),
    pytest.param(b"foo=1;bar=2", id="semicolons"),
]


@pytest.mark.parametrize(("value", "members"), VALID)
def test_parse_reads(value: bytes, members: list[bytes]) -> None:
    assert tracestate.parse(value) == members


@pytest.mark.parametrize("value", SYNTAX)
def test_parse_refuses(value: bytes) -> None:
    with pytest.raises(InvalidContext) as caught:
        tracestate.parse(value)
    assert caught.value.fault is Fault.TRACESTATE_SYNTAX


def test_a_33rd_member_is_too_many() -> None:
    with pytest.raises(InvalidContext) as caught:
        tracestate.parse(b",".join([b"a=1"] * 33))
    assert caught.value.fault is Fault.TRACESTATE_TOO_MANY


SHORT = [b"k%02d=" % number + b"v" * 95 for number in range(6)]  # 99 characters each
LONG = b"long=" + b"v" * 200

ENCODED = [
    pytest.param([], [], b"", id="nothing"),
    pytest.param([b"dd=s:1"], [], b"dd=s:1", id="leading-alone"),
    pytest.param([b"dd=s:1"], [b"a=1", b"b=2"], b"dd=s:1,a=1,b=2", id="leading-first"),
    pytest.param([], SHORT[:5], b",".join(SHORT[:5]), id="499-characters-stay"),
    pytest.param(
        [b"dd=s:1;o:rum"], SHORT[:5], b",".join([b"dd=s:1;o:rum", *SHORT[:5]]), id="499-and-own-stay"
    ),
    pytest.param(
        [], [b"a=" + b"v" * 256, b"b=" + b"v" * 251], b"a=" + b"v" * 256 + b",b=" + b"v" * 251, id="512"
    ),
    pytest.param([], SHORT, b",".join(SHORT[:5]), id="right-most-goes"),
    pytest.param([], [LONG, *SHORT[:4]], b",".join(SHORT[:4]), id="long-one-goes-first"),
    pytest.param([], [LONG, *SHORT[:1], LONG, LONG], b",".join([LONG, SHORT[0], LONG]), id="right-most-long"),
    pytest.param([], [LONG, *SHORT], b",".join(SHORT[:5]), id="long-one-then-right-most"),
    pytest.param([LONG], [LONG, LONG, *SHORT[:3]], b",".join([LONG, LONG, *SHORT[:3]]), id="leading-stays"),
    pytest.param([b"dd=s:1"], [b"a=1"] * 32, b",".join([b"dd=s:1"] + [b"a=1"] * 31), id="32-with-own"),
]


@pytest.mark.parametrize(("leading", "others", "value"), ENCODED)
def test_encode_writes(leading: list[bytes], others: list[bytes], value: bytes) -> None:
    assert tracestate.encode(leading, others) == value


KEYS = st.from_regex(rb"\A[a-z0-9][a-z0-9_\-*/@]{0,30}\Z")
VALUES = st.from_regex(rb"\A[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,30}[\x21-\x2b\x2d-\x3c\x3e-\x7e]\Z")
MEMBERS = st.lists(st.builds(lambda key, value: key + b"=" + value, KEYS, VALUES), max_size=32)


@given(MEMBERS)
def test_what_is_written_is_read_again_but_for_what_is_dropped(members: list[bytes]) -> None:
    written = tracestate.encode((), members)
    kept = tracestate.parse(written)
    if len(b",".join(members)) <= 512:
        assert kept == members
    else:
        assert len(written) <= 512
        assert kept == members[: len(kept)]


@given(MEMBERS, st.binary(max_size=4))
def test_parse_raises_nothing_else(members: list[bytes], noise: bytes) -> None:
    with suppress(InvalidContext):
        tracestate.parse(b",".join(members) + noise)


def test_the_left_most_value_of_a_key_counts() -> None:
    assert tracestate.value_of([b"ab=0", b"a=1", b"a=2"], b"a=") == b"1"
    assert tracestate.value_of([b"ab=0"], b"a=") is None


@pytest.mark.parametrize(("key", "valid"), [(b"dd", True), (b"a@b", True), (b"D", False), (b"", False)])
def test_keys_are_checked(key: bytes, valid: bool) -> None:
    assert tracestate.valid_key(key) is valid
