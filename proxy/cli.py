"""The ``traceward`` command."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from proxy import __version__

OK = 0
FAILED = 1
BAD_CONFIG = 2
WARNED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except BrokenPipeError:
        # Whoever read our output left: nothing is wrong here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="traceward", description="A reverse proxy that gives HTTP requests a correct W3C trace context."
    )
    parser.add_argument("--version", action="version", version=f"traceward {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the proxy")
    _add_config(run)
    run.set_defaults(command=_run)

    check = commands.add_parser("check", help="tell every error and warning of a config")
    _add_config(check)
    check.add_argument("--strict", action="store_true", help="exit with 3 where there are warnings")
    check.set_defaults(command=_check)

    explain = commands.add_parser("explain", help="tell what becomes of a request, and why")
    _add_config(explain)
    explain.add_argument("url", metavar="URL", help="a whole URL, as the client asks for it")
    explain.add_argument("-X", dest="method", default="GET", metavar="METHOD", help="default: GET")
    explain.add_argument(
        "-H",
        dest="headers",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header; may be repeated",
    )
    explain.add_argument(
        "--client", default="127.0.0.1", metavar="IP", help="the peer's address, or unix; default: 127.0.0.1"
    )
    explain.add_argument("--json", action="store_true", help="print one JSON object")
    explain.set_defaults(command=_explain)

    schema = commands.add_parser("schema", help="print the JSON Schema of the config, for editors")
    schema.set_defaults(command=_schema)

    demo = commands.add_parser("demo", help="run a sample API behind the proxy, with curl lines to try")
    demo.add_argument("--port", type=_port, default=8080, metavar="N", help="the proxy's port; default: 8080")
    demo.add_argument("--admin-port", type=_port, default=9901, metavar="N", help="default: 9901")
    demo.set_defaults(command=_demo)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", dest="config", type=Path, required=True, metavar="FILE", help="the config, YAML"
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: write a number from 0 to 65535")
    return int(text)


# Each command imports what it needs: the others start without it.


def _run(options: argparse.Namespace) -> int:
    from proxy.app import serve
    from proxy.config.problem import ConfigError
    from proxy.server.listeners import AddressTaken

    try:
        return serve(options.config, os.environ, _say)
    except ConfigError as error:
        _complain(str(error))
        return BAD_CONFIG
    except AddressTaken as error:
        _complain(f"traceward: {error}")
        return FAILED


def _check(options: argparse.Namespace) -> int:
    from proxy.config.lint import lint
    from proxy.config.load import load_config
    from proxy.config.problem import ConfigError

    try:
        loaded = load_config(options.config, os.environ)
    except ConfigError as error:
        _complain(str(error))
        return BAD_CONFIG
    warnings = lint(loaded)
    for warning in warnings:
        _complain(str(warning))
    count = len(loaded.config.tracing.rules)
    rules = "1 rule" if count == 1 else f"{count} rules"
    print(
        f"{options.config}: valid, {rules}, {len(warnings)} warnings"
        if warnings
        else f"{options.config}: valid, {rules}"
    )
    return WARNED if warnings and options.strict else OK


def _explain(options: argparse.Namespace) -> int:
    from proxy.config.compile import compile_policy
    from proxy.config.load import load_config
    from proxy.config.problem import ConfigError
    from proxy.explain import Question, explain
    from proxy.message.error import RefusedMessage
    from proxy.tracecontext.ids import IdSource

    def complain_of_matcher(rule: str, error: Exception) -> None:
        _complain(
            f"the function of rule {rule} raised {type(error).__name__}: {error}; it counts as no match"
        )

    try:
        policy = compile_policy(load_config(options.config, os.environ).config, complain_of_matcher)
        headers = tuple(_header(text) for text in options.headers)
        question = Question(options.url, options.method, headers, options.client)
        explanation = explain(policy, question, IdSource(os.urandom), time.monotonic())
    except (ConfigError, RefusedMessage, ValueError) as error:
        _complain(f"traceward: {error.detail}" if isinstance(error, RefusedMessage) else str(error))
        return BAD_CONFIG
    if options.json:
        print(json.dumps(explanation.to_json(), indent=2))
    else:
        from proxy.explain_text import write_explanation

        print(write_explanation(explanation))
    return OK


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"-H {text!r} is not a header: write 'name: value'")
    return name.strip().encode("utf-8", "surrogateescape"), value.strip(" \t").encode(
        "utf-8", "surrogateescape"
    )


def _schema(options: argparse.Namespace) -> int:
    from proxy.config.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return OK


def _demo(options: argparse.Namespace) -> int:
    from proxy.demo.command import run_demo
    from proxy.server.listeners import AddressTaken

    try:
        return run_demo(options.port, options.admin_port, _say)
    except AddressTaken as error:
        _complain(f"traceward: {error}")
        return FAILED


def _say(line: str) -> None:
    print(line, flush=True)


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
