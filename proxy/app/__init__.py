"""The composition root: a config, made into a proxy that serves, reloads and drains."""
