import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.fields import drop_fields, extend_list, get_elements
from proxy.message.head import Field

EXTENDED = [
    pytest.param([], [b"b"], [(b"Vary", b"b")], id="new"),
    pytest.param([(b"VARY", b"a")], [b"b"], [(b"VARY", b"a, b")], id="joined"),
    pytest.param([(b"Vary", b"A , b")], [b"a", b"B"], [(b"Vary", b"A , b")], id="known"),
    pytest.param(
        [(b"vary", b"a"), (b"X", b"1"), (b"Vary", b"b,")],
        [b"c"],
        [(b"vary", b"a"), (b"X", b"1"), (b"Vary", b"b, c")],
        id="last-of-two",
    ),
    pytest.param([(b"Vary", b" ")], [b"a", b"b"], [(b"Vary", b"a, b")], id="empty"),
]


@pytest.mark.parametrize(("fields", "elements", "extended"), EXTENDED)
def test_extend_list(fields: list[Field], elements: list[bytes], extended: list[Field]) -> None:
    assert extend_list(fields, b"Vary", elements) == extended


def test_a_list_that_lacks_nothing_is_the_same_object() -> None:
    fields = [(b"Vary", b"Origin")]
    assert extend_list(fields, b"Vary", [b"origin"]) is fields


def test_dropping_leaves_the_rest_as_it_came() -> None:
    fields = [(b"A", b" 1 "), (b"b", b"2"), (b"a", b"3"), (b"C", b"")]
    assert drop_fields(fields, frozenset({b"a"})) == [(b"b", b"2"), (b"C", b"")]


@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"A", b"b"]), st.binary(max_size=8))),
    st.lists(st.sampled_from([b"x", b"y", b"X"])),
)
def test_extending_adds_what_lacks_and_changes_no_other_field(
    fields: list[Field], elements: list[bytes]
) -> None:
    before = list(fields)
    extended = extend_list(fields, b"a", elements)
    assert fields == before
    assert [field for field in extended if field[0] == b"b"] == [
        field for field in fields if field[0] == b"b"
    ]
    known = {element.lower() for element in get_elements(extended, b"a")}
    assert {element.lower() for element in elements} <= known
    assert get_elements(extended, b"a")[: len(get_elements(fields, b"a"))] == get_elements(fields, b"a")
