"""Every error of the schema: one config, and the exact lines that it gets."""

from collections.abc import Callable

import pytest

LISTEN = [
    pytest.param(
        "listen: 8080",
        [
            (
                "1:9: listen: is a port without a host: write 127.0.0.1:8080, or 0.0.0.0:8080 "
                "for every interface"
            )
        ],
        id="port-alone",
    ),
    pytest.param(
        "listen: :8080",
        ["1:9: listen: has no host: write 127.0.0.1:8080, or 0.0.0.0:8080 for every interface"],
        id="no-host",
    ),
    pytest.param(
        "listen: '*:8080'", ["1:9: listen: is '*:8080': write 0.0.0.0:8080 for every interface"], id="star"
    ),
    pytest.param(
        "listen: 127.0.0.1", ["1:9: listen: '127.0.0.1' has no port: write 127.0.0.1:8080"], id="no-port"
    ),
    pytest.param(
        "listen: 127.0.0.1:99999",
        ["1:9: listen: has the port 99999: write a number from 1 to 65535"],
        id="port-too-large",
    ),
    pytest.param(
        "listen: http://127.0.0.1:80",
        ["1:9: listen: is 'http://127.0.0.1:80': write it without http://, 127.0.0.1:80"],
        id="scheme",
    ),
    pytest.param(
        "listen: '::1:8080'",
        [("1:9: listen: '::1:8080' is not a host and port: write an IPv6 address in brackets, '[::1]:8080'")],
        id="bare-ipv6",
    ),
    pytest.param(
        "listen: unix:run.sock",
        ["1:9: listen: is 'unix:run.sock': write an absolute path, unix:/run/traceward.sock"],
        id="relative-socket",
    ),
    pytest.param(
        "listen: {adress: 127.0.0.1:80}",
        [
            "1:9: listen.address: is missing: write address: 127.0.0.1:8080",
            "1:10: listen.adress: is not a key here: write address",
        ],
        id="unknown-key",
    ),
    pytest.param(
        "listen: []",
        ["1:9: listen: is an empty list: write at least one, such as [127.0.0.1:8080]"],
        id="empty",
    ),
    pytest.param("listen: null", ["1:9: listen: 'null' has no port: write null:8080"], id="null"),
    pytest.param(
        "listen: [[a]]",
        ["1:10: listen[0]: is a list: write 127.0.0.1:8080 or {address: 0.0.0.0:8080, scheme: https}"],
        id="nested-list",
    ),
    pytest.param(
        "listen: [127.0.0.1:80, {address: 127.0.0.1:80, scheme: https}]",
        ["1:24: listen[1]: is 127.0.0.1:80, which is listened on already: keep one"],
        id="twice",
    ),
    pytest.param(
        "listen: 127.0.0.1:9901",
        [
            "1:9: listen: is 127.0.0.1:9901, where the admin server listens: write another port, "
            "or admin.listen"
        ],
        id="admins-own",
    ),
    pytest.param(
        "listen: {address: 127.0.0.1:80, scheme: tls}",
        ["1:41: listen.scheme: is the text 'tls': write http or https"],
        id="scheme-word",
    ),
    pytest.param(
        "listen: {address: 127.0.0.1:80, tls: {cert: nope.pem, key: sub/nope.key, client_ca: ca.pem}}",
        [
            (
                "1:45: listen.tls.cert: there is no file FOLDER/nope.pem: relative names start "
                "at the config's folder"
            ),
            (
                "1:60: listen.tls.key: there is no file FOLDER/sub/nope.key: relative names "
                "start at the config's folder"
            ),
            (
                "1:85: listen.tls.client_ca: there is no file FOLDER/ca.pem: relative names "
                "start at the config's folder"
            ),
        ],
        id="files-missing",
    ),
    pytest.param(
        "listen: {address: 127.0.0.1:80, tls: {cert: 0123}}",
        [
            "1:38: listen.tls.key: is missing: write key: k.pem",
            (
                "1:45: listen.tls.cert: there is no file FOLDER/0123: relative names start at "
                "the config's folder"
            ),
        ],
        id="text-as-written",
    ),
    pytest.param(
        "listen: {address: 127.0.0.1:80, scheme: http, tls: {cert: a.pem, key: b.pem}}",
        [
            "1:41: listen.scheme: is http on a listener with tls: leave it out, or write https",
            (
                "1:59: listen.tls.cert: there is no file FOLDER/a.pem: relative names start at "
                "the config's folder"
            ),
            (
                "1:71: listen.tls.key: there is no file FOLDER/b.pem: relative names start at "
                "the config's folder"
            ),
        ],
        id="http-with-tls",
    ),
    pytest.param(
        "listen: {address: 127.0.0.1:80, tls: {cert: a.pem, key: b.pem, client_auth: require}}",
        [
            (
                "1:45: listen.tls.cert: there is no file FOLDER/a.pem: relative names start at "
                "the config's folder"
            ),
            (
                "1:57: listen.tls.key: there is no file FOLDER/b.pem: relative names start at "
                "the config's folder"
            ),
            "1:77: listen.tls.client_auth: needs client_ca: write client_ca: ca.pem beside it",
        ],
        id="client-auth-alone",
    ),
    pytest.param(
        (
            "listen: {address: 127.0.0.1:80, tls: {cert: a.pem, key: b.pem, client_ca: "
            "c.pem, client_auth: demand}}"
        ),
        [
            (
                "1:45: listen.tls.cert: there is no file FOLDER/a.pem: relative names start at "
                "the config's folder"
            ),
            (
                "1:57: listen.tls.key: there is no file FOLDER/b.pem: relative names start at "
                "the config's folder"
            ),
            (
                "1:75: listen.tls.client_ca: there is no file FOLDER/c.pem: relative names start "
                "at the config's folder"
            ),
            "1:95: listen.tls.client_auth: is the text 'demand': write require or request",
        ],
        id="client-auth-word",
    ),
    pytest.param(
        "admin: {listen: 127.0.0.1:8080}",
        ["1:17: admin.listen: is 127.0.0.1:8080, which clients get: write another port"],
        id="admin-on-the-same",
    ),
]

UPSTREAMS = [
    pytest.param(
        "upstream: http://a:9000/path",
        [
            (
                "1:11: upstream: has a path, which a target does not take: write http://a:9000, "
                "for requests keep their own"
            )
        ],
        id="path",
    ),
    pytest.param(
        "upstream: a:9000",
        ["1:11: upstream: is 'a:9000': write http://host:port, https://host:port or unix:/path"],
        id="no-scheme",
    ),
    pytest.param(
        "upstream: ftp://a",
        ["1:11: upstream: is 'ftp://a': write http://host:port, https://host:port or unix:/path"],
        id="other-scheme",
    ),
    *(
        pytest.param(f"upstream: {written}", [f"1:11: upstream: is '{written}': write {instead}"], id=written)
        for written, instead in (
            ("http://::1:9000", "an IPv6 address in brackets, 'http://[::1]:9000'"),
            ("https://2001:db8::1234", "an IPv6 address in brackets, 'https://[2001:db8::1234]'"),
            ("HTTP://X:80", "the scheme in lower case, http://X:80"),
            ("Https://x", "the scheme in lower case, https://x"),
        )
    ),
    *(
        pytest.param(
            f"upstream: http://a\n{key}: {value}",
            [
                f"2:1: {key}: is not a key here: write upstreams: {{default: "
                f"{{targets: [http://a], {key}: {value}}}}} in place of upstream"
            ],
            id=f"{key}-at-the-top",
        )
        for key, value in {
            "timeouts": "{response: 5s}",
            "health_check": "{path: /healthz}",
            "pool": "{max_idle: 5}",
            "eject": "null",
            "retries": "2",
            "balance": "least_requests",
        }.items()
    ),
    pytest.param(
        "targets: [http://a, 'unix:/b']",
        [
            "1:1: targets: is not a key here: write upstreams: {default: {targets: [http://a, 'unix:/b']}}",
        ],
        id="targets-at-the-top",
    ),
    pytest.param(
        "tls: {ca: a.pem}",
        [
            "1:1: tls: is not a key here: write upstreams: {default: {targets: [http://127.0.0.1:9000], tls: "
            "{ca: a.pem}}}, or listen: {address: 0.0.0.0:8443, tls: {ca: a.pem}} for clients"
        ],
        id="tls-at-the-top",
    ),
    pytest.param(
        "upstream: http://u:p@a\nretries: 2",
        [
            "1:11: upstream: has user information, which is never sent: leave it out",
            "2:1: retries: is not a key here: write upstreams: {default: {targets: [http://127.0.0.1:9000], "
            "retries: 2}} in place of upstream",
        ],
        id="no-password-in-an-advice",
    ),
    pytest.param(
        "upstream: http://u:p@a:9000",
        ["1:11: upstream: has user information, which is never sent: leave it out"],
        id="user",
    ),
    pytest.param(
        "upstream: http://",
        ["1:11: upstream: '' is not a host and port: write one such as 127.0.0.1:8080"],
        id="no-name",
    ),
    pytest.param(
        "upstream: http://a:0",
        ["1:11: upstream: has the port 0: write a number from 1 to 65535"],
        id="port-zero",
    ),
    pytest.param(
        "upstream: http://a:70000",
        ["1:11: upstream: has the port 70000: write a number from 1 to 65535"],
        id="port",
    ),
    pytest.param(
        "upstream: null",
        ["1:11: upstream: is 'null': write http://host:port, https://host:port or unix:/path"],
        id="null",
    ),
    pytest.param(
        "upstream: [http://a, http://b]",
        ["1:11: upstream: is a list: write a URL, such as http://127.0.0.1:9000"],
        id="list",
    ),
    pytest.param(
        "upstream: {targets: [http://a]}",
        ["1:11: upstream: is a mapping: write a URL, such as http://127.0.0.1:9000"],
        id="mapping",
    ),
    pytest.param(
        "upstream: http://a\nupstreams: {default: {targets: [http://b]}}",
        ["1:11: upstream: is short for upstreams.default, which is there too: keep one"],
        id="also-default",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], balanse: x}}",
        ["1:38: upstreams.a.balanse: is not a key here: write balance"],
        id="unknown-key",
    ),
    pytest.param(
        "upstreams: {a: {}}",
        ["1:16: upstreams.a.targets: is missing: write targets: [http://127.0.0.1:9000]"],
        id="targets-missing",
    ),
    pytest.param(
        "upstreams: {a: {targets: []}}",
        [
            (
                "1:26: upstreams.a.targets: is an empty list: write at least one, such as "
                "[http://127.0.0.1:9000]"
            )
        ],
        id="targets-empty",
    ),
    pytest.param(
        "upstreams: {a: {targets: http://b}}",
        [
            (
                "1:26: upstreams.a.targets: is the text 'http://b': write a list, such as "
                "[http://127.0.0.1:9000]"
            )
        ],
        id="targets-text",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b, http://b:80/]}}",
        ["1:37: upstreams.a.targets[1]: is in the list twice: keep one"],
        id="target-twice",
    ),
    pytest.param(
        "upstreams: {a b: {targets: [http://b]}}",
        ["1:13: upstreams[\"a b\"]: is 'a b': write 1 to 64 letters, digits, or any of _ . -"],
        id="name",
    ),
    pytest.param(
        "upstreams: {none: {targets: [http://b]}}",
        ["1:13: upstreams.none: is none, the word for no rule: write another name"],
        id="none",
    ),
    pytest.param(
        "upstreams: [a]",
        ["1:12: upstreams: is a list: write a mapping, such as {checkout: {targets: [...]}}"],
        id="upstreams-list",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], balance: random}}",
        ["1:47: upstreams.a.balance: is the text 'random': write round_robin or least_requests"],
        id="balance",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], eject: {for: 10}}}",
        ["1:51: upstreams.a.eject.for: is the number 10: write the unit (ms, s, m, h), such as 10s"],
        id="bare-number",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], timeouts: {connect: 0s, idle: 0}}}",
        [
            "1:58: upstreams.a.timeouts.connect: is 0s: write a duration above 0, such as 2s",
            "1:68: upstreams.a.timeouts.idle: is the number 0: write one above 0, such as 60s",
        ],
        id="zero",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], timeouts: {connect: 25h}}}",
        ["1:58: upstreams.a.timeouts.connect: is 25h: write at most 24h"],
        id="too-long",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], pool: {max_idle: many, max_pending: -1}}}",
        [
            "1:55: upstreams.a.pool.max_idle: is the text 'many': write a whole number, such as 256",
            "1:74: upstreams.a.pool.max_pending: is -1: write a number from 0 to 1000000",
        ],
        id="count",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], host: 'a b'}}",
        ["1:44: upstreams.a.host: is the text 'a b': write preserve, target or a host name"],
        id="host",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], health_check: {path: healthz}}}",
        [
            (
                "1:59: upstreams.a.health_check.path: is 'healthz': write a path with a leading "
                "slash, such as /healthz"
            )
        ],
        id="path-of-check",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], tls: {server_name: a b}, retries: 11}}",
        [
            (
                "1:57: upstreams.a.tls.server_name: 'a b' is not a host name: write one such as "
                "shop.example.com"
            ),
            "1:72: upstreams.a.retries: is 11: write a number from 0 to 10",
        ],
        id="server-name",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], tls: {server_name: '[::g]'}}}",
        [
            (
                "1:57: upstreams.a.tls.server_name: '[::g]' is not a host name: write one such "
                "as shop.example.com"
            )
        ],
        id="ipv6-server-name",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], health_check: {path: '/a#b'}}}",
        [
            (
                "1:59: upstreams.a.health_check.path: is '/a#b': percent-encode what is not "
                "printable ASCII, and leave out #"
            )
        ],
        id="path-with-fragment",
    ),
    pytest.param(
        "upstream: http://a\nroutes: [{host: a/b, upstream: default}]",
        ["2:17: routes[0].host: is the text 'a/b': write a host such as shop.example.com"],
        id="route-host",
    ),
    pytest.param(
        "upstreams: {a: {targets: [http://b], tls: {cert: c.pem, ca: null}}}",
        [
            "1:50: upstreams.a.tls.cert: needs key: write key: key.pem beside it",
            (
                "1:50: upstreams.a.tls.cert: there is no file FOLDER/c.pem: relative names start "
                "at the config's folder"
            ),
        ],
        id="cert-without-key",
    ),
    pytest.param(
        "upstreams: {checkout: {targets: [http://b]}}\nroutes: [{upstream: chekout}]",
        ["2:21: routes[0].upstream: is chekout, which is no upstream: write checkout"],
        id="unknown-in-route",
    ),
    pytest.param(
        "routes: [{path_prefix: checkout, upstream: x}]",
        [
            (
                "1:24: routes[0].path_prefix: is 'checkout': write a path with a leading slash, "
                "such as /checkout"
            ),
            (
                "1:44: routes[0].upstream: is x, which is no upstream: write upstreams: {x: "
                "{targets: [http://127.0.0.1:9000]}}"
            ),
        ],
        id="no-upstreams-for-route",
    ),
    pytest.param(
        "upstream: http://a\nroutes: [{host: a}, x]",
        [
            "2:10: routes[0].upstream: is missing: write upstream: checkout",
            (
                "2:21: routes[1]: is the text 'x': write a mapping, such as {path_prefix: "
                "/checkout/, upstream: checkout}"
            ),
        ],
        id="route-without-upstream",
    ),
    pytest.param(
        "upstream: http://a\nadmin: {ready: [a]}",
        ["2:17: admin.ready[0]: is a, which is no upstream: write default"],
        id="unknown-in-ready",
    ),
]

TRACING = [
    pytest.param(
        "tracing: []",
        ["1:10: tracing: is a list: write a mapping, such as {sample_rate: 10, rules: [{match: /api/}]}"],
        id="not-a-mapping",
    ),
    pytest.param(
        "tracing:",
        ["1:9: tracing: is nothing: write a mapping, such as {sample_rate: 10, rules: [{match: /api/}]}"],
        id="nothing",
    ),
    pytest.param(
        "tracing: {sample_rate: '10'}",
        [
            (
                "1:24: tracing.sample_rate: is the text '10': write a percentage from 0 to 100, "
                "such as 10 or 0.01"
            )
        ],
        id="quoted-rate",
    ),
    pytest.param(
        "tracing: {sample_rate: 10%}",
        ["1:24: tracing.sample_rate: is 10%: write the number alone, 10"],
        id="percent",
    ),
    pytest.param(
        "tracing: {sample_rate: -1}",
        ["1:24: tracing.sample_rate: is -1: write a percentage from 0 to 100"],
        id="negative-rate",
    ),
    pytest.param(
        "tracing: {sample_rate: 100.1}",
        ["1:24: tracing.sample_rate: is 100.1: write a percentage from 0 to 100"],
        id="rate-too-large",
    ),
    pytest.param(
        "tracing: {sample_rate: 1e-20}",
        [
            (
                "1:24: tracing.sample_rate: is '1e-20', finer than a rate can be: write at least "
                "0.000000000000001, or 0"
            )
        ],
        id="rate-too-fine",
    ),
    pytest.param(
        "tracing: {sample_rate: ten}",
        [
            (
                "1:24: tracing.sample_rate: is the text 'ten': write a percentage from 0 to 100, "
                "such as 10 or 0.01"
            )
        ],
        id="word-for-rate",
    ),
    pytest.param(
        "tracing: {sample_rate: .nan}",
        ["1:24: tracing.sample_rate: is '.nan': write a percentage from 0 to 100, such as 10 or 0.01"],
        id="not-a-number",
    ),
    pytest.param(
        "tracing: {sample_rate: null}",
        ["1:24: tracing.sample_rate: is null: write a percentage from 0 to 100, such as 10 or 0.01"],
        id="null-rate",
    ),
    pytest.param(
        "tracing: {inject: true}", ["1:19: tracing.inject: is true: write sampled or all"], id="inject"
    ),
    pytest.param(
        "tracing: {parent: follows}",
        ["1:19: tracing.parent: is the text 'follows': write follow"],
        id="parent",
    ),
    pytest.param(
        "tracing: {trust: everyone}",
        ["1:18: tracing.trust: is the text 'everyone': write all, none or {clients: [10.0.0.0/8]}"],
        id="trust-word",
    ),
    pytest.param(
        "tracing: {trust: [10.0.0.0/8]}",
        ["1:18: tracing.trust: is a list: write all, none or {clients: [10.0.0.0/8]}"],
        id="trust-list",
    ),
    pytest.param(
        "tracing: {trust: {clients: [10.0.0.1/8, foo], certificates: 1}}",
        [
            (
                "1:29: tracing.trust.clients[0]: '10.0.0.1/8' has host bits set; write "
                "10.0.0.0/8 for the network, or 10.0.0.1 for the address"
            ),
            (
                "1:41: tracing.trust.clients[1]: 'foo' is no network; write an address or a CIDR "
                "network such as 10.0.0.0/8 or fd00::/8, or unix"
            ),
            "1:61: tracing.trust.certificates: is the number 1: write true or false",
        ],
        id="networks",
    ),
    pytest.param(
        "tracing: {extract: [], propagators: [w3c, b3, datadog]}",
        [
            "1:20: tracing.extract: is an empty list: write at least one, such as [tracecontext]",
            "1:38: tracing.propagators[0]: is the text 'w3c': write tracecontext, datadog, b3 or b3multi",
        ],
        id="formats",
    ),
    pytest.param(
        "tracing: {extract: [b3, b3]}",
        ["1:25: tracing.extract[1]: is in the list twice: keep one"],
        id="format-twice",
    ),
    pytest.param(
        "tracing: {tracestate: {key: DD, origin: 'a,b'}}",
        [
            (
                "1:29: tracing.tracestate.key: 'DD' is not a tracestate key: write lower-case "
                "letters, digits, or any of _ - * / @"
            ),
            (
                "1:41: tracing.tracestate.origin: 'a,b' cannot stand in tracestate: write up to "
                "64 printable ones but , ; = ~"
            ),
        ],
        id="member",
    ),
    pytest.param(
        "tracing: {tracestate: {key: ot}}",
        [("1:29: tracing.tracestate.key: is ot, OpenTelemetry's own member: write another key, such as dd")],
        id="member-ot",
    ),
    pytest.param(
        "tracing: {sample_by: trace}",
        [
            (
                "1:22: tracing.sample_by: is the text 'trace': write trace_id, {header: "
                "x-session-id} or {cookie: sid}"
            )
        ],
        id="sample-by-word",
    ),
    pytest.param(
        "tracing: {sample_by: {header: a, cookie: b}}",
        [
            (
                "1:22: tracing.sample_by: takes one of header and cookie: write {header: "
                "x-session-id} or {cookie: sid}"
            )
        ],
        id="sample-by-both",
    ),
    pytest.param(
        "tracing: {sample_by: {cookie: 'a;b'}}",
        ["1:31: tracing.sample_by.cookie: 'a;b' is not a cookie name: write letters, digits and hyphens"],
        id="sample-by-cookie",
    ),
    pytest.param(
        "tracing: {max_traces_per_second: many}",
        ["1:34: tracing.max_traces_per_second: is the text 'many': write a number, such as 100"],
        id="cap-word",
    ),
    pytest.param(
        "tracing: {secret: ' a'}",
        ["1:19: tracing.secret: has white space or characters beyond printable ASCII: write it without"],
        id="secret",
    ),
    pytest.param(
        "tracing: {sample_by: {header: a b}}",
        ["1:31: tracing.sample_by.header: 'a b' is not a header name: write letters, digits and hyphens"],
        id="sample-by-name",
    ),
    pytest.param(
        "tracing: {w3c_level: 3}", ["1:22: tracing.w3c_level: is 3: write a number from 1 to 2"], id="level"
    ),
    pytest.param(
        "tracing: {threshold: yes}",
        ["1:22: tracing.threshold: is the text 'yes': write true or false"],
        id="boolean",
    ),
    pytest.param(
        "tracing: {trace_url: https://x/}",
        ["1:22: tracing.trace_url: lacks {trace_id}: write where it goes, such as https://x/{trace_id}"],
        id="trace-url",
    ),
    pytest.param(
        "tracing: {trace_url: 'x/{trace_id}'}",
        [
            (
                "1:22: tracing.trace_url: 'x/{trace_id}' is not a URL: write one such as "
                "https://jaeger/trace/{trace_id}"
            )
        ],
        id="trace-url-scheme",
    ),
    pytest.param(
        "tracing: {max_traces_per_second: 0}",
        ["1:34: tracing.max_traces_per_second: is 0: write a number above 0, at most 1000000000"],
        id="cap",
    ),
    pytest.param(
        "tracing: {response: {trace_id_header: a b, traceresponse: off}}",
        [
            (
                "1:39: tracing.response.trace_id_header: 'a b' is not a header name: write "
                "letters, digits and hyphens"
            ),
            "1:59: tracing.response.traceresponse: is the text 'off': write true or false",
        ],
        id="response",
    ),
    pytest.param(
        "tracing: {response: {trace_id_header: Content-Length}}",
        [
            (
                "1:39: tracing.response.trace_id_header: is Content-Length, which says where a message ends: "
                "write another name, such as x-trace-id"
            )
        ],
        id="response-framing",
    ),
]

RULES = [
    pytest.param(
        "tracing: {rules: {match: /}}",
        ["1:18: tracing.rules: is a mapping: write a list, such as [{match: /api/}]"],
        id="mapping",
    ),
    pytest.param(
        "tracing: {rules: [/api/]}",
        [
            (
                "1:19: tracing.rules[0]: is the text '/api/': write a mapping, such as {match: "
                "/api/, sample_rate: 10}"
            )
        ],
        id="text",
    ),
    pytest.param(
        "tracing: {rules: [{name: a}]}",
        ["1:19: tracing.rules[0].match: is missing: write match: /api/"],
        id="match-missing",
    ),
    pytest.param(
        "tracing: {rules: [{match: }]}",
        [
            (
                "1:27: tracing.rules[0].match: is empty; write a path such as /api/, or a URL "
                "such as https://api.example.com/"
            )
        ],
        id="match-nothing",
    ),
    pytest.param(
        "tracing: {rules: [{match: {}}]}",
        [
            (
                "1:27: tracing.rules[0].match: has no condition: write which requests are meant, "
                "such as match: /api/"
            )
        ],
        id="match-empty",
    ),
    *(
        pytest.param(
            f"tracing: {{rules: [{{match: {match}, {key}: {value}}}]}}",
            [f"1:{29 + len(match)}: tracing.rules[0].{key}: is not a key here: write match: {instead}"],
            id=f"{key}-beside-match-{instead}",
        )
        for match, key, value, instead in (
            ("/a/", "methods", "[GET]", "{prefix: /a/, methods: [GET]}"),
            ("/a/", "headers", "{x-tenant: a b}", "{prefix: /a/, headers: {x-tenant: 'a b'}}"),
            ("{function: 'operator:truth'}", "prefix", "/a/", "{function: 'operator:truth', prefix: /a/}"),
            ("/a/", "headers", "{x-a: '${A:-x}'}", "{prefix: /api/, headers: {x-tenant: acme}}"),
        )
    ),
    pytest.param(
        "tracing: {rules: [{match: [/a]}]}",
        ["1:27: tracing.rules[0].match: is a list: write /api/ or {prefix: /api/, methods: [GET]}"],
        id="match-list",
    ),
    pytest.param(
        "tracing: {rules: [{match: api.example.com/}]}",
        [
            (
                "1:27: tracing.rules[0].match: 'api.example.com/' has neither a scheme nor a "
                "leading slash; write https://api.example.com/ or /api.example.com/"
            )
        ],
        id="neither-scheme-nor-slash",
    ),
    pytest.param(
        "tracing: {rules: [{match: {prefix: api/}}]}",
        [
            (
                "1:36: tracing.rules[0].match.prefix: 'api/' has neither a scheme nor a leading "
                "slash; write https://api/ or /api/"
            )
        ],
        id="prefix-neither",
    ),
    pytest.param(
        "tracing: {rules: [{match: /}, {match: /}, {match: {regex: '(?=x)'}}]}",
        [
            (
                "1:59: tracing.rules[2].match.regex: '(?=x)' is not RE2 syntax: invalid perl operator: (?=; "
                "write it without look-around and back-references, which RE2 does not have"
            )
        ],
        id="regex",
    ),
    pytest.param(
        "tracing: {rules: [{match: {regex: 'a(b'}}, {match: {regex: 'a{2000}'}}]}",
        [
            (
                "1:35: tracing.rules[0].match.regex: 'a(b' is not RE2 syntax: missing ): a(b; write a "
                "backslash before a character that stands for itself"
            ),
            (
                "1:60: tracing.rules[1].match.regex: 'a{2000}' is not RE2 syntax: invalid repetition size: "
                "{2000}; write a repetition of at most 1000"
            ),
        ],
        id="regex-remedies",
    ),
    pytest.param(
        "tracing: {rules: [{match: {regex: ''}}]}",
        [
            (
                "1:35: tracing.rules[0].match.regex: is empty and would match every URL: write "
                "which it is to match, such as /api/"
            )
        ],
        id="regex-empty",
    ),
    pytest.param(
        "tracing: {rules: [{match: {prefix: /a/, regex: '^/api/'}}]}",
        [
            (
                "1:48: tracing.rules[0].match.regex: is '^/api/', and every URL begins with http:// or "
                "https://, so it never matches: write prefix: /api/, or regex: ^https?://[^/]*/api/"
            )
        ],
        id="regex-never-matches",
    ),
    pytest.param(
        "tracing: {rules: [{match: {methods: []}}]}",
        [("1:37: tracing.rules[0].match.methods: is an empty list: write at least one, such as [GET, POST]")],
        id="methods-empty",
    ),
    pytest.param(
        "tracing: {rules: [{match: {methods: [GET, get]}}]}",
        [
            (
                "1:43: tracing.rules[0].match.methods[1]: is 'get', and methods are compared "
                "with their case: write GET"
            )
        ],
        id="method-case",
    ),
    pytest.param(
        "tracing: {rules: [{match: {methods: GET}}]}",
        ["1:37: tracing.rules[0].match.methods: is the text 'GET': write a list, such as [GET, POST]"],
        id="method-text",
    ),
    pytest.param(
        "tracing: {rules: [{match: {headers: {a b: c}}}]}",
        [
            (
                "1:38: tracing.rules[0].match.headers[\"a b\"]: 'a b' is not a header name: write "
                "letters, digits and hyphens"
            )
        ],
        id="header-name",
    ),
    pytest.param(
        "tracing: {rules: [{match: {headers: [a]}}]}",
        ["1:37: tracing.rules[0].match.headers: is a list: write a mapping, such as {x-tenant: acme}"],
        id="headers-list",
    ),
    pytest.param(
        "tracing: {rules: [{match: {headers: {a: [c]}}}]}",
        ["1:41: tracing.rules[0].match.headers.a: is a list: write a text"],
        id="header-value",
    ),
    pytest.param(
        "tracing: {rules: [{match: {prefx: /}}]}",
        ["1:28: tracing.rules[0].match.prefx: is not a key here: write prefix"],
        id="unknown-key",
    ),
    pytest.param(
        "tracing: {rules: [{match: /, sample: 1}]}",
        ["1:30: tracing.rules[0].sample: is not a key here: write sample_rate or sample_by"],
        id="unknown-key-of-rule",
    ),
    pytest.param(
        "tracing: {rules: [{match: /, name: a b}]}",
        ["1:36: tracing.rules[0].name: is 'a b': write 1 to 64 letters, digits, or any of _ . -"],
        id="name",
    ),
    pytest.param(
        "tracing: {rules: [{match: /, name: none}]}",
        ["1:36: tracing.rules[0].name: is none, the word for no rule: write another name"],
        id="name-none",
    ),
    pytest.param(
        (
            "tracing: {rules: [{match: /, name: "
            "a123456789b123456789c123456789d123456789e123456789f123456789g1234}]}"
        ),
        [
            (
                "1:36: tracing.rules[0].name: is "
                "'a123456789b123456789c123456789d123456789e123456789f123456789g1234': write 1 to "
                "64 letters, digits, or any of _ . -"
            )
        ],
        id="name-too-long",
    ),
    pytest.param(
        "tracing: {rules: [{match: /, name: a}, {match: /, name: a}]}",
        ["1:57: tracing.rules[1].name: is a, as of rules[0]: write another name"],
        id="name-twice",
    ),
    pytest.param(
        "tracing: {rules: [{match: /, name: rule-2}, {match: /}]}",
        [
            (
                "1:36: tracing.rules[0].name: is rule-2, the name that rules[1] has by default: "
                "write another name"
            )
        ],
        id="name-of-another",
    ),
    pytest.param(
        "tracing: {rules: [{match: /, sample_rate: true}]}",
        [
            (
                "1:43: tracing.rules[0].sample_rate: is true: write a percentage from 0 to 100, "
                "such as 10 or 0.01"
            )
        ],
        id="rate",
    ),
    pytest.param(
        "tracing: {rules: [{match: /, trust: all}]}",
        [
            (
                "1:30: tracing.rules[0].trust: is not a key here: write name, match, trace, "
                "sample_rate, inject, parent, invalid, untrusted, propagators, sample_by, "
                "max_traces_per_second or response"
            )
        ],
        id="section-key",
    ),
    pytest.param(
        "tracing: {rules: [{match: {function: nope}}]}",
        [
            (
                "1:38: tracing.rules[0].match.function: is 'nope': write module:callable, such "
                "as matchers:is_api"
            )
        ],
        id="function-name",
    ),
    pytest.param(
        "tracing: {rules: [{match: {function: 'traceward_nope:x'}}]}",
        [
            (
                "1:38: tracing.rules[0].match.function: there is no module traceward_nope in "
                "FOLDER, nor is it installed: write traceward_nope.py there, or another name"
            )
        ],
        id="function-module",
    ),
]

REST = [
    pytest.param(
        "environment: prod", ["1:14: environment: is the text 'prod': write production"], id="environment"
    ),
    pytest.param(
        "cors: {mode: answer}",
        [
            (
                "1:14: cors.mode: answer needs at least one origin: write allow_origins: "
                "[https://app.example.com]"
            )
        ],
        id="answer-without-origins",
    ),
    pytest.param(
        "cors: {mode: answer, allow_origins: []}",
        [
            (
                "1:37: cors.allow_origins: answer needs at least one origin: write "
                "allow_origins: [https://app.example.com]"
            )
        ],
        id="answer-with-no-origins",
    ),
    pytest.param(
        "cors: {mode: answer, allow_origins: [https://a, '*'], allow_credentials: true}",
        [
            (
                '1:49: cors.allow_origins[1]: is "*" with allow_credentials, which lets every '
                "site act for users: write the origins"
            )
        ],
        id="star-with-credentials",
    ),
    pytest.param(
        "cors: {mode: anser}", ["1:14: cors.mode: is the text 'anser': write answer"], id="cors-mode"
    ),
    pytest.param(
        (
            "cors: {allow_origins: [app.example.com, https://a/, 'https://a*.b', null, "
            "https://a, https://a:443]}"
        ),
        [
            (
                "1:24: cors.allow_origins[0]: 'app.example.com' is not an origin: write "
                "scheme://host, such as https://app.example.com"
            ),
            (
                "1:41: cors.allow_origins[1]: 'https://a/' is not an origin: write it without a "
                "path, https://a"
            ),
            (
                "1:53: cors.allow_origins[2]: 'https://a*.b' is not an origin: write "
                "scheme://*.host, such as https://*.example.com"
            ),
            (
                "1:69: cors.allow_origins[3]: is null, which any sandboxed page can send: write "
                "the origins you mean"
            ),
        ],
        id="origins",
    ),
    pytest.param(
        "cors: {max_age: 600}",
        ["1:17: cors.max_age: is the number 600: write the unit (ms, s, m, h), such as 600s"],
        id="max-age",
    ),
    pytest.param(
        "forwarded: {x_forwarded: no, trusted_proxies: [10.0.0.0/8, 10.0.0.0/8, ten]}",
        [
            "1:26: forwarded.x_forwarded: is the text 'no': write append, replace or off",
            (
                "1:72: forwarded.trusted_proxies[2]: 'ten' is no network; write an address or a "
                "CIDR network such as 10.0.0.0/8 or fd00::/8, or unix"
            ),
        ],
        id="forwarded",
    ),
    pytest.param(
        "limits: {header_bytes: 32, request_body: 0, headers: 0, connections: 1e3}",
        [
            "1:24: limits.header_bytes: is the number 32: write the unit (B, KiB, MiB, GiB), such as 32KiB",
            "1:42: limits.request_body: is the number 0: write one above 0, such as 10MiB",
            "1:54: limits.headers: is 0: write a number from 1 to 100000",
            "1:70: limits.connections: is the number 1e3: write a whole number, such as 10000",
        ],
        id="limits",
    ),
    pytest.param(
        "limits: {header_bytes: 32KB, request_body: 0B}",
        [
            (
                "1:24: limits.header_bytes: is the text '32KB': write a number and its unit (B, "
                "KiB, MiB, GiB), such as 32KiB"
            ),
            "1:44: limits.request_body: is 0B: write a size above 0, at most 1024GiB",
        ],
        id="size",
    ),
    pytest.param(
        "limits: {header_bytes: 1B, request_body: 1B}",
        ["1:24: limits.header_bytes: is 1B: write at least 256B, such as 32KiB"],
        id="head-too-small-for-any",
    ),
    pytest.param(
        "limits: {header_bytes: 4096, request_body: 255}",
        [
            "1:24: limits.header_bytes: is the number 4096: write the unit (B, KiB, MiB, GiB), such as 4096B",
            "1:44: limits.request_body: is the number 255: write the unit (B, KiB, MiB, GiB), such as 255B",
        ],
        id="size-without-its-unit",
    ),
    pytest.param(
        "limits: {header_timeout: 10, body_timeout: 1d, keepalive_timeout: '5 s'}",
        [
            "1:26: limits.header_timeout: is the number 10: write the unit (ms, s, m, h), such as 10s",
            (
                "1:44: limits.body_timeout: is the text '1d': write a number and its unit (ms, "
                "s, m, h), such as 60s"
            ),
            (
                "1:67: limits.keepalive_timeout: is the text '5 s': write a number and its unit "
                "(ms, s, m, h), such as 75s"
            ),
        ],
        id="durations",
    ),
    pytest.param(
        "admin: {ready: some}",
        ["1:16: admin.ready: is the text 'some': write any, all or [checkout]"],
        id="ready",
    ),
    pytest.param(
        "admin: {ready: {a: b}}",
        ["1:16: admin.ready: is a mapping: write any, all or [checkout]"],
        id="ready-mapping",
    ),
    pytest.param("admin: {token: ''}", ["1:16: admin.token: is empty: write a text"], id="token"),
    pytest.param(
        "admin: {listen: [127.0.0.1:80]}",
        ["1:17: admin.listen: is a list: write an address, such as 127.0.0.1:8080 or null"],
        id="admin-list",
    ),
    pytest.param(
        "records: {query: drop}",
        ["1:18: records.query: is the text 'drop': write redact or keep"],
        id="records",
    ),
    pytest.param(
        "access_log: no",
        ["1:13: access_log: is the text 'no': write off, errors, sampled or all"],
        id="access-log",
    ),
    pytest.param(
        "spans: {otlp: collector:4318, queue: 0, headers: {authorization: \"a\\nb\", 'a b': c}}",
        [
            (
                "1:15: spans.otlp: 'collector:4318' is not a URL: write http://host:port/path or "
                "https://host/path"
            ),
            "1:38: spans.queue: is 0: write a number from 1 to 1000000",
            (
                "1:66: spans.headers.authorization: is not a header value: leave out line breaks "
                "and white space around it"
            ),
            "1:74: spans.headers[\"a b\"]: 'a b' is not a header name: write letters, digits and hyphens",
        ],
        id="spans",
    ),
    pytest.param(
        "spans: {otlp: http://u:p@collector:4318/}",
        [("1:15: spans.otlp: has user information: leave it out, and write an authorization header instead")],
        id="otlp-user",
    ),
    pytest.param(
        'spans: {service_name: "a\\x07b"}',
        ["1:23: spans.service_name: has a control character: 'a\\x07b'; leave it out"],
        id="spans-control",
    ),
    pytest.param(
        "spans: {otlp: http://a b/}",
        [("1:15: spans.otlp: 'http://a b/' is not a URL: write http://host:port/path or https://host/path")],
        id="otlp-authority",
    ),
    pytest.param(
        "spans: {otlp: http://a:70000/}",
        ["1:15: spans.otlp: has the port 70000: write a number from 1 to 65535"],
        id="otlp-port",
    ),
    pytest.param(
        "workers: 0", ["1:10: workers: is the number 0: write a number from 1 to 1024, or auto"], id="workers"
    ),
    pytest.param(
        "workers: many",
        ["1:10: workers: is the text 'many': write a number from 1 to 1024, or auto"],
        id="workers-word",
    ),
    pytest.param(
        "lint: {ignore: [rate_range, shadowed]}",
        ["1:17: lint.ignore[0]: is the text 'rate_range': write rate-range"],
        id="lint-code",
    ),
    pytest.param(
        "drain_timeout: 25",
        ["1:16: drain_timeout: is the number 25: write the unit (ms, s, m, h), such as 25s"],
        id="drain",
    ),
    pytest.param(
        "[a, b]", ["1:1: is a list: write a mapping, such as upstream: http://127.0.0.1:9000"], id="list"
    ),
    pytest.param(
        "just text",
        ["1:1: is the text 'just text': write a mapping, such as upstream: http://127.0.0.1:9000"],
        id="scalar",
    ),
    pytest.param(
        "upstrem: http://a", ["1:1: upstrem: is not a key here: write upstream"], id="top-level-key"
    ),
    pytest.param("Tracing: {}", ["1:1: Tracing: is not a key here: write tracing"], id="case"),
]


@pytest.mark.parametrize(("text", "lines"), [*LISTEN, *UPSTREAMS, *TRACING, *RULES, *REST])
def test_error(text: str, lines: list[str], errors: Callable[[str], list[str]]) -> None:
    assert errors(text) == lines


def test_every_error_is_found_at_once_and_sorted_by_place(errors: Callable[[str], list[str]]) -> None:
    text = """\
upstream: http://a/b
tracing:
  sampl_rate: 10
  rules:
    - match: /a
      sample_rate: 200
    - match: {regex: '['}
  sample_rate: ${NOPE}
cors: {mode: answer, max_age: 5}
routes:
  - {upstream: nope}
limits: {headers: 1, headers: 2}
"""
    assert [line.split(": ")[0:2] for line in errors(text)] == [
        ["1:11", "upstream"],
        ["3:3", "tracing.sampl_rate"],
        ["6:20", "tracing.rules[0].sample_rate"],
        ["7:22", "tracing.rules[1].match.regex"],
        ["8:16", "tracing.sample_rate"],
        ["9:14", "cors.mode"],
        ["9:31", "cors.max_age"],
        ["11:16", "routes[0].upstream"],
        ["12:22", "limits.headers"],
    ]
