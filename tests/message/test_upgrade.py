import pytest

from proxy.message.head import Field, RequestHead, ResponseHead
from proxy.message.upgrade import accepts_offer, offered_protocols, upgrade_lines

ASKED = (b"Connection", b"Upgrade")


@pytest.mark.parametrize(
    ("fields", "offered"),
    [
        pytest.param([ASKED, (b"Upgrade", b"websocket")], b"websocket", id="websocket"),
        pytest.param([(b"connection", b"a, UPGRADE"), (b"upgrade", b"X/1")], b"X/1", id="case"),
        pytest.param([ASKED, (b"Upgrade", b"a"), (b"Upgrade", b"b/2")], b"a, b/2", id="two-fields"),
        pytest.param([ASKED, (b"Upgrade", b"a"), (b"Content-Length", b"0")], b"a", id="empty-body"),
        pytest.param([ASKED, (b"Upgrade", b"a"), (b"Content-Length", b"10")], None, id="body"),
        pytest.param([ASKED, (b"Upgrade", b"a"), (b"Transfer-Encoding", b"chunked")], None, id="chunked"),
        pytest.param([(b"Upgrade", b"websocket")], None, id="not-named"),
        pytest.param([ASKED], None, id="nothing-offered"),
        pytest.param([ASKED, (b"Upgrade", b"")], None, id="empty"),
        pytest.param([ASKED, (b"Upgrade", b"h2c")], None, id="h2c"),
        pytest.param([ASKED, (b"Upgrade", b"websocket, H2C")], None, id="h2c-too"),
        pytest.param([ASKED, (b"Upgrade", b"HTTP/2.0")], None, id="http-2"),
    ],
)
def test_what_is_offered(fields: list[Field], offered: bytes | None) -> None:
    assert offered_protocols(RequestHead(b"GET", b"/", fields)) == offered
    assert offered_protocols(RequestHead(b"GET", b"/", fields, (1, 0))) is None


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        pytest.param([ASKED, (b"Upgrade", b"websocket")], True, id="as-offered"),
        pytest.param([ASKED, (b"Upgrade", b"WebSocket/13")], True, id="with-a-version"),
        pytest.param([ASKED, (b"Upgrade", b"other")], False, id="another"),
        pytest.param([ASKED, (b"Upgrade", b"websocket, other")], False, id="more"),
        pytest.param([ASKED], False, id="nothing"),
        pytest.param([(b"Upgrade", b"websocket")], False, id="not-named"),
        pytest.param([ASKED, (b"Upgrade", b"websocket"), (b"Content-Length", b"0")], False, id="length"),
        pytest.param(
            [ASKED, (b"Upgrade", b"websocket"), (b"Transfer-Encoding", b"chunked")], False, id="chunked"
        ),
    ],
)
def test_what_is_accepted(fields: list[Field], accepted: bool) -> None:
    offer = RequestHead(b"GET", b"/", [ASKED, (b"Upgrade", b"foo/2, websocket")])
    assert accepts_offer(offer, ResponseHead(101, b"Switching Protocols", fields)) is accepted


def test_the_lines_that_are_sent() -> None:
    assert upgrade_lines(b"a/1") == b"\r\nConnection: Upgrade\r\nUpgrade: a/1"
