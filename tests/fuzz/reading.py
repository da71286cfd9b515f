"""What two readers of one message must agree on."""

from tests.attacks.recorder import Message

Fields = tuple[tuple[bytes, bytes], ...]

_ONE_CONNECTION = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
}
_REPLACED = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"}
_NEVER_NAMED = {b"host", b"content-length", *_REPLACED}


def end_to_end(fields: Fields) -> Fields:
    """Return the fields that pass, less those that say who the client is and how long the body is."""
    named = {
        option.strip(b" \t").lower()
        for name, value in fields
        if name == b"connection"
        for option in value.split(b",")
    } - _NEVER_NAMED
    gone = _ONE_CONNECTION | _REPLACED | named | {b"content-length"}
    return tuple(
        field for field in fields if field[0].replace(b"_", b"-") not in gone and field[0] not in gone
    )


def same_request(sent: Message, received: Message) -> None:
    """Check that the upstream reads what the client said."""
    method, target = sent.start.split(b" ", 1)
    if target.lower().startswith(b"http://"):
        path = target[7:].partition(b"/")
        target = b"/" + path[2] if path[1] else (b"*" if method == b"OPTIONS" else b"/")
    assert received.start == method + b" " + target
    assert received.body == sent.body
    fields = end_to_end(received.fields)
    if not any(name == b"host" for name, _ in sent.fields):
        assert fields[0][0] == b"host"  # an HTTP/1.0 client may leave it out
        fields = fields[1:]
    assert fields == end_to_end(sent.fields)
    assert set(received.trailers) <= set(sent.trailers)


def same_response(sent: Message, received: Message) -> None:
    """Check that the client reads what the upstream said."""
    assert received.start == sent.start
    assert received.body == sent.body
    assert end_to_end(received.fields) == end_to_end(sent.fields)
    assert set(received.trailers) <= set(sent.trailers)
