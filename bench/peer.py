"""The proxies that are compared: where each is found, its config filled in, its command.

The configs are in bench/peers. All keep connections to the upstream, stream bodies, write no access log
and set X-Forwarded-*, traceparent and tracestate; Traceward and nginx with Lua do all the rest as well.
"""

import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from bench.rig import ROOT

#: What ``make compiled`` makes.
COMPILED = ROOT / "build" / "compiled"
CONFIGS = Path(__file__).with_name("peers")
_MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")
_LUA_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
_NGINX_HEADERS = """proxy_set_header traceparent "00-$request_id-0102030405060708-01";
      proxy_set_header tracestate "dd=s:1;o:rum";"""
_LUA_HEADERS = """set $outcome "";
      set $traceparent "";
      set $tracestate "";
      access_by_lua_block { require("traceward").decide() }
      log_by_lua_block { require("traceward").count() }
      proxy_set_header traceparent $traceparent;
      proxy_set_header tracestate $tracestate;"""
_LUA_LOCATIONS = 'location = /counts { content_by_lua_block { require("traceward").show() } }'
_LUA_HTTP = """lua_package_path "@CONFIGS@/?.lua;;";
  lua_shared_dict counts 4m;
  init_by_lua_block { require "resty.core"; require("traceward").init("@THRESHOLD@", "@PARENT@") }"""
_EXPRESSIONS = """
    - {name: checkout, match: {regex: '^https?://[^/]+/checkout/'}, sample_rate: 100}
    - {name: partners, match: {regex: '^https?://[^/]+\\.partners\\.example\\.com/'}}
    - {name: all, match: {regex: '^https?://[^/]+/'}}"""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a proxy is set up; all but ``tls`` for Traceward, and some for nginx with Lua."""

    tls: bool = False
    rate: Decimal = Decimal(10)
    parent: str = "follow"
    spans: bool = False
    #: How many; None: the three expressions.
    rules: int | None = None
    workers: int = 1
    #: A port for the admin server of Traceward.
    admin: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy runs: its own folder and port, and the ports of its upstream and of the collector."""

    folder: Path
    port: int
    upstream: int
    collector: int
    #: A file of key and certificate.
    pem: Path | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A proxy. ``missing`` says what it lacks here, if anything; ``prepare`` returns its command."""

    name: str
    missing: Callable[[], str | None]
    prepare: Callable[[Setup, Place], list[str]]
    #: Where its command is run.
    folder: Path = ROOT


def fill(name: str, place: Place, **words: object) -> Path:
    """Fill in a config, whose words stand between ``@``; return where it is."""
    text = (CONFIGS / name).read_text()
    given = {
        "FOLDER": place.folder,
        "PORT": place.port,
        "UPSTREAM": place.upstream,
        "CONFIGS": CONFIGS,
        **words,
    }
    # Twice, for words stand in words.
    for _ in range(2):
        for word, value in given.items():
            text = text.replace(f"@{word}@", str(value))
    path = place.folder / name
    path.write_text(text)
    return path


def threshold(rate: Decimal) -> str:
    """Return what a trace-id's last 14 digits must reach; for 0 % a letter that none does."""
    return "g" if rate == 0 else f"{int((1 - rate / 100) * 2**56):014x}"


def _lacks(program: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(program) else f"there is no {program} here"


def _find_lua() -> list[Path]:
    for folder in map(Path, _MODULE_FOLDERS):
        modules = [folder / name for name in _LUA_MODULES]
        if all(module.exists() for module in modules):
            return modules
    return []


def _lacks_lua() -> str | None:
    if shutil.which("nginx") is None:
        return "there is no nginx here"
    return None if _find_lua() else "nginx has no Lua module here"


def _lacks_compiled() -> str | None:
    if any(COMPILED.glob(f"*__mypyc{EXTENSION_SUFFIXES[0]}")):
        return None
    return "there is no compiled build for this Python here: make compiled"


def _nginx(setup: Setup, place: Place) -> list[str]:
    return _nginx_with(setup, place, modules=(), http="", headers=_NGINX_HEADERS, locations="")


def _nginx_lua(setup: Setup, place: Place) -> list[str]:
    return _nginx_with(
        setup, place, modules=_find_lua(), http=_LUA_HTTP, headers=_LUA_HEADERS, locations=_LUA_LOCATIONS
    )


def _nginx_with(
    setup: Setup, place: Place, *, modules: Iterable[Path], http: str, headers: str, locations: str
) -> list[str]:
    pem = place.pem
    config = fill(
        "nginx.conf",
        place,
        MODULES="\n".join(f"load_module {module};" for module in modules),
        HTTP=http,
        HEADERS=headers,
        LOCATIONS=locations,
        TLS="ssl" if setup.tls else "",
        CERTIFICATE=f"ssl_certificate {pem}; ssl_certificate_key {pem};" if setup.tls else "",
        THRESHOLD=threshold(setup.rate),
        PARENT=setup.parent,
    )
    return ["nginx", "-e", str(place.folder / "error"), "-c", str(config)]


def _haproxy(setup: Setup, place: Place) -> list[str]:
    tls = f"ssl crt {place.pem} alpn http/1.1" if setup.tls else ""
    config = fill("haproxy.cfg", place, TLS=tls, SCHEME="https" if setup.tls else "http")
    return ["haproxy", "-q", "-db", "-f", str(config)]


def _caddy(setup: Setup, place: Place) -> list[str]:
    tls = f"tls {place.pem} {place.pem}" if setup.tls else ""
    config = fill("Caddyfile", place, TLS=tls, SCHEME="https" if setup.tls else "http")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


def _aiohttp(setup: Setup, place: Place) -> list[str]:
    pem = [str(place.pem)] if setup.tls else []
    return [sys.executable, "-m", "bench.peers.aiohttp_proxy", str(place.port), str(place.upstream), *pem]


def _traceward(setup: Setup, place: Place) -> list[str]:
    config = fill(
        "traceward.yaml",
        place,
        TLS=f", tls: {{cert: '{place.pem}', key: '{place.pem}'}}" if setup.tls else "",
        ADMIN="null" if setup.admin is None else f"127.0.0.1:{setup.admin}",
        WORKERS=setup.workers,
        SPANS=f"http://127.0.0.1:{place.collector}/v1/traces" if setup.spans else "null",
        RATE=setup.rate,
        PARENT=setup.parent,
        RULES=_EXPRESSIONS if setup.rules is None else _many_rules(setup.rules),
    )
    return [sys.executable, "-m", "proxy", "run", "-c", str(config)]


def _many_rules(number: int) -> str:
    """Return so many rules, of which the last one alone matches."""
    lines = [
        f"    - {{name: r{i}, match: 'http://api{i % 100}.example.com/service-{i}/'}}"
        for i in range(number - 1)
    ]
    return "\n" + "\n".join([*lines, "    - {name: all, match: /}"])


NGINX = Peer("nginx", _lacks("nginx"), _nginx)
NGINX_LUA = Peer("nginx + Lua", _lacks_lua, _nginx_lua)
HAPROXY = Peer("HAProxy", _lacks("haproxy"), _haproxy)
CADDY = Peer("Caddy", _lacks("caddy"), _caddy)
AIOHTTP = Peer("aiohttp", lambda: None, _aiohttp)
TRACEWARD = Peer("Traceward", lambda: None, _traceward)
TRACEWARD_COMPILED = Peer("Traceward, compiled", _lacks_compiled, _traceward, COMPILED)
PEERS = (NGINX, NGINX_LUA, HAPROXY, CADDY, AIOHTTP, TRACEWARD, TRACEWARD_COMPILED)
