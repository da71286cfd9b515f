"""Warnings: what each is about, where it points, and that it can be silenced."""

from collections.abc import Callable

import pytest

from proxy.config.lint import lint
from proxy.config.load import LoadedConfig
from proxy.config.process import LintCode

Load = Callable[..., LoadedConfig]
BASE = "upstream: http://127.0.0.1:9000\nspans: {otlp: http://c/v1/traces}\n"


def rules(*matches: str) -> str:
    lines = [f"  - {{name: r{index}, match: {match}}}\n" for index, match in enumerate(matches)]
    return "tracing:\n  rules:\n" + "".join(lines)


def tracing(text: str) -> str:
    return f"tracing: {text}\n"


WARNED = [
    pytest.param(
        "environment: development\ntracing: {sample_rate: 50}",
        "rate-range 4:24 tracing.sample_rate",
        id="development",
    ),
    pytest.param(
        "environment: testing\ntracing: {sample_rate: 81}",
        "rate-range 4:24 tracing.sample_rate",
        id="testing",
    ),
    pytest.param(
        "environment: production\ntracing: {sample_rate: 9.99}",
        "rate-range 4:24 tracing.sample_rate",
        id="production",
    ),
    pytest.param(rules("/"), "matches-all 5:23 tracing.rules[0].match", id="all-prefix"),
    pytest.param(rules("{regex: .*}"), "matches-all 5:23 tracing.rules[0].match", id="all-regex"),
    pytest.param(
        rules("{prefix: /, regex: ^https?://}"), "matches-all 5:23 tracing.rules[0].match", id="all-both"
    ),
    pytest.param(rules("/a/", "/a/"), "shadowed 6:23 tracing.rules[1].match", id="equal"),
    pytest.param(rules("/a/", "/a/b/"), "shadowed 6:23 tracing.rules[1].match", id="longer-prefix"),
    pytest.param(rules("/a/", "http://h/a/b/"), "shadowed 6:23 tracing.rules[1].match", id="path-hides-url"),
    pytest.param(
        rules("http://H:80", "http://h/a/"), "shadowed 6:23 tracing.rules[1].match", id="normalised"
    ),
    pytest.param(
        rules("/a/", "{prefix: /a/, methods: [GET]}"), "shadowed 6:23 tracing.rules[1].match", id="narrower"
    ),
    pytest.param(
        rules("{regex: x.y}", "{regex: x.y, prefix: /a/}"),
        "shadowed 6:23 tracing.rules[1].match",
        id="same-regex",
    ),
    pytest.param(
        rules("{methods: [GET, PUT]}", "{prefix: /a/, methods: [GET]}"),
        "shadowed 6:23 tracing.rules[1].match",
        id="methods",
    ),
    pytest.param(
        rules("{headers: {a: x}}", "{headers: {A: x, b: y}}"),
        "shadowed 6:23 tracing.rules[1].match",
        id="headers",
    ),
    pytest.param(
        rules("{function: 'operator:truth'}", "{function: 'operator:truth', prefix: /a/}"),
        "shadowed 6:23 tracing.rules[1].match",
        id="functions",
    ),
    pytest.param(rules("/api"), "prefix-without-slash 5:23 tracing.rules[0].match", id="no-slash"),
    pytest.param(
        rules("http://h/api"), "prefix-without-slash 5:23 tracing.rules[0].match", id="no-slash-url"
    ),
    pytest.param(
        rules("{prefix: /api}"),
        "prefix-without-slash 5:32 tracing.rules[0].match.prefix",
        id="no-slash-mapping",
    ),
    pytest.param(
        rules("{regex: '^http://a\\.b/c/'}"), "regex-for-prefix 5:31 tracing.rules[0].match.regex", id="regex"
    ),
    pytest.param(
        rules("{regex: 'http://a.b/c/.*'}"),
        "regex-for-prefix 5:31 tracing.rules[0].match.regex",
        id="regex-tail",
    ),
    pytest.param(tracing("{rules: [{match: /a/}]}"), "unnamed-rule 3:19 tracing.rules[0]", id="unnamed"),
    pytest.param(
        tracing("{rules: [{match: /a, trace: false}]}"),
        "unnamed-rule 3:19 tracing.rules[0]",
        id="unnamed-skip",
    ),
    pytest.param(rules("https://h/"), "scheme-unserved 5:23 tracing.rules[0].match", id="https"),
    pytest.param(rules("HTTPS://h/"), "scheme-unserved 5:23 tracing.rules[0].match", id="https-upper"),
    pytest.param(
        rules("{regex: 'https://.*\\.h/'}"),
        "scheme-unserved 5:31 tracing.rules[0].match.regex",
        id="https-regex",
    ),
    pytest.param(
        "listen: {address: a:1, scheme: https}\ntracing: {trust: none, rules: [{name: a, match: http://h/}]}",
        "scheme-unserved 4:49 tracing.rules[0].match",
        id="http",
    ),
    pytest.param(
        "listen: [127.0.0.1:1, 0.0.0.0:1]", "trust-all-exposed 3:23 listen[1]", id="trust-by-default"
    ),
    pytest.param(
        "listen: 0.0.0.0:1\ntracing: {trust: all}", "trust-all-exposed 4:18 tracing.trust", id="trust-written"
    ),
    pytest.param(
        "spans: {}\ntracing: {rules: [{name: a, match: /a/}]}",
        "no-span-recorded 3:18 tracing.rules",
        id="spans",
    ),
    pytest.param(
        "spans: {otlp: null}\ntracing: {rules: [{name: a, match: /a/}]}",
        "no-span-recorded 2:15 spans.otlp",
        id="otlp-null",
    ),
    pytest.param(
        "spans: {}\ntracing: {sample_rate: 0, rules: [{name: a, match: /a/, parent: decide}]}",
        "no-span-recorded 3:34 tracing.rules",
        id="decisions-changed",
    ),
    pytest.param(
        "spans: {}\ntracing: {sample_rate: 0, participate: always, rules: [{name: a, match: /a/}]}",
        "no-span-recorded 3:55 tracing.rules",
        id="always-participating",
    ),
    pytest.param(
        "spans: {}\ntracing: {sample_rate: 0, inject: all, rules: [{name: a, match: /a/}]}",
        "no-span-recorded 3:47 tracing.rules",
        id="unsampled-starts",
    ),
    pytest.param(
        "tracing: {sample_rate: 0, inject: all, rules: [{name: a, match: /a/}, {name: b, match: /b/}]}",
        "no-span-recorded 3:35 tracing.inject",
        id="unsampled-starts-beside-spans",
    ),
    pytest.param(
        "tracing: {rules: [{name: a, match: /a/, sample_rate: 0, inject: all}]}",
        "no-span-recorded 3:65 tracing.rules[0].inject",
        id="unsampled-starts-of-a-rule",
    ),
    *(
        pytest.param(
            tracing(f"{{rules: [{{name: a, match: /a/, trace: false, {key}: {value}}}]}}"),
            f"unused-settings 3:{57 + len(key)} tracing.rules[0].{key}",
            id=f"untraced-{key}",
        )
        for key, value in {
            "sample_rate": "10",
            "inject": "all",
            "parent": "decide",
            "invalid": "strip",
            "untrusted": "strip",
            "propagators": "[b3]",
            "sample_by": "{cookie: sid}",
            "max_traces_per_second": "5",
            "response": "{traceresponse: true}",
        }.items()
    ),
    *(
        pytest.param(f"spans: {{otlp: '{url}'}}", "otlp-without-path 2:15 spans.otlp", id=f"otlp-{url}")
        for url in ("http://c:4318", "http://c:4318/", "https://c?a=b")
    ),
    *(
        pytest.param(
            f"cors: {{mode: {mode}, {key}: {value}}}",
            f"unused-settings 3:{18 + len(mode) + len(key)} cors.{key}",
            id=f"{mode}-{key}",
        )
        for mode, key, value in (
            ("augment", "allow_origins", "[https://a]"),
            ("augment", "allow_methods", "[GET]"),
            ("augment", "allow_headers", "[content-type]"),
            ("off", "expose_headers", "[x-a]"),
            ("augment", "allow_credentials", "true"),
            ("off", "max_age", "1m"),
        )
    ),
    pytest.param(
        "cors: {allow_origins: [https://a]}", "unused-settings 3:23 cors.allow_origins", id="cors-by-default"
    ),
    pytest.param(
        tracing("{untrusted: cap}"), "unused-settings 3:22 tracing.untrusted", id="untrusted-among-trusted"
    ),
    pytest.param(
        tracing("{rules: [{name: a, match: /a/, untrusted: restart}]}"),
        "unused-settings 3:52 tracing.rules[0].untrusted",
        id="untrusted-of-a-rule-among-trusted",
    ),
    pytest.param(tracing("{secret: abc}"), "unused-settings 3:19 tracing.secret", id="secret-among-trusted"),
    pytest.param(
        tracing("{trust: none, secret: abc, untrusted: strip}"),
        "unused-settings 3:32 tracing.secret",
        id="secret-without-cap",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://a, 'unix:/a'], tls: {verify: false}}}\n"
        "routes: [{upstream: a, path_prefix: /a/}]",
        "unused-settings 3:54 upstreams.a.tls",
        id="tls-without-https",
    ),
    pytest.param(
        "upstreams:\n  a:\n    targets: [http://a]",
        "unused-settings 4:3 upstreams.a",
        id="upstream-of-no-route",
    ),
    *(
        pytest.param(
            f"upstreams: {{a: {{targets: [http://a]}}}}\nroutes: [{first}, {second}]",
            f"shadowed 4:{12 + len(first)} routes[1]",
            id=f"route-{name}",
        )
        for name, first, second in (
            ("behind-all", "{upstream: a}", "{path_prefix: /a/, upstream: a}"),
            ("behind-root", "{path_prefix: /, upstream: a}", "{host: a, upstream: a}"),
            ("behind-prefix", "{path_prefix: /a, upstream: a}", "{host: h, path_prefix: /a/, upstream: a}"),
            ("behind-host", "{host: h, upstream: a}", "{host: 'H:81', path_prefix: /a/, upstream: a}"),
            ("twice", "{host: '[::1]:81', upstream: a}", "{host: '[::1]:81', upstream: default}"),
        )
    ),
    pytest.param("admin: {listen: 0.0.0.0:9901}", "admin-exposed 3:17 admin.listen", id="admin"),
]


def warnings(load: Load, text: str) -> list[str]:
    base = BASE.splitlines(keepends=True)[0] if text.startswith("spans") else BASE
    found = lint(load(base + text))
    return [f"{warning.code} {warning.line}:{warning.column} {warning.path}" for warning in found]


@pytest.mark.parametrize(("text", "warning"), WARNED)
def test_warning(text: str, warning: str, load: Load) -> None:
    assert warnings(load, text) == [warning]


@pytest.mark.parametrize(("text", "warning"), WARNED)
def test_a_warning_can_be_silenced(text: str, warning: str, load: Load) -> None:
    code = warning.split()[0]
    assert warnings(load, f"{text.rstrip()}\nlint: {{ignore: [{code}]}}") == []


SILENT = [
    pytest.param("", id="nothing"),
    pytest.param("environment: production", id="rate-of-the-environment"),
    pytest.param("environment: production\ntracing: {sample_rate: 20}", id="rate-in-range"),
    pytest.param("tracing: {sample_rate: 3}", id="no-environment"),
    pytest.param(
        "environment: production\n" + tracing("{rules: [{name: a, match: /a/, sample_rate: 100}]}"),
        id="a-rules-own-rate",
    ),
    pytest.param(tracing("{rules: [{name: a, match: /, trace: false}]}"), id="all-skipped"),
    pytest.param(rules("{prefix: /, methods: [GET]}"), id="all-but-by-method"),
    pytest.param(rules("/a/b/", "/a/"), id="longer-first"),
    pytest.param(rules("http://h/a/", "/a/"), id="url-first"),
    pytest.param(rules("http://h/", "http://h.evil.test/"), id="another-authority"),
    pytest.param(rules("{prefix: /a/, methods: [GET]}", "/a/"), id="narrower-first"),
    pytest.param(rules("{methods: [GET]}", "{methods: [GET, PUT]}"), id="fewer-methods-first"),
    pytest.param(rules("{headers: {a: x}}", "{headers: {a: X}}"), id="header-values-with-their-case"),
    pytest.param(rules("{regex: x.y}", "/a/"), id="regex-first"),
    pytest.param(rules("/", "/a/") + "lint: {ignore: [matches-all, shadowed]}", id="several-ignored"),
    pytest.param(tracing("{rules: [{name: a, match: /healthz, trace: false}]}"), id="skipped-without-slash"),
    pytest.param(rules("/index.html", "/a?b=", "http://h"), id="file-query-and-authority"),
    pytest.param(
        rules("{regex: 'http://.*\\.h/'}", "{regex: '/a[0-9]/'}", "{regex: /b/}"), id="true-regexes"
    ),
    pytest.param(rules("{regex: '^http://h/a', prefix: /a/}"), id="regex-beside-a-prefix"),
    pytest.param("listen: {address: 127.0.0.1:1, scheme: https}\n" + rules("https://h/"), id="https-served"),
    pytest.param("forwarded: {trusted_proxies: [10.0.0.0/8]}\n" + rules("https://h/"), id="https-by-proxy"),
    pytest.param(rules("{regex: '^https?://a[.]h/'}"), id="either-scheme"),
    pytest.param("listen: 0.0.0.0:1\ntracing: {trust: none}", id="trust-none"),
    pytest.param("listen: 127.8.8.8:1", id="loopback"),
    pytest.param(
        "spans: {}\ntracing: {sample_rate: 0, rules: [{name: a, match: /a/}]}", id="nothing-sampled"
    ),
    pytest.param("spans: {}\ntracing: {rules: [{name: a, match: /a/, trace: false}]}", id="nothing-traced"),
    pytest.param(
        "tracing: {sample_rate: 5, inject: all, rules: [{name: a, match: /a/}]}", id="some-starts-are-sampled"
    ),
    pytest.param(
        "tracing: {sample_rate: 0, inject: all, rules: [{name: a, match: /a/, inject: sampled}]}",
        id="no-start-is-sent",
    ),
    pytest.param(
        "tracing: {sample_rate: 0, inject: all, rules: [{name: a, match: /a/, trace: false}]}",
        id="nothing-traced-beside-spans",
    ),
    pytest.param(
        tracing("{rules: [{name: a, match: /a/, trace: true, sample_rate: 10}]}"),
        id="settings-of-a-traced-rule",
    ),
    pytest.param("admin: {listen: 0.0.0.0:9901, token: x}", id="admin-with-token"),
    pytest.param("spans: {otlp: 'http://c/a'}", id="otlp-at-another-path"),
    pytest.param(
        "cors: {mode: answer, allow_origins: [https://a], max_age: 1m, allow_methods: [GET], "
        "allow_headers: [a], expose_headers: [b], allow_credentials: true}",
        id="cors-answered",
    ),
    pytest.param(
        "cors: {allow_origins: [], allow_credentials: false, max_age: 600s}\n"
        "tracing: {untrusted: restart, secret: null}",
        id="defaults-written-out",
    ),
    pytest.param(tracing("{trust: none, secret: abc, untrusted: cap}"), id="secret-for-cap"),
    pytest.param(
        tracing(
            "{trust: {clients: [10.0.0.0/8]}, secret: abc, rules: [{name: a, match: /a/, untrusted: cap}]}"
        ),
        id="secret-for-cap-of-a-rule",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://a, https://a], tls: {verify: false}}, "
        "b: {targets: [http://a], tls: {verify: true}}}\n"
        "routes: [{upstream: a, path_prefix: /a/}, {upstream: b}]",
        id="tls-for-one-target",
    ),
    pytest.param("upstreams: {a: {targets: [http://a]}}\nadmin: {ready: [a]}", id="upstream-for-readiness"),
    pytest.param(
        "upstreams: {a: {targets: [http://a]}}\n"
        "routes: [{host: 'h:81', upstream: a}, {host: h, path_prefix: /a/, upstream: a}, "
        "{host: h, upstream: a}, {path_prefix: /a/b, upstream: a}, "
        "{path_prefix: /a, upstream: a}, {upstream: a}]",
        id="narrower-routes-first",
    ),
    pytest.param("admin: {listen: null}", id="no-admin"),
]


@pytest.mark.parametrize("text", SILENT)
def test_no_warning(text: str, load: Load) -> None:
    assert warnings(load, text) == []


def test_a_config_without_an_upstream(load: Load) -> None:
    (warning,) = lint(load("workers: 1"))
    assert (warning.code, warning.line, warning.column) == (LintCode.NO_UPSTREAM, 1, 1)


def test_a_warning_reads_like_an_error_with_its_code(load: Load) -> None:
    (warning,) = lint(load(BASE + "admin: {listen: 0.0.0.0:9901}"))
    assert str(warning).endswith(
        "config.yaml:3:17: admin.listen: is open to others, so without a token "
        "only metrics and health are served: write token [admin-exposed]"
    )


def test_what_to_add_for_an_unserved_scheme(load: Load) -> None:
    (warning,) = lint(load(BASE + rules("https://h/")))
    assert "write listen: {address: 127.0.0.1:8080, scheme: https}" in warning.message


def test_warnings_are_sorted_by_place(load: Load) -> None:
    text = BASE + "admin: {listen: 0.0.0.0:1}\n" + rules("/", "/a") + "listen: 0.0.0.0:2\n"
    found = lint(load(text))
    assert [warning.line for warning in found] == sorted(warning.line for warning in found)
    assert len(found) == 5


def test_thousands_of_rules_are_no_matter(load: Load) -> None:
    text = BASE + rules(*(f"http://h{index}.example.com/a/" for index in range(2000)))
    assert lint(load(text)) == []
