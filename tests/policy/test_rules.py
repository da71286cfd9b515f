from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.message.head import RequestHead
from proxy.policy.propagation import TracingPolicy
from proxy.policy.rules import Match, Rule, RuleSet, compile_regex, normalize_prefix
from proxy.policy.sampling import Sampler

TRACING = TracingPolicy(Sampler(Decimal(10)))


def rule_set(*matches: Match, errors: list[tuple[str, Exception]] | None = None) -> RuleSet:
    rules = [Rule(f"rule-{number}", match, TRACING) for number, match in enumerate(matches)]
    return RuleSet(rules, lambda name, error: (errors if errors is not None else []).append((name, error)))


def head(*fields: tuple[bytes, bytes], method: bytes = b"GET") -> RequestHead:
    return RequestHead(method, b"/", list(fields))


def found(
    rules: RuleSet, url: str, *, method: bytes = b"GET", request: RequestHead | None = None
) -> int | None:
    """The number of the rule that matches, for a URL as rules see it."""
    rest = url.partition("://")[2]
    target = rest[rest.index("/") :] if "/" in rest else "*"
    rule = rules.match(url, target, method, request or head(method=method))
    return None if rule is None else int(rule.name.removeprefix("rule-"))


CHECKOUT = "https://api.example.com/checkout/"
MATCHES = [
    pytest.param(Match(), CHECKOUT, True, id="no-conditions"),
    pytest.param(Match(prefix=CHECKOUT), CHECKOUT + "cart?x=1", True, id="prefix"),
    pytest.param(Match(prefix=CHECKOUT), CHECKOUT, True, id="prefix-itself"),
    pytest.param(Match(prefix=CHECKOUT), "https://api.example.com/checkout", False, id="prefix-too-long"),
    pytest.param(Match(prefix=CHECKOUT), "http://api.example.com/checkout/", False, id="other-scheme"),
    pytest.param(
        Match(prefix="https://api.example.com"), "https://api.example.com/x", True, id="authority-alone"
    ),
    pytest.param(
        Match(prefix="https://api.example.com"),
        "https://api.example.com.evil.test/",
        False,
        id="prefix-ends-at-the-authority",
    ),
    pytest.param(
        Match(prefix="https://api.example.com"),
        "https://api.example.com:8443/",
        False,
        id="prefix-has-no-other-port",
    ),
    pytest.param(Match(prefix="https://"), "https://anything.test/", True, id="scheme-alone"),
    pytest.param(Match(prefix="https://"), "http://anything.test/", False, id="other-scheme-alone"),
    pytest.param(
        Match(prefix="HTTPS://API.Example.com:443/Checkout"),
        "https://api.example.com/Checkout",
        True,
        id="prefix-is-normalized",
    ),
    pytest.param(
        Match(prefix="https://api.example.com/Checkout"),
        "https://api.example.com/checkout",
        False,
        id="path-keeps-its-case",
    ),
    pytest.param(Match(prefix="/api/"), "https://any.test/api/x", True, id="path"),
    pytest.param(Match(prefix="/api/?a"), "https://any.test/api/?a=1", True, id="path-and-query"),
    pytest.param(Match(prefix="/api/"), "https://any.test/v1/api/", False, id="path-is-anchored"),
    pytest.param(Match(prefix="https://any.test"), "https://any.test", True, id="asterisk-under-authority"),
    pytest.param(Match(prefix="https://any.test/a"), "https://any.test", False, id="asterisk-not-under-path"),
    pytest.param(Match(prefix="/"), "https://any.test", False, id="asterisk-is-no-path"),
    pytest.param(Match(regex="example"), CHECKOUT, True, id="regex-is-searched"),
    pytest.param(
        Match(regex=r"https://.*\.my-api-domain\.com/"), "https://a.my-api-domain.com/", True, id="regex"
    ),
    pytest.param(
        Match(regex=r"https://.*\.my-api-domain\.com/"), "https://my-api-domain.com/", False, id="regex-no"
    ),
    pytest.param(Match(regex=r"^http:"), CHECKOUT, False, id="regex-anchored"),
    pytest.param(Match(regex=r"[a-z]{8}/"), CHECKOUT, True, id="regex-without-literal"),
    pytest.param(Match(regex="é"), "https://any.test/\udcc3\udca9", True, id="bytes-of-the-target"),
    pytest.param(Match(regex="x$"), "https://any.test/\udcff/x", True, id="bytes-that-are-not-utf-8"),
    pytest.param(Match(methods=frozenset({b"GET"})), CHECKOUT, True, id="method"),
    pytest.param(Match(methods=frozenset({b"PUT", b"POST"})), CHECKOUT, False, id="other-methods"),
    pytest.param(Match(methods=frozenset({b"get"})), CHECKOUT, False, id="methods-are-case-sensitive"),
    pytest.param(Match(methods=frozenset()), CHECKOUT, False, id="no-methods"),
    pytest.param(Match(function=lambda url: url == CHECKOUT), CHECKOUT, True, id="function"),
    pytest.param(Match(function=lambda url: False), CHECKOUT, False, id="function-no"),
    pytest.param(
        Match(prefix="/checkout", regex="/checkout", methods=frozenset({b"GET"})),
        CHECKOUT,
        True,
        id="all-hold",
    ),
    pytest.param(Match(prefix="/checkout", regex="nope"), CHECKOUT, False, id="regex-fails"),
    pytest.param(Match(prefix="/nope", regex="checkout"), CHECKOUT, False, id="prefix-fails"),
    pytest.param(Match(regex="checkout", methods=frozenset({b"PUT"})), CHECKOUT, False, id="method-fails"),
]


@pytest.mark.parametrize(("match", "url", "holds"), MATCHES)
def test_a_rule_matches_when_all_its_conditions_hold(match: Match, url: str, holds: bool) -> None:
    assert found(rule_set(match), url) == (0 if holds else None)


TENANT = (b"x-tenant", b"acme")
HEADERS = [
    pytest.param([TENANT], [(b"X-Tenant", b"acme")], True, id="equal"),
    pytest.param([TENANT], [(b"X-Tenant", b"acme \t")], True, id="white-space-around"),
    pytest.param([TENANT], [(b"X-Tenant", b"Acme")], False, id="values-are-case-sensitive"),
    pytest.param([TENANT], [(b"X-Tenant", b"acme2")], False, id="longer"),
    pytest.param([TENANT], [], False, id="absent"),
    pytest.param([TENANT], [(b"x-tenant", b"other"), (b"X-TENANT", b"acme")], True, id="any-of-that-name"),
    pytest.param([TENANT, (b"a", b"1")], [(b"x-tenant", b"acme"), (b"a", b"1")], True, id="two"),
    pytest.param([TENANT, (b"a", b"1")], [(b"x-tenant", b"acme"), (b"a", b"2")], False, id="one-of-two"),
]


@pytest.mark.parametrize(("conditions", "fields", "holds"), HEADERS)
@pytest.mark.parametrize("match", [Match(), Match(prefix="/c"), Match(regex="/c"), Match(function=bool)])
def test_header_conditions_are_exact_values(
    match: Match, conditions: list[tuple[bytes, bytes]], fields: list[tuple[bytes, bytes]], holds: bool
) -> None:
    rules = rule_set(
        Match(match.prefix, match.regex, match.function, headers=tuple(conditions)),
    )
    assert found(rules, CHECKOUT, request=head(*fields)) == (0 if holds else None)


def test_without_a_head_header_conditions_are_skipped() -> None:
    rules = rule_set(
        Match(headers=(TENANT,), methods=frozenset({b"PUT"})), Match(prefix="/checkout", headers=(TENANT,))
    )
    matched = rules.match(CHECKOUT, "/checkout/", b"GET", None)
    assert matched is rules.rules[1]


def test_no_rules_match_nothing() -> None:
    assert found(rule_set(), CHECKOUT) is None


def test_the_first_of_several_wins() -> None:
    rules = rule_set(
        Match(prefix="/other"), Match(regex="checkout"), Match(prefix=CHECKOUT), Match(prefix="/checkout")
    )
    assert found(rules, CHECKOUT) == 1


def test_functions_are_called_in_order_and_only_when_reached() -> None:
    called: list[str] = []

    def recording(name: str, result: bool) -> Callable[[str], bool]:
        def function(url: str) -> bool:
            called.append(name)
            return result

        return function

    rules = rule_set(
        Match(function=recording("first", False)),
        Match(prefix="/nope", function=recording("prefix fails", True)),
        Match(regex="nope", function=recording("expression fails", True)),
        Match(methods=frozenset({b"PUT"}), function=recording("method fails", True)),
        Match(headers=(TENANT,), function=recording("header fails", True)),
        Match(prefix="/checkout", regex="checkout", function=recording("second", False)),
        Match(prefix=CHECKOUT),
        Match(function=recording("after", True)),
    )
    assert found(rules, CHECKOUT) == 6
    assert called == ["first", "second"]


def test_a_function_that_raises_is_no_match_and_reported() -> None:
    def broken(url: str) -> bool:
        raise LookupError(url)

    errors: list[tuple[str, Exception]] = []
    rules = rule_set(Match(function=broken), Match(prefix="/checkout"), errors=errors)
    assert found(rules, CHECKOUT) == 1
    assert [(name, type(error)) for name, error in errors] == [("rule-0", LookupError)]


def test_any_true_value_of_a_function_matches() -> None:
    rules = rule_set(Match(function=lambda url: url and "yes"))
    assert found(rules, CHECKOUT) == 0


def test_a_repeated_header_value_calls_a_function_once() -> None:
    called: list[str] = []

    def function(url: str) -> bool:
        called.append(url)
        return False

    rules = rule_set(Match(headers=(TENANT,), function=function))
    assert found(rules, CHECKOUT, request=head(TENANT, TENANT)) is None
    assert called == [CHECKOUT]


def test_deep_nesting_finds_the_first() -> None:
    rules = rule_set(*(Match(prefix="/" + "a" * depth) for depth in range(3_000, 0, -1)))
    assert found(rules, "https://h/" + "a" * 5_000) == 0
    assert found(rules, "https://h/ab") == 2_999
    assert found(rules, "https://h/" + "a" * 1_500 + "b") == 1_500
    assert found(rules, "https://h/b") is None


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "/", "-", "?", "~"]), max_size=6).map("".join)
AUTHORITIES = st.sampled_from(["a", "ab", "a.b", "a:8", "b"])
SCHEMES = st.sampled_from(["http", "https"])
PREFIXES = st.one_of(
    SEGMENTS.map("/{}".format),
    st.builds("{}://{}/{}".format, SCHEMES, AUTHORITIES, SEGMENTS),
    SCHEMES.map("{}://".format),
)
REGEXES = st.sampled_from(
    [
        "a",
        "b$",
        "^http:",
        r"https://.*\.b/",
        "(?i)AB",
        "[ab]{3}",
        "ab|ba",
        "",
        "a.*b",
        r"\?",
        "x",
        "^https?://[ab]/",
    ]
)
METHODS = st.sampled_from([b"GET", b"POST", b"PUT"])
PAIRS = st.tuples(st.sampled_from([b"x", b"y"]), st.sampled_from([b"1", b"2"]))
FUNCTIONS = st.sampled_from([lambda url: "ab" in url, lambda url: len(url) % 2 == 0, lambda url: 1 / 0])
RULES = st.lists(
    st.builds(
        Match,
        prefix=st.none() | PREFIXES,
        regex=st.none() | REGEXES,
        function=st.none() | FUNCTIONS,
        methods=st.none() | st.frozensets(METHODS, min_size=1),
        headers=st.lists(PAIRS, max_size=2).map(tuple),
    ),
    max_size=12,
)


def naive(matches: list[Match], url: str, target: str, request: RequestHead) -> int | None:
    for number, match in enumerate(matches):
        if match.prefix is not None:
            prefix = normalize_prefix(match.prefix)
            if not (target if prefix.startswith("/") else url).startswith(prefix):
                continue
        if match.regex is not None and compile_regex(match.regex).search(url) is None:
            continue
        if match.methods is not None and request.method not in match.methods:
            continue
        if not all(value in request.get_all(name) for name, value in match.headers):
            continue
        if match.function is not None:
            try:
                if not match.function(url):
                    continue
            except ZeroDivisionError:
                continue
        return number
    return None


@settings(max_examples=400)
@given(RULES, SCHEMES, AUTHORITIES, SEGMENTS, METHODS, st.lists(PAIRS, max_size=3))
def test_the_first_match_is_that_of_a_scan(
    matches: list[Match],
    scheme: str,
    authority: str,
    path: str,
    method: bytes,
    fields: list[tuple[bytes, bytes]],
) -> None:
    request = head(*fields, method=method)
    url, target = f"{scheme}://{authority}/{path}", f"/{path}"
    rules = rule_set(*matches)
    assert found(rules, url, method=method, request=request) == naive(matches, url, target, request)
    bare = [Match(m.prefix, m.regex, m.function, methods=m.methods) for m in matches]
    expected = naive(bare, url, target, request)
    assert rules.match(url, target, method, None) is (None if expected is None else rules.rules[expected])
