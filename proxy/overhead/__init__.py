"""``traceward overhead``: what tracing costs, as a running proxy's own metrics tell it."""
