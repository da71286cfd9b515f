"""The last that a client is sent on a connection that is not to be: it gets there before the end does."""

import asyncio
import contextlib
import socket

from proxy.exchange import Respond
from proxy.message.encode import encode_response_head
from proxy.message.error import STATUS, ErrorKind, encode_error
from proxy.message.lines import encode_lines

_READ_SIZE = 65536
_NO_TLS = "this port takes TLS alone, and the request came without: use https://"


async def say_farewell(connection: socket.socket, words: bytes, until: float) -> None:
    """Send the last words, end the own side, and read on until the client ended its own.

    To close while something is unread is to reset the connection, and a reset overtakes the words. No later
    than ``until``, in the loop's time, it returns all the same.
    """
    loop = asyncio.get_running_loop()
    # A timeout is an OSError too.
    with contextlib.suppress(OSError):
        async with asyncio.timeout_at(until):
            await loop.sock_sendall(connection, words)
            connection.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(connection, _READ_SIZE):
                pass


def answer_plain_http(date: bytes) -> bytes:
    """Return the answer to a request that came without TLS to a TLS port; none of it is the client's."""
    kind = ErrorKind.BAD_REQUEST
    respond = Respond(
        STATUS[kind], [(b"Content-Type", b"application/json")], encode_error(kind, _NO_TLS, None)
    )
    fields = [
        *respond.fields,
        (b"Date", date),
        (b"Content-Length", b"%d" % len(respond.body)),
        (b"Connection", b"close"),
    ]
    return encode_response_head(respond.status, respond.phrase, encode_lines(fields)) + respond.body
