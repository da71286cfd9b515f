"""The commands that end by themselves: what they print, where, and with which status."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml

from proxy import COMPILED, __version__
from proxy.cli import main
from proxy.policy.outcome import Context, Decision, Reason
from proxy.tracecontext.fault import Fault

CONFIG = """\
listen: 127.0.0.1:8080
upstream: http://127.0.0.1:9000
forwarded: {trusted_proxies: [10.0.0.1]}
tracing:
  trust: {clients: [127.0.0.1, 10.0.0.1]}
  untrusted: restart
  trace_url: https://jaeger.example.com/trace/{trace_id}
  response: {trace_id_header: x-trace-id}
  rules:
    - {name: all, match: /all/, sample_rate: 100}
    - {name: never, match: /never/, sample_rate: 0}
    - {name: capped, match: /capped/, sample_rate: 0, parent: cap}
    - {name: redecided, match: /redecided/, sample_rate: 0, parent: decide}
    - {name: strip, match: /strip/, invalid: strip}
    - {name: reject, match: /reject/, invalid: reject}
    - {name: forward, match: /forward/, invalid: forward}
    - {name: skips, match: /skips/, trace: false}
    - {name: secure, match: https://api.example.com/}
    - {name: posts, match: {prefix: https://posts.example.com/, methods: [POST]}}
lint: {ignore: [no-span-recorded, scheme-unserved]}
"""

KEYS = {
    *("url", "matched", "rule", "decision", "reason", "context", "fault", "trace_id", "trace_url"),
    *("upstream_headers", "response_headers"),
}

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"traceparent: 00-{TRACE_ID}-00f067aa0ba902b7-01"
FLAGLESS = PARENT[:-2] + "00"


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def traceward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in a folder with a config, of the text given."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, config: str = CONFIG) -> Ended:
        (tmp_path / "traceward.yaml").write_text(config)
        try:
            status = main(arguments)
        except SystemExit as ended:
            assert isinstance(ended.code, int)
            status = ended.code
        out, err = capsys.readouterr()
        return Ended(status, out, err)

    return run


@pytest.fixture
def explain(traceward: Command) -> Callable[..., Any]:
    """Explain a request as JSON."""

    def explain(url: str, *headers: str, arguments: Sequence[str] = (), config: str = CONFIG) -> Any:
        given = [part for header in headers for part in ("-H", header)]
        ended = traceward("explain", "-c", "traceward.yaml", url, *given, *arguments, "--json", config=config)
        assert (ended.status, ended.err) == (0, "")
        return json.loads(ended.out)

    return explain


# check


def test_check_says_that_a_config_is_valid(traceward: Command) -> None:
    assert traceward("check", "-c", "traceward.yaml") == (0, "traceward.yaml: valid, 10 rules\n", "")


def test_check_tells_every_error_on_stderr(traceward: Command) -> None:
    config = CONFIG.replace("listen:", "listn:").replace("sample_rate: 100}", "sample_rate: 101}", 1)
    status, out, err = traceward("check", "-c", "traceward.yaml", config=config)
    assert (status, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("traceward.yaml:1:1: listn: ")
    assert "listen" in first
    assert second.startswith("traceward.yaml:10:46: tracing.rules[0].sample_rate: ")


WARNED = CONFIG.replace("no-span-recorded, ", "")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [pytest.param((), 0, id="plain"), pytest.param(("--strict",), 3, id="strict")],
)
def test_check_warns_on_stderr(traceward: Command, arguments: Sequence[str], status: int) -> None:
    ended = traceward("check", "-c", "traceward.yaml", *arguments, config=WARNED)
    assert ended.status == status
    assert ended.out == "traceward.yaml: valid, 10 rules, 1 warning\n"
    assert ended.err.startswith("traceward.yaml:10:5: tracing.rules: ")
    assert ended.err.endswith("[no-span-recorded]\n")


def test_check_with_strict_and_no_warning_is_a_success(traceward: Command) -> None:
    assert traceward("check", "-c", "traceward.yaml", "--strict").status == 0


def test_check_with_strict_tells_errors_first(traceward: Command) -> None:
    assert traceward("check", "-c", "traceward.yaml", "--strict", config="listn: 1").status == 2


@pytest.mark.parametrize("command", ["check", "run", "explain"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("absent.yaml", "No such file or directory", id="absent"),
        pytest.param(".", "Is a directory", id="folder"),
    ],
)
def test_a_config_that_cannot_be_read_is_an_error(
    traceward: Command, command: str, name: str, reason: str
) -> None:
    arguments = ["http://h/"] if command == "explain" else []
    ended = traceward(command, "-c", name, *arguments)
    assert ended == (2, "", f"{name}:1:1: cannot be read: {reason}: name a YAML file\n")


@pytest.mark.parametrize("command", ["check", "run", "explain"])
def test_a_bad_config_is_told_by_every_command(traceward: Command, command: str) -> None:
    arguments = ["http://h/"] if command == "explain" else []
    ended = traceward(command, "-c", "traceward.yaml", *arguments, config="listen: 1\nupstream: 2\n")
    assert (ended.status, ended.out) == (2, "")
    assert [line.split(" ")[0] for line in ended.err.splitlines()] == [
        "traceward.yaml:1:9:",
        "traceward.yaml:2:11:",
    ]


# explain


DECIDED = [
    pytest.param("/all/", (), "sampled", "rate", "started", None, id="sampled-by-rate"),
    pytest.param("/never/", (), "not_sampled", "rate", "none", None, id="not-sampled-by-rate"),
    pytest.param("/never/", (PARENT,), "sampled", "parent", "forwarded", None, id="followed"),
    pytest.param("/all/", (FLAGLESS,), "not_sampled", "parent", "forwarded", None, id="followed-not-sampled"),
    pytest.param("/capped/", (PARENT,), "not_sampled", "cap", "continued", None, id="capped"),
    pytest.param("/redecided/", (PARENT,), "not_sampled", "rate", "continued", None, id="redecided"),
    pytest.param("/nowhere", (), "untraced", "no_rule", "none", None, id="no-rule"),
    pytest.param("/nowhere", (PARENT,), "untraced", "no_rule", "forwarded", None, id="no-rule-with-context"),
    pytest.param("/skips/", (), "untraced", "rule_skips", "none", None, id="skipped"),
    pytest.param("/all/", ("traceparent: x",), "sampled", "rate", "restarted", "syntax", id="restarted"),
    pytest.param(
        "/strip/", ("traceparent: x",), "untraced", "invalid_context", "stripped", "syntax", id="stripped"
    ),
    pytest.param(
        "/forward/", ("traceparent: x",), "untraced", "invalid_context", "forwarded", "syntax", id="forwarded"
    ),
    pytest.param(
        "/reject/", ("traceparent: x",), "rejected", "invalid_context", "rejected", "syntax", id="rejected"
    ),
    pytest.param(
        "/all/", (PARENT.replace("00-", "ff-", 1),), "sampled", "rate", "restarted", "version", id="version"
    ),
    pytest.param(
        "/all/", (PARENT + "-x",), "sampled", "rate", "restarted", "trailing_data", id="trailing-data"
    ),
    pytest.param(
        "/all/",
        (PARENT.replace(TRACE_ID, "0" * 32),),
        "sampled",
        "rate",
        "restarted",
        "zero_trace_id",
        id="zero-trace-id",
    ),
    pytest.param(
        "/all/",
        (PARENT.replace("00f067aa0ba902b7", "0" * 16),),
        "sampled",
        "rate",
        "restarted",
        "zero_parent_id",
        id="zero-parent-id",
    ),
    pytest.param("/all/", (PARENT, PARENT), "sampled", "rate", "restarted", "duplicate", id="duplicate"),
    pytest.param(
        "/all/",
        (PARENT, "tracestate: A=1"),
        "sampled",
        "parent",
        "forwarded",
        "tracestate_syntax",
        id="tracestate-syntax",
    ),
    pytest.param(
        "/all/",
        (PARENT, "tracestate: " + ",".join(f"a{n}=1" for n in range(33))),
        "sampled",
        "parent",
        "forwarded",
        "tracestate_too_many",
        id="tracestate-too-many",
    ),
]


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        pytest.param("", "shop.example.com", id="preserve"),
        pytest.param(", host: target", "10.0.0.1:9000", id="target"),
        pytest.param(", host: API.internal:81", "API.internal:81", id="name"),
    ],
)
def test_explain_shows_the_host_that_the_upstream_gets(
    explain: Callable[..., Any], settings: str, host: str
) -> None:
    targets = "['http://10.0.0.1:9000', 'http://10.0.0.2:9000']"
    config = f"upstreams: {{default: {{targets: {targets}{settings}}}}}\n"
    sent = explain("http://shop.example.com/", config=config)["upstream_headers"]
    assert [value for name, value in sent if name.lower() == "host"] == [host]


@pytest.mark.parametrize(("path", "headers", "decision", "reason", "context", "fault"), DECIDED)
def test_explain_tells_each_outcome(
    explain: Callable[..., Any],
    path: str,
    headers: Sequence[str],
    decision: str,
    reason: str,
    context: str,
    fault: str | None,
) -> None:
    answer = explain(f"http://shop.example.com{path}", *headers)
    assert set(answer) >= KEYS
    outcome = (answer["decision"], answer["reason"], answer["context"], answer["fault"])
    assert outcome == (decision, reason, context, fault)
    assert answer["matched"] is (reason != "no_rule")
    if answer["trace_id"] is None:
        assert answer["trace_url"] is None
    elif answer["matched"] and reason != "rule_skips":
        assert answer["trace_url"] == f"https://jaeger.example.com/trace/{answer['trace_id']}"


def test_explain_tells_an_untrusted_client(explain: Callable[..., Any]) -> None:
    answer = explain("http://h/all/", PARENT, arguments=["--client", "192.0.2.1"])
    assert (answer["context"], answer["fault"]) == ("restarted", "untrusted")
    assert answer["trace_id"] != TRACE_ID


def test_explain_tells_a_preflight(explain: Callable[..., Any]) -> None:
    asked = ("Origin: http://a.example", "Access-Control-Request-Method: GET")
    answer = explain("http://h/all/", *asked, arguments=["-X", "OPTIONS"])
    assert (answer["decision"], answer["reason"], answer["rule"]) == ("not_sampled", "preflight", "all")


def test_the_table_of_outcomes_has_every_word() -> None:
    told = {word for row in DECIDED for word in row.values[2:] if isinstance(word, str)}
    apart = {"preflight", "untrusted", "rate_limit"}
    assert told | apart == {*Decision, *Reason, *Context, *Fault}


def test_explain_shows_the_headers_of_both_sides(explain: Callable[..., Any]) -> None:
    answer = explain("http://h/all/", "X-Mine: 1", "x-mine: 2")
    traceparent = f"00-{answer['trace_id']}-"
    assert answer["upstream_headers"][:3] == [["Host", "h"], ["X-Mine", "1"], ["x-mine", "2"]]
    assert any(
        name == "traceparent" and value.startswith(traceparent) for name, value in answer["upstream_headers"]
    )
    assert answer["response_headers"] == [["x-trace-id", answer["trace_id"]]]


def test_explain_answers_a_rejected_context_with_400(explain: Callable[..., Any]) -> None:
    answer = explain("http://h/reject/", "traceparent: x")
    assert (answer["status"], answer["upstream_headers"]) == (400, [])
    assert ["Content-Type", "application/json"] in answer["response_headers"]


PREFLIGHT = ("Origin: http://a.example", "Access-Control-Request-Method: POST")
OTHER = [
    pytest.param("http://api.example.com/x", (), [], "secure", id="http-for-https"),
    pytest.param("http://api.example.com:443/x", (), [], "secure", id="with-the-other-scheme's-port"),
    pytest.param("http://API.example.com/x", (), [], "secure", id="upper-case"),
    pytest.param("http://api.example.com.evil.test/x", (), [], None, id="other-host"),
    pytest.param("http://posts.example.com/", (), [], None, id="other-method"),
    pytest.param("http://posts.example.com/", PREFLIGHT, ["-X", "OPTIONS"], "posts", id="preflight"),
    pytest.param("https://posts.example.com/", (), [], None, id="neither"),
]


@pytest.mark.parametrize(("url", "headers", "arguments", "rule"), OTHER)
def test_explain_names_the_rule_of_the_other_scheme(
    explain: Callable[..., Any], url: str, headers: Sequence[str], arguments: Sequence[str], rule: str | None
) -> None:
    answer = explain(url, *headers, arguments=arguments)
    assert answer["matched"] is False
    assert answer["other_scheme_rule"] == rule


def test_explain_says_the_rule_of_the_other_scheme_in_its_text(traceward: Command) -> None:
    ended = traceward("explain", "-c", "traceward.yaml", "http://api.example.com/x")
    assert "rule      none; secure would match with https://" in ended.out.splitlines()


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        pytest.param("HTTP://Shop.Example.COM:80/A%2fb", "http://shop.example.com/A%2fb", id="case-and-port"),
        pytest.param("https://h:443", "https://h/", id="no-path"),
        pytest.param("http://h?", "http://h/?", id="empty-query-without-path"),
        pytest.param("http://h/?a=//b/../c#d?e", "http://h/?a=//b/../c", id="fragment"),
        pytest.param("http://h/a/../b//c", "http://h/a/../b//c", id="dots"),
        pytest.param("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/", id="ipv6"),
        pytest.param('http://h/{a}|"<b>^`', 'http://h/{a}|"<b>^`', id="what-browsers-leave"),
    ],
)
def test_explain_sees_a_url_as_rules_do(explain: Callable[..., Any], url: str, seen: str) -> None:
    assert explain(url)["url"] == seen


def test_explain_takes_the_scheme_that_a_trusted_proxy_tells(explain: Callable[..., Any]) -> None:
    answer = explain(
        "http://api.example.com/", "X-Forwarded-Proto: https", arguments=["--client", "10.0.0.1"]
    )
    assert (answer["url"], answer["rule"]) == ("https://api.example.com/", "secure")


BAD_QUESTIONS = [
    pytest.param(["api.example.com/x"], "write https://api.example.com/x", id="no-scheme"),
    pytest.param(["/x"], "write https://api.example.com/x", id="path"),
    pytest.param(["ftp://h/"], "is not a whole http URL", id="ftp"),
    pytest.param(["http:///x"], "is not a whole http URL", id="no-host"),
    pytest.param(["http://"], "is not a whole http URL", id="nothing"),
    pytest.param([""], "is not a whole http URL", id="empty"),
    pytest.param(["http://u:p@h/"], "has user information", id="user"),
    pytest.param(["http://h:99999/"], "has no valid host and port", id="port"),
    pytest.param(["http://[::1/"], "has no valid host and port", id="bracket"),
    pytest.param(["http://h/ü"], "percent-encode them", id="not-ascii"),
    pytest.param(["http://h/a b"], "percent-encode them", id="white-space"),
    pytest.param(["http://h/", "-X", "get"], "get is no method that the proxy knows", id="method-case"),
    pytest.param(["http://h/", "-X", "FROB"], "FROB is no method that the proxy knows", id="method"),
    pytest.param(["http://h/", "-X", "TRACE"], "TRACE is answered with 501", id="trace"),
    pytest.param(["http://h/", "-H", "x"], "-H 'x' is not a header: write 'name: value'", id="no-colon"),
    pytest.param(["http://h/", "-H", ": x"], "-H ': x' is not a header", id="no-name"),
    pytest.param(["http://h/", "-H", "a b: x"], "not valid HTTP/1.1", id="name"),
    pytest.param(["http://h/", "-H", "a: b\r\nc: d"], "a header has a line break in it", id="line-break"),
    pytest.param(["http://h/", "-H", "host: a", "-H", "Host: b"], "more than one Host", id="two-hosts"),
    pytest.param(
        ["http://h/", "-H", "content-length: 1", "-H", "transfer-encoding: chunked"], "", id="two-framings"
    ),
    pytest.param(["http://h/", "--client", "h"], "'h' is not a client: write its IP address", id="client"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_QUESTIONS)
def test_explain_says_what_is_wrong_with_a_question(
    traceward: Command, arguments: Sequence[str], words: str
) -> None:
    status, out, err = traceward("explain", "-c", "traceward.yaml", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("traceward: ")
    assert words in err
    assert len(err.splitlines()) == 1


def test_explain_says_that_a_matcher_raised(traceward: Command, tmp_path: Path) -> None:
    (tmp_path / "matchers.py").write_text("def broken(url):\n    raise KeyError(url)\n")
    config = CONFIG.replace("rules:\n", "rules:\n    - {name: odd, match: {function: 'matchers:broken'}}\n")
    status, out, err = traceward("explain", "-c", "traceward.yaml", "http://h/all/", config=config)
    assert status == 0
    assert "rule      all" in out
    assert err == "the function of rule odd raised KeyError: 'http://h/all/'; it counts as no match\n"


# schema, help


def test_schema_is_a_json_schema_of_configs(traceward: Command) -> None:
    status, out, err = traceward("schema")
    assert (status, err) == (0, "")
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(yaml.safe_load(CONFIG))
    assert not validator.is_valid({"listn": "127.0.0.1:8080"})


@pytest.mark.parametrize("command", ["run", "check", "explain", "schema", "demo"])
def test_help_describes_each_command(traceward: Command, command: str) -> None:
    assert f"\n    {command} " in traceward("--help").out
    ended = traceward(command, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: traceward {command} [-h]")


def test_the_version_is_told(traceward: Command) -> None:
    compiled = " (compiled)" if COMPILED else ""
    assert traceward("--version") == (0, f"traceward {__version__}{compiled}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["serve"], id="unknown-command"),
        pytest.param(["run"], id="no-config"),
        pytest.param(["demo", "--port", "70000"], id="port-too-large"),
        pytest.param(["demo", "--port", "x"], id="port-no-number"),
    ],
)
def test_a_wrong_command_line_is_told_with_its_usage(traceward: Command, arguments: Sequence[str]) -> None:
    status, out, err = traceward(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: traceward")


# stdout as a process has it


def _traceward(*arguments: str, stdout: int, environ: dict[str, str] | None = None) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environ or {})},
        timeout=30,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_a_reader_that_leaves_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert _traceward("schema", stdout=writer) == (0, "")
    finally:
        os.close(writer)


def test_the_status_is_told_though_nobody_reads_the_errors() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "proxy", "check", "-c", "absent.yaml"],
            stderr=writer,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writer)
    assert ended.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_a_failure() -> None:
    with Path("/dev/full").open("wb") as full:
        status, err = _traceward("schema", stdout=full.fileno())
    assert (status, err) == (1, "traceward: the output cannot be written: No space left on device\n")


def test_what_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    out = subprocess.run(
        [sys.executable, "-m", "proxy", "explain", "-c", tmp_path / "c.yaml", "http://h/", "-H", "a: ü"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=30,
        check=True,
    ).stdout
    assert "a: \\xfc" in out


# What is loaded


LOADS_NOT = [
    pytest.param(["--version"], ["yaml", "pydantic", "re2", "asyncio", "aiohttp"], id="version"),
    pytest.param(["check", "-c", "traceward.yaml"], ["asyncio", "uvloop", "aiohttp"], id="check"),
    pytest.param(
        ["explain", "-c", "traceward.yaml", "http://h/"], ["asyncio", "uvloop", "aiohttp"], id="explain"
    ),
]


@pytest.mark.parametrize(("arguments", "without"), LOADS_NOT)
def test_a_command_loads_only_what_it_needs(
    arguments: Sequence[str], without: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "traceward.yaml").write_text(CONFIG)
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "proxy", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "proxy.cli" in loaded
    assert loaded.isdisjoint(without)
