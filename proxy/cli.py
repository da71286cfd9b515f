"""The ``traceward`` command."""

import argparse
import gc
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO, TypeAlias

from proxy import COMPILED, __version__

OK = 0
FAILED = 1
BAD_CONFIG = 2
WARNED = 3
INTERRUPTED = 130

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return INTERRUPTED


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="traceward",
        description="A reverse proxy that gives HTTP requests a correct, sampled W3C trace context.",
        epilog="traceward COMMAND --help tells more of one. To see it work: traceward demo",
    )
    version = f"traceward {__version__}{' (compiled)' if COMPILED else ''}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_run, _add_check, _add_explain, _add_overhead, _add_schema, _add_demo):
        add(commands)
    return parser


def _add_run(commands: _Commands) -> None:
    parser = _add(
        commands,
        "run",
        _run,
        "run the proxy",
        "Run the proxy until SIGTERM or SIGINT, then finish what is in flight. Prints a line for each "
        "listener once it accepts connections. Exit status: 0 after a clean end, 1 where an address is "
        "taken or drain_timeout cut requests short, 2 for a bad config.",
    )
    _add_config(parser)


def _add_check(commands: _Commands) -> None:
    parser = _add(
        commands,
        "check",
        _check,
        "tell every error and warning of a config",
        "Tell every error of a config at once, or its warnings, on stderr. Exit status: 0, 2 for errors, "
        "3 for warnings with --strict.",
    )
    _add_config(parser)
    parser.add_argument("--strict", action="store_true", help="exit with 3 where there are warnings")


def _add_explain(commands: _Commands) -> None:
    parser = _add(
        commands,
        "explain",
        _explain,
        "tell what becomes of a request, and why",
        "Tell what the proxy would do with a request, and why: the rule, the decision, and the header "
        "lines before and after. Nothing is sent.",
    )
    _add_config(parser)
    parser.add_argument("url", metavar="URL", help="a whole URL, as the client asks for it")
    parser.add_argument("-X", dest="method", default="GET", metavar="METHOD", help="the method; default: GET")
    parser.add_argument(
        "-H",
        dest="headers",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header of the request; may be repeated",
    )
    parser.add_argument(
        "--client",
        default="127.0.0.1",
        metavar="IP",
        help="who connects: an address, or unix; default: 127.0.0.1",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_overhead(commands: _Commands) -> None:
    parser = _add(
        commands,
        "overhead",
        _overhead,
        "tell what tracing costs, from a running proxy's metrics",
        "Tell what tracing costs, from the metrics of a running proxy: for each rule its requests, its rate "
        "as configured and as it was, the time to decide, the proxy's own time for requests sampled and "
        "not sampled, and bytes added; then what sampling all of them would cost. Exit status: 0; 1 where "
        "the metrics cannot be had or tell of no request; 2 for what is no URL.",
    )
    parser.add_argument("url", metavar="URL", help="http://127.0.0.1:9901/metrics, or - for standard input")
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_seconds,
        metavar="DURATION",
        help="ask twice, so long apart, and tell of what came in between, such as 30s; "
        "default: of all since the proxy started",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, times in seconds")


def _add_schema(commands: _Commands) -> None:
    text = "print the JSON Schema of the config, for editors"
    _add(commands, "schema", _schema, text, f"{text[0].upper()}{text[1:]}.")


def _add_demo(commands: _Commands) -> None:
    parser = _add(
        commands,
        "demo",
        _demo,
        "run a sample API behind the proxy, with curl lines to try",
        "Run a sample API with the proxy in front of it, on 127.0.0.1, and print curl lines to paste into "
        "another terminal. Ctrl-C ends it.",
    )
    parser.add_argument(
        "--port", type=_port, default=8080, metavar="N", help="the proxy's port; default: 8080"
    )
    parser.add_argument(
        "--admin-port", type=_port, default=9901, metavar="N", help="the admin port; default: 9901"
    )


def _add(
    commands: _Commands,
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
    description: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=description)
    parser.set_defaults(command=command)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", dest="config", type=Path, required=True, metavar="FILE", help="the config, YAML"
    )


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    seconds = float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write one such as 30s or 5m")
    return seconds


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: write a number from 0 to 65535")
    return int(text)


# Each command imports what it needs: the others start without it.


def _run(options: argparse.Namespace) -> int:
    from proxy.app.early_hangup import EarlyHangup

    # Before the other imports, which take most of a start.
    EarlyHangup.install()

    # What is imported stays: the collector would walk it again and again.
    gc.disable()
    from proxy.app.group.failure import WorkersFailed
    from proxy.app.serve import serve
    from proxy.config.problem import ConfigError
    from proxy.server.listeners import AddressTaken

    gc.freeze()
    gc.enable()
    try:
        return serve(options.config, os.environ, _say)
    except ConfigError as error:
        _complain(str(error))
        return BAD_CONFIG
    except (AddressTaken, WorkersFailed) as error:
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
    found = "" if not warnings else ", 1 warning" if len(warnings) == 1 else f", {len(warnings)} warnings"
    _print(f"{options.config}: valid, {rules}{found}")
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
        config = load_config(options.config, os.environ).config
        policy = compile_policy(config, complain_of_matcher)
        headers = tuple(_header(text) for text in options.headers)
        question = Question(options.url, options.method, headers, options.client)
        explanation = explain(policy, config.upstreams, question, IdSource(os.urandom), time.monotonic())
    except ConfigError as error:
        _complain(str(error))
        return BAD_CONFIG
    except RefusedMessage as error:
        _complain(f"traceward: {error.detail}")
        return BAD_CONFIG
    except ValueError as error:
        _complain(f"traceward: {error}")
        return BAD_CONFIG
    if options.json:
        _print(json.dumps(explanation.to_json(), indent=2))
    else:
        from proxy.explain_text import write_explanation

        _print(write_explanation(explanation))
    return OK


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"-H {text!r} is not a header: write 'name: value'")
    return name.strip().encode("utf-8", "surrogateescape"), value.strip(" \t").encode(
        "utf-8", "surrogateescape"
    )


def _overhead(options: argparse.Namespace) -> int:
    from proxy.overhead.command import ask
    from proxy.overhead.reading import Unreadable, check_url
    from proxy.overhead.text import write_report

    try:
        url = options.url if options.url == "-" and options.seconds is None else check_url(options.url)
        report = ask(url, options.seconds)
    except ValueError as error:
        _complain(f"traceward: {error}")
        return BAD_CONFIG
    except Unreadable as error:
        _complain(f"traceward: {error}")
        return FAILED
    _print(json.dumps(report.to_json(), indent=2) if options.json else write_report(report))
    return OK


def _schema(options: argparse.Namespace) -> int:
    from proxy.config.json_schema import json_schema

    _print(json.dumps(json_schema(), indent=2))
    return OK


def _demo(options: argparse.Namespace) -> int:
    from proxy.demo.command import run_demo
    from proxy.server.listeners import AddressTaken

    try:
        return run_demo(options.port, options.admin_port, _say)
    except AddressTaken as error:
        _complain(f"traceward: {error}; --port and --admin-port name others")
        return FAILED


def _print(text: str) -> None:
    """Print a result; ends the command where it cannot be written, unless nobody reads it any more."""
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        pass
    except OSError as error:
        _complain(f"traceward: the output cannot be written: {error.strerror}")
        raise SystemExit(FAILED) from None


def _say(line: str) -> None:
    """Print a line of a proxy that serves on where nobody reads it."""
    try:
        _write(sys.stdout, line)
    except OSError:
        pass


def _complain(text: str) -> None:
    try:
        _write(sys.stderr, text)
    except OSError:
        pass


def _write(stream: TextIO, text: str) -> None:
    # In one piece even where the stream is not buffered: the access log goes to stdout too.
    line = f"{text}\n"
    try:
        print(line, end="", file=stream, flush=True)
    except UnicodeEncodeError:
        print(line.encode("ascii", "backslashreplace").decode(), end="", file=stream, flush=True)
    except OSError:
        # What is left in the buffer would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise
