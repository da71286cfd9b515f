"""What the proxy holds under load and faults: ``python -m bench.faults [--small] [NAME...]``.

Each scenario has an origin, a proxy and its load each in a process of its own, prints one line of
figures, and fails where a promise does not hold; then the exit status is 1. ``--small`` does less of each.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import uvloop

from bench.report import Report
from bench.rig import Rig
from bench.scenarios.drain import drain
from bench.scenarios.keep_alive import pauses
from bench.scenarios.load import idle, load
from bench.scenarios.memory import MEBIBYTE, slow_readers, transfer
from bench.scenarios.reloads import reloads
from bench.scenarios.restarts import restarts
from bench.scenarios.slow_senders import slow_senders
from bench.scenarios.worker_kills import worker_kills

#: How long a scenario may take, seconds: nothing in it is to wait forever.
PATIENCE = 150


class Scenario(NamedTuple):
    """A scenario, and its arguments in a small size."""

    run: Callable[..., Awaitable[None]]
    small: Mapping[str, object]


SCENARIOS = {
    "load": Scenario(load, {"connections": 100, "requests": 1_000}),
    "idle": Scenario(idle, {"connections": 500}),
    "transfer": Scenario(transfer, {"size": 16 * MEBIBYTE, "pace": 128 * MEBIBYTE}),
    "slow-readers": Scenario(slow_readers, {"readers": 20, "seconds": 0.3, "whole": 2}),
    "slow-senders": Scenario(slow_senders, {"senders": 20, "seconds": 1.5, "rounds": 1}),
    "restarts": Scenario(restarts, {"kills": 1, "clients": 16, "up": 0.3, "down": 0.2}),
    "pauses": Scenario(pauses, {"clients": 20, "cases": ((0.5, (0.8,)),)}),
    "drain": Scenario(drain, {"stops": 1, "clients": 16}),
    "reloads": Scenario(reloads, {"groups": (2,), "hang_ups": 2, "clients": 16}),
    "worker-kills": Scenario(worker_kills, {"kills": 1, "clients": 16, "apart": 0.5}),
}


async def run(name: str, *, small: bool) -> Report:
    """Run a scenario; return what it found."""
    report = Report(name)
    scenario = SCENARIOS[name]
    async with Rig() as rig:
        try:
            async with asyncio.timeout(PATIENCE):
                await scenario.run(rig, report, **(scenario.small if small else {}))
        except Exception as error:  # whatever it is, the other scenarios are still to be run
            report.require(False, f"{type(error).__name__}: {error}")
        report.require("Traceback" not in rig.log, f"a process logged an exception:\n{rig.log}")
    return report


def main() -> int:
    """Run what is named, or all; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="less of each, for a few seconds")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}; all unless named"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    status = 0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for name in arguments.names or SCENARIOS:
            report = runner.run(run(name, small=arguments.small))
            print(report, flush=True)
            status |= bool(report.faults)
    return status


if __name__ == "__main__":
    sys.exit(main())
