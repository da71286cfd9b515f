"""Names that resolve, names whose servers are silent, and who waits for which."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.resolving.aiohttp_resolver import AiohttpResolver
from proxy.resolving.resolver import Resolver, numeric

HERE = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
HERE_6 = (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", 80, 0, 0))


class System:
    """The system's resolver: names that begin with silent are told when ``go`` is set, bad ones are none."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[bytes] = []

    def getaddrinfo(self, host: bytes, port: int, **options: Any) -> list[Any]:
        assert options == {"type": socket.SOCK_STREAM}
        self.asked.append(host)
        if host.startswith(b"silent"):
            self.go.wait(20)
        if host.startswith(b"bad"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [HERE, HERE_6]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    system = System()
    monkeypatch.setattr(socket, "getaddrinfo", system.getaddrinfo)
    yield system
    system.go.set()


async def test_a_name_is_looked_up_each_time(system: System) -> None:
    resolver = Resolver()
    assert [await resolver.resolve("here.test", 80) for _ in range(2)] == [[HERE, HERE_6]] * 2
    assert system.asked == [b"here.test"] * 2


async def test_who_asks_while_a_lookup_is_under_way_shares_it(system: System) -> None:
    resolver = Resolver()
    asking = [asyncio.create_task(resolver.resolve("silent.test", 80)) for _ in range(50)]
    assert await resolver.resolve("here.test", 80) == [HERE, HERE_6]
    system.go.set()
    assert await asyncio.gather(*asking) == [[HERE, HERE_6]] * 50
    assert sorted(system.asked) == [b"here.test", b"silent.test"]


async def test_silent_names_hold_up_no_other(system: System) -> None:
    resolver = Resolver()
    for number in range(100):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resolver.resolve(f"silent{number % 50}.test", 80), 0.001)
    assert await resolver.resolve("here.test", 80)
    assert len(system.asked) == len(set(system.asked)) == 51


async def test_who_gives_up_does_not_end_the_lookup(system: System) -> None:
    resolver = Resolver()
    first, second = (asyncio.create_task(resolver.resolve("silent.test", 80)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    system.go.set()
    assert await second == [HERE, HERE_6]
    assert first.cancelled()


async def test_a_name_that_does_not_resolve_is_an_error_for_all_who_ask(system: System) -> None:
    resolver = Resolver()
    asking = [resolver.resolve("bad.test", 80) for _ in range(2)]
    for error in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(error, socket.gaierror)
    with pytest.raises(socket.gaierror):
        await resolver.resolve("bad.test", 80)


async def test_whatever_goes_wrong_is_an_error_for_who_asks_and_for_nobody_else(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    resolver = Resolver()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(OSError, match="MemoryError: no more"):
            await resolver.resolve("here.test", 80)
    assert await resolver.resolve("here.test", 80) == [HERE, HERE_6]


async def test_a_thread_that_cannot_be_started_is_an_error(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    resolver = Resolver()
    with pytest.raises(OSError, match="thread"):
        await resolver.resolve("here.test", 80)
    monkeypatch.undo()
    assert await resolver.resolve("localhost", 80)


async def test_a_thread_looks_up_name_after_name_and_ends_with_its_resolver(system: System) -> None:
    before = set(threading.enumerate())
    resolver = Resolver()
    for number in range(10):
        await resolver.resolve(f"here{number}.test", 80)
    (thread,) = set(threading.enumerate()) - before
    del resolver
    await asyncio.sleep(0)
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


def test_the_end_of_the_process_waits_for_no_lookup() -> None:
    program = """
import asyncio, contextlib, socket, time
from proxy.resolving.resolver import Resolver
socket.getaddrinfo = lambda *_, **__: time.sleep(600)
async def main():
    for number in range(20):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(Resolver().resolve("silent.test", number), 0.001)
    print("given up")
asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "given up\n", "")


def test_an_address_in_digits() -> None:
    assert numeric(HERE) == ("127.0.0.1", 80)
    assert numeric(HERE_6) == ("::1", 80)


@pytest.mark.parametrize(
    ("family", "hosts"),
    [(socket.AF_UNSPEC, ["127.0.0.1", "::1"]), (socket.AF_INET, ["127.0.0.1"]), (socket.AF_INET6, ["::1"])],
)
async def test_aiohttp_gets_the_addresses_of_a_family(
    system: System, family: socket.AddressFamily, hosts: list[str]
) -> None:
    found = await AiohttpResolver(Resolver()).resolve("here.test", 80, family)
    assert [each["host"] for each in found] == hosts
    assert {(each["hostname"], each["port"]) for each in found} == {("here.test", 80)}
