"""Large bodies, one after another: ``python -m bench.bulk download|upload PORT SIZE SECONDS``.

Whole bodies of so many bytes, over one connection, until the seconds are over; prints how many bytes.
"""

import re
import socket
import sys
import time

_PIECE = 2**20
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


def download(sock: socket.socket, size: int) -> None:
    """Receive one body."""
    sock.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % size)
    _receive(sock, bytearray(_PIECE), size)


def upload(sock: socket.socket, size: int) -> None:
    """Send one body, and receive the answer."""
    sock.sendall(b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % size)
    piece = bytes(_PIECE)
    for _ in range(size // _PIECE):
        sock.sendall(piece)
    _receive(sock, bytearray(_PIECE), None)


def _receive(sock: socket.socket, buffer: bytearray, size: int | None) -> None:
    head = b""
    while (end := head.find(b"\r\n\r\n")) < 0:
        piece = sock.recv(65_536)
        if not piece:
            raise ConnectionError("the proxy closed the connection")
        head += piece
    found = _LENGTH.search(head, 0, end)
    if not head.startswith(b"HTTP/1.1 200") or (
        size is not None and (found is None or int(found[1]) != size)
    ):
        raise RuntimeError(f"not the answer that was expected: {head[:end].decode(errors='replace')}")
    missing = int(found[1] if found else 0) - (len(head) - end - 4)
    while missing:
        received = sock.recv_into(buffer, min(missing, _PIECE))
        if not received:
            raise ConnectionError("the proxy cut a body short")
        missing -= received


def main() -> int:
    """Run; return the exit status."""
    transfer = {"download": download, "upload": upload}[sys.argv[1]]
    port, size, seconds = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    total, began = 0, time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        while not total or time.perf_counter() - began < seconds:
            transfer(sock, size)
            total += size
    print(total)
    return 0


if __name__ == "__main__":
    sys.exit(main())
