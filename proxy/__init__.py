"""Traceward, a reverse proxy that gives HTTP requests a correct W3C trace context.

One request, one direction:

* ``server`` reads bytes into a ``RequestHead`` and drives one ``Exchange`` for each request;
* ``exchange`` asks the ``policy`` modules, one decision a file, and answers ``Forward`` or
  ``Respond``; it does no I/O, so ``explain`` and the aiohttp middleware drive the very same code;
* ``tracecontext`` and ``message`` are the grammars: trace headers, and HTTP heads;
* ``config`` turns one YAML file into the frozen ``Policy`` that an exchange reads;
* ``observability`` and ``admin`` count what was decided and show it;
* ``app`` composes all of these, ``cli`` is the command line.

Each imports only rightward:
``cli -> app -> admin -> server | observability -> config -> exchange -> policy -> tracecontext | message``.
"""

from importlib.util import find_spec

__version__ = "0.1.0"


def _is_compiled() -> bool:
    spec = find_spec("proxy.exchange")
    return spec is not None and spec.origin is not None and not spec.origin.endswith(".py")


#: Whether the modules that a request runs through are machine code, as in the compiled wheel.
COMPILED = _is_compiled()
