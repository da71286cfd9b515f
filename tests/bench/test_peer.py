"""Each proxy of the comparison does the work that is measured: whoever is not here is skipped."""

import http.client
import json
import re
import ssl
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench.peer import PEERS, TRACEWARD, TRACEWARD_COMPILED, Peer, Setup, threshold
from bench.running import Running

pytestmark = pytest.mark.peer

Start = Callable[[Peer, Setup], Running]
ALL_PEERS = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
#: Of Traceward and nginx with Lua; the others sample all.
ALL_SAMPLED = Decimal(100)


def ask(proxy: Running, method: str, target: str, body: bytes | None = None) -> dict[str, Any]:
    """Return what the upstream tells of a request."""
    connection: http.client.HTTPConnection
    if proxy.tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    with closing(connection):
        connection.request(method, target, body, {"Accept": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        told: dict[str, Any] = json.loads(answer.read())
        return told


@ALL_PEERS
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_it_sets_both_headers_and_says_who_the_client_is(peer: Peer, tls: bool, running: Start) -> None:
    proxy = running(peer, Setup(tls=tls, rate=ALL_SAMPLED))
    told = ask(proxy, "GET", "/api/orders/1?a=b")
    fields = {name.lower(): value for name, value in told["fields"]}
    assert told["target"] == "/api/orders/1?a=b"
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", fields["traceparent"])
    assert fields["tracestate"] == "dd=s:1;o:rum"
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == ("https" if tls else "http")
    assert fields["x-forwarded-host"] == f"127.0.0.1:{proxy.port}"
    assert fields["accept"] == "application/json"


@ALL_PEERS
def test_it_passes_bodies_on(peer: Peer, running: Start) -> None:
    proxy = running(peer, Setup(rate=ALL_SAMPLED))
    assert ask(proxy, "POST", "/api/orders", b"x" * 16 * 1024)["size"] == 16 * 1024


def test_the_compiled_proxy_runs_compiled_modules(running: Start) -> None:
    proxy = running(TRACEWARD_COMPILED, Setup(rate=ALL_SAMPLED))
    mapped = Path(f"/proc/{proxy.pid}/maps").read_text()
    assert str(TRACEWARD_COMPILED.folder / "traceward__mypyc") in mapped


def test_rules_are_as_many_as_asked_for_and_the_last_one_matches(running: Start) -> None:
    proxy = running(TRACEWARD, Setup(rate=ALL_SAMPLED, rules=100))
    assert "traceparent" in dict(ask(proxy, "GET", "/")["fields"])


@pytest.mark.parametrize(
    ("rate", "digits"),
    [
        pytest.param("0", "g", id="none"),
        pytest.param("100", "00000000000000", id="all"),
        pytest.param("50", "80000000000000", id="half"),
        pytest.param("10", "e6666666666666", id="a-tenth"),
    ],
)
def test_a_threshold_has_as_many_digits_as_it_is_compared_with(rate: str, digits: str) -> None:
    assert threshold(Decimal(rate)) == digits
