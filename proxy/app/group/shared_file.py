"""Memory that processes share, as a file without a name."""

import os
import tempfile


def make_shared_file(name: str) -> int:
    """Return the descriptor of a file in memory, which is gone with its last descriptor.

    Where the system has none, it is a file in the folder for temporary ones.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    with tempfile.TemporaryFile(prefix=name) as file:
        return os.dup(file.fileno())
