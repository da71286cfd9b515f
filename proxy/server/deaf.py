"""Stops handshakes with new clients on a listening socket, while those who are queued can be accepted.

Between the last accept and the close of a socket somebody may still be queued, whom the close resets.
Linux can be told to ignore requests for a connection: such a client asks again a second later, and is
refused then as any other.
"""

import contextlib
import ctypes
import socket
import struct
import sys

#: SO_ATTACH_FILTER of Linux, which Python does not name.
_ATTACH_FILTER = 26
_SYN = 0x02
# A filter of TCP sockets sees a segment from its TCP header on; the flags are in byte 13.
_DROP_SYN = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte at 13
        (0x45, 0, 1, _SYN),  # go on where it has this bit, else skip one
        (0x06, 0, 0, 0),  # take nothing of the segment
        (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
    )
)


def ignore_new_clients(sock: socket.socket) -> None:
    """Answer nobody who wants to connect from now on; elsewhere than with TCP on Linux, do nothing."""
    if sys.platform != "linux" or sock.family == socket.AF_UNIX:
        return
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    fprog = struct.pack("@HP", len(_DROP_SYN) // 8, ctypes.addressof(program))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, fprog)
