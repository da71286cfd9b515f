"""What nginx and HAProxy do with the attacks of tests/attacks: ``python -m bench.attacks [--all]``.

The same bytes go to each proxy, which stands before an upstream that records what reaches it (for
requests) or answers with the bytes of the case (for responses). Printed are the cases in which a
peer does not what Traceward does, or all of them, and how many each refuses and passes on. Servers
that are not installed are left out, and that is said.
"""

import argparse
import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import h11

from proxy.server.transport import abort
from tests.attacks.cases import PROBE, Passed, Refused, RequestCase, ResponseCase
from tests.attacks.recorder import Recorder, read_requests, read_response
from tests.attacks.request_corpus import REQUESTS
from tests.attacks.response_corpus import RESPONSES

#: How long nothing must come for a proxy to have said all, seconds. Too short for a busy machine.
QUIET = 0.15
PORTS = {"nginx": 19_011, "haproxy": 19_012, "traceward": 19_013}
NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {content}
}}
"""
NGINX_PROXY = """upstream api {{ server 127.0.0.1:{upstream}; keepalive 16; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $http_host; proxy_request_buffering off;
    proxy_buffering off; proxy_read_timeout 5s; }} }}"""
HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 2s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{upstream}
"""
TRACEWARD = "listen: 127.0.0.1:{port}\nupstream: http://127.0.0.1:{upstream}\nadmin: {{listen: null}}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.attacks", description=__doc__)
    parser.add_argument("--all", action="store_true", help="print the cases too in which all do the same")
    show_all = parser.parse_args(arguments).all
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers are nobody
        return asyncio.run(compare(folder, show_all=show_all))


async def compare(folder: Path, *, show_all: bool) -> int:
    """Put every case to every proxy."""
    recorder, answerer = Recorder(), Answerer()
    await recorder.start()
    await answerer.start()
    requests = [case for case in REQUESTS if not case.config]
    columns: dict[str, list[str]] = {}
    answers: dict[str, list[str]] = {}
    for proxy in ("traceward", "nginx", "haproxy"):
        if proxy != "traceward" and shutil.which(proxy) is None:
            print(f"{proxy} is not installed: left out", file=sys.stderr)
            continue
        async with running(proxy, folder, recorder.port) as port:
            columns[proxy] = [await put_request(case, port, recorder) for case in requests]
        async with running(proxy, folder, answerer.port) as port:
            answers[proxy] = [await put_response(case, port, answerer) for case in RESPONSES]
    print_table("request", [case.id for case in requests], columns, show_all=show_all)
    print_table("response", [case.id for case in RESPONSES], answers, show_all=show_all)
    recorder.close()
    answerer.close()
    return 0


@asynccontextmanager
async def running(proxy: str, folder: Path, upstream: int) -> AsyncIterator[int]:
    """Run a proxy in front of an upstream's port; give its own."""
    command = write_config(proxy, folder, upstream)
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if await accepts(PORTS[proxy]):
                break
            await asyncio.sleep(0.05)
        yield PORTS[proxy]
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


def write_config(proxy: str, folder: Path, upstream: int) -> list[str]:
    """Write a proxy's config; return its command."""
    port = PORTS[proxy]
    file = folder / f"{proxy}.conf"
    if proxy == "nginx":
        content = NGINX_PROXY.format(port=port, upstream=upstream)
        file.write_text(NGINX.format(folder=folder, content=content))
        return ["nginx", "-e", str(folder / "error"), "-c", str(file)]
    if proxy == "haproxy":
        file.write_text(HAPROXY.format(port=port, upstream=upstream))
        return ["haproxy", "-q", "-f", str(file)]
    file.write_text(TRACEWARD.format(port=port, upstream=upstream))
    return [sys.executable, "-m", "proxy", "run", "-c", str(file)]


async def accepts(port: int) -> bool:
    """Whether somebody listens on a port."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


async def put_request(case: RequestCase, port: int, recorder: Recorder) -> str:
    """Send a case; say what the client and the upstream saw of it."""
    recorder.forget()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for piece in case.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)
    answer = await receive(reader)
    writer.close()
    statuses = [
        line.split(b" ", 2)[1].decode() for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")
    ]
    got = f"forwards {len(recorder.requests)}" if recorder.requests else ""
    if recorder.faults:
        got = f"{got} + unreadable".removeprefix(" + ")
    elif not recorder.requests and recorder.received:
        got = "forwards a part"
    refused = next((status for status in statuses if status[0] in "45"), "")
    if not refused and not got:
        refused = "waits" if not statuses else statuses[0]
    expected = case.expect.after if isinstance(case.expect, Refused) else case.expect.messages
    if recorder.requests and not recorder.faults and not same_starts(recorder, expected):
        more = isinstance(case.expect, Refused) and len(recorder.requests) > len(expected)
        got += " (Traceward fewer)" if more else " otherwise"
    return ", ".join(word for word in (got, refused) if word)


def same_starts(recorder: Recorder, expected: Sequence[bytes]) -> bool:
    """Whether the upstream got requests of the same methods, targets and bodies as it should."""
    ours = [(message.start, message.body) for message in read_requests(b"".join(expected))]
    return ours == [(message.start, message.body) for message in recorder.requests]


async def receive(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the end, or until nothing comes."""
    data = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while part := await asyncio.wait_for(reader.read(1 << 16), QUIET):
            data += part
    return data


class Answerer:
    """An upstream that answers every request with the bytes of a case."""

    def __init__(self) -> None:
        self.port = 0
        self.case: ResponseCase | None = None
        self._server: asyncio.Server | None = None
        self._ends = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET /probe ") or self.case is None:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe")
                    continue
                for piece in self.case.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005)
                if self.case.end == "reset":
                    abort(cast("asyncio.Transport", writer.transport))
                elif self.case.end == "close":
                    writer.close()
                if self.case.end != "open":
                    return


async def put_response(case: ResponseCase, port: int, answerer: Answerer) -> str:
    """Send a request whose answer is the case, and another; say what the client saw."""
    answerer.case = case
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(case.request)
    data = await receive(reader)
    said = read_answer(data, case.request.partition(b" ")[0], ended=reader.at_eof())
    if said == "passes":
        if not isinstance(case.expect, Passed):
            said = "passes what Traceward does not"
        if not reader.at_eof():
            writer.write(PROBE)
            following = await receive(reader)
            if following and not following.endswith(b"probe"):
                said = "gives the next request another answer"
    writer.close()
    return said


def read_answer(data: bytes, method: bytes, *, ended: bool) -> str:
    """Say what a client makes of bytes: passes, a status of the proxy, cut off, unreadable."""
    try:
        message = read_response(data, ended=False, method=method)
    except h11.RemoteProtocolError:
        return "unreadable"
    if message is None and ended:
        with contextlib.suppress(h11.RemoteProtocolError):
            message = read_response(data, ended=True, method=method)
    if message is None:
        return "cut off"
    return message.start[:3].decode() if message.start[:3] in (b"500", b"502", b"504") else "passes"


def print_table(title: str, ids: Sequence[str], columns: dict[str, list[str]], *, show_all: bool) -> None:
    """Print one row a case, and the counts."""
    width = max(map(len, ids)) + 2
    print(f"\n{title:<{width}}" + "".join(f"{proxy:<42}" for proxy in columns))
    for row, name in enumerate(ids):
        cells = [column[row] for column in columns.values()]
        if show_all or len(set(cells)) > 1:
            print(f"{name:<{width}}" + "".join(f"{cell:<42}" for cell in cells))
    print(f"\n{len(ids)} cases: {title}s")
    for proxy, column in columns.items():
        counts = Counter(group(cell) for cell in column)
        print(f"{proxy:<12}" + ", ".join(f"{word}: {count}" for word, count in sorted(counts.items())))


_COUNTED = {
    "another answer": "gives the next request another answer",
    "unreadable": "unreadable to h11",
    "Traceward": "passed on, what Traceward does not",
    "otherwise": "passed on otherwise",
    "forwards a part": "passed on in part",
    "forwards": "passed on alike",
    "passes": "passed on alike",
}


def group(cell: str) -> str:
    """Return what is counted of a cell."""
    for word, counted in _COUNTED.items():
        if word in cell:
            return counted
    return "refused" if cell[:1] in "45" else cell


if __name__ == "__main__":
    sys.exit(main())
