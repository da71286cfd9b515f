"""The proxy's own tracestate member."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tracecontext import own_member, tracestate

START = [
    pytest.param(True, b"rum", b"s:1;o:rum", id="sampled"),
    pytest.param(False, b"rum", b"s:0;o:rum", id="not-sampled"),
    pytest.param(True, None, b"s:1", id="no-origin"),
    pytest.param(True, b"", b"s:1", id="empty-origin"),
    pytest.param(True, b"a=b,c;d~e\xff ", b"s:1;o:a~b_c_d_e_", id="origin-with-delimiters"),
]

UPDATE = [
    pytest.param(None, True, b"s:1", id="none-came-sampled"),
    pytest.param(None, False, b"s:0", id="none-came-not-sampled"),
    pytest.param(b"s:1", True, b"s:1", id="same"),
    pytest.param(b"s:1;o:rum", True, b"s:1;o:rum", id="same-with-origin"),
    pytest.param(b"s:0;o:rum", True, b"s:1;o:rum", id="flip-up"),
    pytest.param(b"s:1;o:rum", False, b"s:0;o:rum", id="flip-down"),
    pytest.param(b"s:2;o:rum", True, b"s:2;o:rum", id="user-keep-stays"),
    pytest.param(b"s:2", False, b"s:0", id="user-keep-flips"),
    pytest.param(b"s:-1;t.dm:-4", False, b"s:-1;t.dm:-4", id="user-reject-stays"),
    pytest.param(b"s:-1", True, b"s:1", id="user-reject-flips"),
    pytest.param(b"s:10", True, b"s:10", id="more-than-one-digit"),
    pytest.param(b"s:1x", True, b"s:1", id="not-a-number"),
    pytest.param(b"s:", False, b"s:0", id="empty-priority"),
    pytest.param(b"o:synthetics;p:00f067aa0ba902b7", True, b"s:1;o:synthetics;p:00f067aa0ba902b7", id="no-s"),
    pytest.param(b"p:1;s:0;o:rum", True, b"p:1;s:1;o:rum", id="place-kept"),
    pytest.param(b"a:" + b"v" * 253, True, b"s:1", id="no-room-for-what-came"),
]

ORIGINS = [
    pytest.param(None, b"", id="no-member"),
    pytest.param(b"s:1", b"", id="no-origin"),
    pytest.param(b"s:1;o:rum", b"rum", id="origin"),
    pytest.param(b"s:1;o:a~b", b"a=b", id="equals-sign"),
]


@pytest.mark.parametrize(("sampled", "origin", "value"), START)
def test_start_writes(sampled: bool, origin: bytes | None, value: bytes) -> None:
    assert own_member.start(sampled, origin) == value


@pytest.mark.parametrize(("came", "sampled", "value"), UPDATE)
def test_update_makes_the_priority_agree(came: bytes | None, sampled: bool, value: bytes) -> None:
    assert own_member.update(came, sampled) == value


@pytest.mark.parametrize(("value", "origin"), ORIGINS)
def test_origin_is_read(value: bytes | None, origin: bytes) -> None:
    assert own_member.origin_of(value) == origin


@given(
    st.from_regex(rb"\A[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]\Z"), st.booleans()
)
def test_an_updated_member_is_valid_and_stays_the_same(came: bytes, sampled: bool) -> None:
    value = own_member.update(came, sampled)
    assert tracestate.parse(b"dd=" + value) == [b"dd=" + value]
    assert own_member.update(value, sampled) == value
