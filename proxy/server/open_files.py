"""The limit of open files, which every connection counts against.

Systems start processes with a low one, often 1024, for the sake of select(2), and let them raise it.
Beyond it clients are reset unseen and upstreams cannot be reached.
"""

import logging
import resource

from proxy.config.schema import Config

_LOG = logging.getLogger(__name__)

#: Listeners, the log, the loop's own, and some to spare.
_OTHERS = 256


def allow_open_files(config: Config) -> None:
    """Raise the limit of this process to what a config may need; warn where that is not allowed."""
    needed = needed_files(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _LOG.warning(
            "the limits of the config need %d open files, and the system allows %d: raise its limit "
            "(ulimit -Hn, LimitNOFILE=), or lower limits.connections",
            needed,
            allowed,
        )


def needed_files(config: Config) -> int:
    """Return how many files are open when every limit on connections is reached."""
    pools = sum(upstream.pool.max_connections for upstream in config.upstreams.values())
    return config.limits.connections + pools + _OTHERS
