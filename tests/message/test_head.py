import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.message.head import Field, RequestHead, ResponseHead

FIELDS = [(b"X-A", b" 1 "), (b"b", b""), (b"x-a", b"2,, Three\t,"), (b"X-A", b"")]


@pytest.fixture(params=["request", "response"])
def head(request: pytest.FixtureRequest) -> RequestHead | ResponseHead:
    if request.param == "request":
        return RequestHead(b"GET", b"/", list(FIELDS))
    return ResponseHead(200, b"OK", list(FIELDS))


def test_fields_stay_as_they_came(head: RequestHead | ResponseHead) -> None:
    assert head.fields == FIELDS
    assert head.names == [b"x-a", b"b", b"x-a", b"x-a"]
    assert head.present == {b"x-a", b"b"}
    assert head.version == (1, 1)


def test_get_returns_the_first_value_without_white_space(head: RequestHead | ResponseHead) -> None:
    assert head.get(b"x-a") == b"1"
    assert head.get(b"b") == b""
    assert head.get(b"c") is None


def test_get_all_returns_the_values_in_order(head: RequestHead | ResponseHead) -> None:
    assert head.get_all(b"x-a") == [b"1", b"2,, Three\t,", b""]
    assert head.get_all(b"c") == []


def test_get_list_returns_the_elements_in_lower_case(head: RequestHead | ResponseHead) -> None:
    assert head.get_list(b"x-a") == [b"1", b"2", b"three"]
    assert head.get_list(b"b") == []
    assert head.get_list(b"c") == []


PERSISTING = [
    pytest.param([], (1, 1), True, id="1.1"),
    pytest.param([], (1, 0), False, id="1.0"),
    pytest.param([b"keep-alive"], (1, 0), True, id="1.0-keep-alive"),
    pytest.param([b"Keep-Alive"], (1, 0), True, id="1.0-capitals"),
    pytest.param([b" KEEP-alive\t"], (1, 0), True, id="1.0-odd-case"),
    pytest.param([b"close"], (1, 1), False, id="close"),
    pytest.param([b"CLOSE"], (1, 1), False, id="close-upper-case"),
    pytest.param([b"x, close"], (1, 1), False, id="close-in-list"),
    pytest.param([b"keep-alive", b"close"], (1, 1), False, id="close-in-second-field"),
    pytest.param([b"keep-alive, close"], (1, 0), False, id="both"),
    pytest.param([b"upgrade"], (1, 1), True, id="upgrade"),
    pytest.param([b"upgrade"], (1, 0), False, id="1.0-upgrade"),
    pytest.param([b"closed"], (1, 1), True, id="another-word"),
]


@pytest.mark.parametrize(("values", "version", "persists"), PERSISTING)
def test_whether_the_connection_stays_open(
    values: list[bytes], version: tuple[int, int], persists: bool
) -> None:
    fields = [(b"Connection", value) for value in values]
    assert RequestHead(b"GET", b"/", fields, version).persists is persists
    assert ResponseHead(200, b"OK", fields, version).persists is persists


def test_heads_without_fields_have_none() -> None:
    assert RequestHead(b"GET", b"/", []).get(b"host") is None
    assert ResponseHead(200, b"", []).get_all(b"age") == []


@given(
    st.lists(st.tuples(st.sampled_from([b"A", b"a", b"B"]), st.lists(st.sampled_from(b"xY ,\t")).map(bytes)))
)
def test_the_three_readers_agree(fields: list[Field]) -> None:
    head = RequestHead(b"GET", b"/", fields)
    values = [value.strip(b" \t") for name, value in fields if name.lower() == b"a"]
    assert head.get_all(b"a") == values
    assert head.get(b"a") == (values[0] if values else None)
    elements = head.get_list(b"a")
    assert all(element and element == element.strip(b" \t").lower() for element in elements)
    assert b"".join(elements) == b"".join(
        part.strip(b" \t").lower() for value in values for part in value.split(b",")
    )
