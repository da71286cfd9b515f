"""Who is let in to what."""

from collections.abc import Awaitable, Callable, Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from proxy.config.addresses import Address, TcpAddress, UnixAddress

Client = TestClient[web.Request, web.Application]
Start = Callable[..., Awaitable[Client]]

OPEN = ("/metrics", "/healthz", "/readyz")
TOKEN = "opensesame"
EVERYWHERE = TcpAddress("0.0.0.0", 9901)


async def _ask(admin: Client, headers: Mapping[str, str] | None = None) -> int:
    async with admin.post("/api/explain", json={"url": "http://h/"}, headers=headers or {}) as response:
        if response.status != 200:
            assert (await response.json())["status"] == response.status
        return response.status


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(TcpAddress("127.0.0.1", 9901), id="127.0.0.1"),
        pytest.param(TcpAddress("::1", 9901), id="ipv6"),
        pytest.param(TcpAddress("localhost", 9901), id="localhost"),
        pytest.param(UnixAddress("/run/admin.sock"), id="unix"),
    ],
)
async def test_on_loopback_no_token_is_needed(start: Start, address: Address) -> None:
    assert await _ask(await start(address)) == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "proxy.example.com"])
async def test_elsewhere_without_a_token_three_paths_are_served(start: Start, host: str) -> None:
    admin = await start(TcpAddress(host, 9901))
    assert await _ask(admin) == 404
    for path in OPEN:
        async with admin.get(path) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param(f"Bearer {TOKEN}", 200, id="right"),
        pytest.param(f"bearer  {TOKEN}", 200, id="lower-case-scheme"),
        pytest.param("Bearer wrong", 401, id="wrong"),
        pytest.param("Bearer ", 401, id="empty"),
        pytest.param(f"Basic {TOKEN}", 401, id="other-scheme"),
        pytest.param(TOKEN, 401, id="no-scheme"),
        pytest.param("Bearer öffne", 401, id="not-ascii"),
    ],
)
async def test_the_token_is_asked_for(start: Start, authorization: str, status: int) -> None:
    admin = await start(EVERYWHERE, TOKEN)
    assert await _ask(admin, {"Authorization": authorization}) == status


async def test_a_token_that_is_no_text_is_a_wrong_one(start: Start) -> None:
    admin = await start(EVERYWHERE, TOKEN)
    assert await _ask(admin, {"Authorization": "Bearer \udcff"}) == 401


async def test_without_the_token_it_says_how_to_send_it(start: Start) -> None:
    admin = await start(EVERYWHERE, TOKEN)
    async with admin.post("/api/explain", json={"url": "http://h/"}) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer" in (await response.json())["detail"]


async def test_with_a_token_three_paths_need_none(start: Start) -> None:
    admin = await start(EVERYWHERE, TOKEN)
    for path in OPEN:
        async with admin.get(path) as response:
            assert response.status == 200


async def test_on_loopback_a_token_is_asked_for_too(start: Start) -> None:
    assert await _ask(await start(token=TOKEN)) == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost:9901", 200, id="localhost"),
        pytest.param("127.0.0.1:9901", 200, id="address"),
        pytest.param("[::1]:9901", 200, id="ipv6"),
        pytest.param("rebound.example.com:9901", 403, id="a-name-that-dns-points-here"),
        pytest.param("localhost.example.com", 403, id="a-name-that-begins-with-localhost"),
        pytest.param("127.0.0.1.example.com", 403, id="a-name-that-begins-with-the-address"),
        pytest.param("", 403, id="empty"),
    ],
)
async def test_names_that_could_be_rebound_are_refused(start: Start, host: str, status: int) -> None:
    assert await _ask(await start(), {"Host": host}) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "https://evil.example"}, 403, id="origin"),
        pytest.param({"Origin": "null"}, 403, id="origin-null"),
        pytest.param({"Origin": "http://localhost:3000"}, 403, id="other-port"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="same-site"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="same-origin"),
        pytest.param({"Sec-Fetch-Site": "none"}, 200, id="typed-by-the-operator"),
    ],
)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_pages_of_other_origins_are_refused(
    start: Start, headers: Mapping[str, str], status: int, token: str | None
) -> None:
    admin = await start(token=token)
    authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
    assert await _ask(admin, {**headers, **authorization}) == status


async def test_the_servers_own_pages_may_ask(start: Start) -> None:
    admin = await start()
    own = str(admin.make_url("/")).rstrip("/")
    assert await _ask(admin, {"Origin": own}) == 200
