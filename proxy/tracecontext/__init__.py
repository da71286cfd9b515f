"""Grammars of the trace-context headers. Pure: imports nothing of the other packages."""
