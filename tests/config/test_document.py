"""YAML documents: what is read, and what is refused where."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.document import compose
from proxy.config.load import LoadedConfig, load_text
from proxy.config.nodes import Raw
from proxy.config.problem import ConfigError, Place
from proxy.config.scalars import Scalar, Value

Errors = Callable[[str], list[str]]
UPSTREAM = "upstream: http://127.0.0.1:9000\n"


def plain(raw: Raw) -> object:
    """Strip scalars to what they mean."""
    match raw:
        case Scalar():
            return raw.value
        case list():
            return [plain(item) for item in raw]
        case _:
            return {key: plain(value) for key, value in raw.items()}


def read(text: str, **environ: str) -> object:
    document = compose(text, environ, "c.yaml")
    assert not document.problems
    assert document.root is not None
    return plain(document.root.to_raw())


READ = [
    pytest.param("a: 1\nb: [x, 2.5, ~]", {"a": 1, "b": ["x", 2.5, None]}, id="collections"),
    pytest.param("a: '1'\nb: \"true\"", {"a": "1", "b": "true"}, id="quoted-is-text"),
    pytest.param("a: |\n  1\n", {"a": "1\n"}, id="block-is-text"),
    pytest.param("a: !!str 1", {"a": "1"}, id="string-tag"),
    pytest.param("a: ! 1", {"a": "1"}, id="non-specific-tag"),
    pytest.param("a: !!int '1'", {"a": 1}, id="integer-tag"),
    pytest.param("1: x\ntrue: y\n~: z", {"1": "x", "true": "y", "~": "z"}, id="keys-are-text"),
    pytest.param("a: &x 1\nb: *x", {"a": 1, "b": 1}, id="alias"),
    pytest.param("&x a: 1\nb: *x", {"a": 1, "b": "a"}, id="anchored-key"),
    pytest.param("a: &x k\n*x : 1", {"a": "k", "k": 1}, id="alias-as-key"),
    pytest.param(
        "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}, id="merge"
    ),
    pytest.param("b: {q: 3, <<: {p: 1, q: 2}}", {"b": {"q": 3, "p": 1}}, id="merge-last"),
    pytest.param("b: {<<: [{p: 1}, {p: 2, q: 2}]}", {"b": {"p": 1, "q": 2}}, id="merge-list"),
    pytest.param("'<<': 1", {"<<": 1}, id="quoted-merge-is-a-key"),
    pytest.param("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}, id="directive"),
    pytest.param("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}, id="windows-lines"),
]


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse with the extension, and as where PyYAML comes without it."""
    monkeypatch.setattr("proxy.config.document._FAST_LOADER", getattr(yaml, request.param, yaml.SafeLoader))


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "value"), READ)
def test_read(text: str, value: object) -> None:
    assert read(text) == value


SUBSTITUTED = [
    pytest.param("a: ${X}", 10, id="plain-is-typed-after"),
    pytest.param("a: '${X}'", "10", id="quoted-is-text"),
    pytest.param("a: ${Y:-}", None, id="plain-and-empty-is-null"),
    pytest.param("a: $${X}", "${X}", id="escaped"),
    pytest.param("a: >\n  ${X}\n", "10\n", id="block"),
]


@pytest.mark.parametrize(("text", "value"), SUBSTITUTED)
def test_substitution_comes_before_typing(text: str, value: Value) -> None:
    assert read(text, X="10") == {"a": value}


def test_keys_and_comments_are_not_substituted() -> None:
    assert read("${X}: 1 # ${Y}") == {"${X}": 1}


def test_what_was_substituted_is_not_read_as_yaml() -> None:
    assert read("a: ${X}", X="{b: [1]}") == {"a": "{b: [1]}"}


REFUSED = [
    pytest.param("", ["1:1: the file is empty: write at least upstream: http://127.0.0.1:9000"], id="empty"),
    pytest.param(
        "# only\n", ["1:1: the file is empty: write at least upstream: http://127.0.0.1:9000"], id="comment"
    ),
    pytest.param(
        UPSTREAM + UPSTREAM, ["2:1: upstream: is there twice, first on line 1: keep one"], id="duplicate"
    ),
    pytest.param(
        UPSTREAM + "limits: {headers: 1, headers: 2, headers: 3}",
        [
            "2:22: limits.headers: is there twice, first on line 2: keep one",
            "2:34: limits.headers: is there twice, first on line 2: keep one",
        ],
        id="duplicate-in-flow",
    ),
    pytest.param(
        UPSTREAM + "---\n" + UPSTREAM,
        ["2:1: a second document starts here: keep one, without ---"],
        id="documents",
    ),
    pytest.param("? [a]\n: b", ["1:3: a key must be text: put quotes around it"], id="complex-key"),
    pytest.param("a: &x [1]\n*x : 2", ["2:1: a key must be text"], id="complex-alias-key"),
    pytest.param("a: &a [*a]", ["1:8: a[0]: the alias *a is inside of what it stands for"], id="recursion"),
    pytest.param(
        "a: *b",
        ["1:4: a: nothing above has the anchor &b: put quotes around a value that starts with *"],
        id="unknown-alias",
    ),
    pytest.param(
        UPSTREAM + "tracing: {<<: 1}",
        ["2:15: tracing: << takes a mapping or a list of them, such as <<: *base"],
        id="merge-scalar",
    ),
    pytest.param(
        "upstream: !url http://a",
        ["1:11: upstream: has the tag !url: tags have no meaning here, leave it out"],
        id="tag",
    ),
    pytest.param(
        "upstream: ${A}\nlisten: ${B}",
        [
            "1:11: upstream: the environment variable A is not set: set it, or write ${A:-default}",
            "2:9: listen: the environment variable B is not set: set it, or write ${B:-default}",
        ],
        id="unset-variables-all-at-once",
    ),
    pytest.param(
        UPSTREAM + "tracing:\n  rules:\n    - {match: /, sample_rate: '${A'}",
        [
            "4:31: tracing.rules[0].sample_rate: has a malformed ${...}: "
            "write ${NAME}, ${NAME:-default}, or $${ for a literal ${"
        ],
        id="malformed-variable",
    ),
    pytest.param(
        "listen: [::1]:8080", ["1:9: listen: is not YAML: put quotes around it: '[::1]:8080'"], id="ipv6"
    ),
    pytest.param(
        "listen: {address: [::1]:8080}",
        ["1:19: listen.address: is not YAML: put quotes around it: '[::1]:8080'"],
        id="ipv6-in-mapping",
    ),
    pytest.param(
        "listen: ['[::1]:80', [::1]:81]",
        ["1:22: listen[1]: a key must be text: put quotes around it: '[::1]:81'"],
        id="ipv6-in-list",
    ),
    pytest.param(
        "upstreams: {a: {targets: [https://[::1]:90, b]}}",
        ["1:27: upstreams.a.targets: is not YAML: put quotes around it: 'https://[::1]:90'"],
        id="ipv6-in-url",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://${A}:90, b]}}",
        ["1:27: upstreams.a.targets: is not YAML: put quotes around it: 'http://${A}:90'"],
        id="reference-in-url",
    ),
    pytest.param(
        "admin: {token: ${T}}", ["1:16: admin: is not YAML: put quotes around it: '${T}'"], id="reference"
    ),
    pytest.param(
        "tracing: {extract: [${T:-b3}]}",
        ["1:21: tracing.extract: is not YAML: put quotes around it: '${T:-b3}'"],
        id="reference-in-list",
    ),
    pytest.param(
        "tracing: {trace_url: https://x/{trace_id}}",
        ["1:32: tracing: is not YAML: put quotes around a value with { in it"],
        id="brace",
    ),
    pytest.param("tracing:\n\tinject: all", ["2:1: is not YAML: a tab indents here: use spaces"], id="tab"),
    pytest.param(
        "cors: {allow_origins: [*]}",
        [
            "1:25: cors.allow_origins: is not YAML: "
            "a value that starts with * is an alias: put quotes around it: '*'"
        ],
        id="star",
    ),
    pytest.param(
        'upstream: "http://\\."',
        ["1:20: upstream: is not YAML: a backslash in double quotes starts an escape: use single quotes"],
        id="escape",
    ),
    pytest.param(
        "upstream: `x`",
        ["1:11: upstream: is not YAML: a value cannot start with `: put quotes around it"],
        id="backquote",
    ),
    pytest.param(
        "upstream: http://a\ntracing: {rules: [\ncors: {}",
        ["2:18: tracing.rules: is not YAML: what starts here is never closed: close it with ]"],
        id="unclosed-bracket",
    ),
    pytest.param(
        'upstream: "a\n',
        ['1:11: upstream: is not YAML: what starts here is never closed: close it with "'],
        id="unclosed-quote",
    ),
    pytest.param(
        "upstream: 'a",
        ["1:11: upstream: is not YAML: what starts here is never closed: close it with '"],
        id="unclosed-quote-on-the-last-line",
    ),
    pytest.param(
        'upstream: "http://a\naccess_log: "all"\n',
        [
            '2:14: is not YAML: the " before this closes an earlier quote: close that one where '
            'its value ends, or use the other kind of quotes around a value with "'
        ],
        id="quote-closed-by-a-later-one",
    ),
    pytest.param(
        "upstream: 'it's'",
        [
            "1:15: is not YAML: the ' before this closes an earlier quote: close that one where "
            "its value ends, or use the other kind of quotes around a value with '"
        ],
        id="quote-within-quotes",
    ),
    pytest.param(
        "upstream: {a: b}}",
        [
            "1:17: is not YAML: "
            "nothing is open that } could close: leave it out, or put quotes around the value"
        ],
        id="brace-too-many",
    ),
    pytest.param(
        "a: " + "[" * 60, ["1:53: a" + "[0]" * 49 + ": is nested more than 50 levels deep"], id="deep"
    ),
]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "lines"), REFUSED)
def test_refuse(text: str, lines: list[str], errors: Errors) -> None:
    assert errors(text) == lines


def test_an_alias_is_at_its_own_place(errors: Errors) -> None:
    text = UPSTREAM + "workers: &x auto\nlimits: {headers: *x}"
    assert errors(text) == ["3:19: limits.headers: is the text 'auto': write a whole number, such as 100"]


def test_what_is_merged_is_at_the_place_where_it_was_written(errors: Errors) -> None:
    text = UPSTREAM + "limits: &x {headers: many}\nrecords: {<<: *x}"
    assert errors(text) == [
        "2:13: records.headers: is not a key here: write query",
        "2:22: limits.headers: is the text 'many': write a whole number, such as 100",
    ]


def test_a_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    document = compose("\n".join(lines), {}, "c.yaml")
    assert document.root is None
    assert document.problems[-1].message == "aliases make this too large: write out what is needed"


def test_nesting_through_aliases_is_refused() -> None:
    lines = ["a0: &a0 x"] + [f"a{n}: &a{n} [[[[*a{n - 1}]]]]" for n in range(1, 20)]
    assert compose("\n".join(lines), {}, "c.yaml").root is None


BYTES = [
    pytest.param(b"\xef\xbb\xbfupstream: [", "1:12: upstream: is not YAML: the file ends", id="skipped-mark"),
    pytest.param(b"a: \xff", "1:4: is not UTF-8: byte 0xff: save the file as UTF-8", id="not-utf-8"),
    pytest.param(b"a: 1\nb: \xc3", "2:4: is not UTF-8: byte 0xc3: save the file as UTF-8", id="cut-short"),
    pytest.param(b"\xff\xfea\x00", "1:1: is not UTF-8: byte 0xff: save the file as UTF-8", id="utf-16"),
    pytest.param(
        b"a: 1\nb: \x07", "2:4: has the character U+0007, which YAML does not allow: leave it out", id="bell"
    ),
    pytest.param(
        b"a: \x00", "1:4: has the character U+0000, which YAML does not allow: leave it out", id="nul"
    ),
    pytest.param(
        b'a: "\\ud800"', "1:4: a: has half of a surrogate pair: write the character itself", id="surrogate"
    ),
]


@pytest.mark.parametrize(("content", "line"), BYTES)
def test_refuse_bytes(content: bytes, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(content, Path("c.yaml"), {})
    assert str(caught.value).startswith(f"c.yaml:{line}")


def test_a_byte_order_mark_does_not_move_columns(load: Callable[..., LoadedConfig]) -> None:
    assert load("\ufeff" + UPSTREAM).document.locate(("upstream",)) == (("upstream",), Place(1, 11))


def test_a_location_leaves_out_what_the_user_did_not_write() -> None:
    document = compose("listen: 1\nrules:\n  - {match: /a}", {}, "c.yaml")
    assert document.locate(("listen", 0, "address")) == (("listen",), Place(1, 9))
    assert document.locate(("rules", 0, "match", "prefix")) == (("rules", 0, "match"), Place(3, 13))
    assert document.locate(("rules", 0, "match"), key=True)[1] == Place(3, 6)


WORDS = [
    "a",
    "upstream",
    "tracing",
    "rules",
    "listen",
    "match",
    "1",
    "0x",
    "1e9999",
    "${A}",
    "${",
    "$${",
    "\u2028",
]
MARKS = [
    ": ",
    ":",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&x ",
    "*x",
    "<<: ",
    "!t ",
    "!!int ",
    "? ",
    "'",
    '"',
    "---",
    "...",
]
BREAKS = [
    "#",
    "\\",
    "|",
    ">",
    "%YAML ",
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    '"\\U99999999"',
    '"\\ud800"',
    "\U0001f600",
]
FRAGMENTS = st.sampled_from([*WORDS, *MARKS, *BREAKS])


@given(st.one_of(st.lists(FRAGMENTS).map("".join), st.text()))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load_text(text.encode(errors="surrogatepass"), Path("c.yaml"), {"A": "x"})
    except ConfigError as error:
        assert error.problems


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        load_text(content, Path("c.yaml"), {})
    except ConfigError as error:
        assert str(error)
