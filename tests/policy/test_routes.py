import pytest

from proxy.policy.routes import Route, choose_upstream

ROUTES = (
    Route("checkout", host="shop.example.com", path_prefix="/checkout/"),
    Route("shop", host="shop.example.com"),
    Route("debug", host="shop.example.com:8443"),
    Route("alternative", host="api.example.com:8080"),
    Route("loopback", host="[::1]"),
    Route("api", path_prefix="/api/"),
    Route("never", path_prefix="/api/v1/"),
)

CHOSEN = [
    pytest.param("shop.example.com", "/checkout/cart", "checkout", id="host-and-path"),
    pytest.param("shop.example.com", "/checkout", "shop", id="host-alone"),
    pytest.param("shop.example.com:9000", "/checkout/", "checkout", id="port-does-not-count"),
    pytest.param("shop.example.com:8443", "/", "shop", id="first-match-wins"),
    pytest.param("api.example.com:8080", "/", "alternative", id="port-counts-where-it-is-set"),
    pytest.param("api.example.com:8081", "/", "default", id="other-port"),
    pytest.param("api.example.com", "/", "default", id="port-missing"),
    pytest.param("[::1]", "/", "loopback", id="ipv6"),
    pytest.param("[::1]:8080", "/", "loopback", id="ipv6-with-port"),
    pytest.param("other.test", "/api/v1/", "api", id="path-alone"),
    pytest.param("other.test", "/", "default", id="default"),
    pytest.param("x.shop.example.com", "/", "default", id="host-is-whole"),
    pytest.param("shop.example.com", "*", "shop", id="asterisk"),
]


@pytest.mark.parametrize(("authority", "target", "upstream"), CHOSEN)
def test_the_first_route_that_matches_is_chosen(authority: str, target: str, upstream: str) -> None:
    assert choose_upstream(ROUTES, "default", authority, target) == upstream


def test_without_a_default_there_may_be_no_upstream() -> None:
    assert choose_upstream(ROUTES, None, "other.test", "/") is None
    assert choose_upstream((), None, "other.test", "/") is None


def test_without_routes_all_goes_to_the_default() -> None:
    assert choose_upstream((), "default", "other.test", "/") == "default"


def test_an_asterisk_is_under_the_root() -> None:
    assert choose_upstream([Route("root", path_prefix="/")], None, "h", "*") == "root"
    assert choose_upstream([Route("api", path_prefix="/api")], None, "h", "*") is None
