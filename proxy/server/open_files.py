"""The limit of open files, which every connection counts against, and every listener of a group.

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
    allowed = _allow(needed)
    if allowed < needed:
        _LOG.warning(
            "the limits of the config need %d open files, and the system allows %d: raise its limit "
            "(ulimit -Hn, LimitNOFILE=), or lower limits.connections",
            needed,
            allowed,
        )


def allow_group_files(config: Config, workers: int) -> None:
    """Raise the limit of the supervisor of so many workers, whose listeners it holds; warn likewise."""
    needed = needed_group_files(config, workers)
    allowed = _allow(needed)
    if allowed < needed:
        _LOG.warning(
            "the listeners of %d workers need %d open files, and the system allows %d: raise its limit "
            "(ulimit -Hn, LimitNOFILE=), or have fewer workers",
            workers,
            needed,
            allowed,
        )


def needed_files(config: Config) -> int:
    """Return how many files are open when every limit on connections is reached."""
    pools = sum(upstream.pool.max_connections for upstream in config.upstreams.values())
    return config.limits.connections + pools + _OTHERS


def needed_group_files(config: Config, workers: int) -> int:
    """Return how many files a supervisor has open at most.

    A worker has a channel and a block of counts. A listener is held for it by the config in use and by
    the next one, and copied for a message; a name as localhost is two of them.
    """
    listeners = 3 * 2 * len(config.listen)
    checked = sum(len(each.targets) for each in config.upstreams.values() if each.health_check is not None)
    return workers * (2 + listeners) + checked + _OTHERS


def _allow(needed: int) -> int:
    """Raise the limit to what is needed, as far as it may be; return what it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
