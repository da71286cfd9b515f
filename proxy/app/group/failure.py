"""Why a group of workers does not serve, apart from the supervisor, which one process does without."""


class WorkersFailed(OSError):
    """The workers do not start; the text says why, as far as it is known."""
