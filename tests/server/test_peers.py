"""The proxy in its own process between programs that are not ours: curl, nginx, Python's http.server."""

import hashlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.rig import free_port

if TYPE_CHECKING:
    from tests.conftest import RunningProxy

pytestmark = pytest.mark.peer

SIZE = 64 << 20
NGINX = "/usr/sbin/nginx"
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None and not Path(NGINX).exists(), reason="nginx is not installed"
)
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; root {folder}/files; client_max_body_size 0;
    location /put/ {{ dav_methods PUT; }}
    location /echo {{ return 200 "$http_traceparent|$http_host|$http_x_forwarded_for"; }}
  }}
}}
"""


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while True:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files/big, files/empty and files/put/."""
    folder = tmp_path_factory.mktemp("peer")
    # The workers of an nginx that root starts are nobody.
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755)
    files = folder / "files"
    files.mkdir()
    (files / "put").mkdir()
    (files / "put").chmod(0o777)
    block = hashlib.shake_256(b"big").digest(1 << 20)
    with (files / "big").open("wb") as file:
        for number in range(SIZE >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])
    (files / "empty").touch()
    return folder


@pytest.fixture(scope="module")
def nginx(folder: Path, start_proxy: "Callable[..., RunningProxy]") -> Iterator[str]:
    """The URL of a proxy in front of nginx."""
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, port=port))
    process = subprocess.Popen([NGINX, "-c", str(conf), "-p", str(folder)], stderr=subprocess.DEVNULL)
    wait_for(port, process)
    yield _proxy(start_proxy, port)
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture(scope="module")
def http_server(folder: Path, start_proxy: "Callable[..., RunningProxy]") -> Iterator[str]:
    """The URL of a proxy in front of Python's http.server."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(folder / "files")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(port, process)
    yield _proxy(start_proxy, port)
    process.terminate()
    process.wait(timeout=10)


def _proxy(start_proxy: "Callable[..., RunningProxy]", port: int) -> str:
    running = start_proxy(
        f"listen: 127.0.0.1:0\nadmin: {{listen: 127.0.0.1:0}}\nupstream: http://127.0.0.1:{port}\n"
        "tracing: {sample_rate: 100, rules: [{match: /echo}]}\n"
    )
    return running.urls[0]


def curl(*arguments: str) -> bytes:
    return subprocess.run(
        ["curl", "-sS", "--fail-with-body", "--max-time", "50", *arguments],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


@needs_nginx
@needs_curl
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_a_file_from_nginx_is_exact(nginx: str, folder: Path, tmp_path: Path, version: str) -> None:
    curl(version, "-o", str(tmp_path / "got"), f"{nginx}/big")
    assert digest(tmp_path / "got") == digest(folder / "files" / "big")


@needs_nginx
@needs_curl
def test_a_range_from_nginx_is_exact(nginx: str, folder: Path) -> None:
    got = curl("-i", "-r", "1048570-1048599", f"{nginx}/big")
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 206 Partial Content\r\n")
    assert b"Content-Range: bytes 1048570-1048599/%d" % SIZE in head
    with (folder / "files" / "big").open("rb") as file:
        file.seek(1048570)
        assert body == file.read(30)


@needs_nginx
@needs_curl
@pytest.mark.parametrize("coding", [[], ["-H", "Transfer-Encoding: chunked"]], ids=["length", "chunked"])
def test_an_upload_to_nginx_is_exact(nginx: str, folder: Path, coding: list[str]) -> None:
    big = folder / "files" / "big"
    (folder / "files" / "put" / "up").unlink(missing_ok=True)
    curl("-T", str(big), *coding, f"{nginx}/put/up")
    assert digest(folder / "files" / "put" / "up") == digest(big)


@needs_nginx
@needs_curl
def test_an_empty_file_and_head_from_nginx(nginx: str) -> None:
    assert curl(f"{nginx}/empty") == b""
    assert b"Content-Length: %d\r\n" % SIZE in curl("-I", f"{nginx}/big")


@needs_nginx
@needs_curl
def test_a_file_that_did_not_change_is_a_304(nginx: str) -> None:
    head = curl("-I", f"{nginx}/empty").decode()
    etag = next(line.split(": ")[1] for line in head.splitlines() if line.startswith("ETag"))
    assert curl("-i", "-H", f"If-None-Match: {etag}", f"{nginx}/empty").startswith(b"HTTP/1.1 304 ")


@needs_nginx
@needs_curl
def test_nginx_sees_the_trace_and_the_client(nginx: str) -> None:
    traceparent, host, client = curl("-H", "Host: shop.test", f"{nginx}/echo").decode().split("|")
    assert traceparent.startswith("00-")
    assert traceparent.endswith("-01")
    assert (host, client) == ("shop.test", "127.0.0.1")


@needs_nginx
@needs_curl
def test_many_files_over_one_connection(nginx: str) -> None:
    got = curl("-w", "%{num_connects}", *[f"{nginx}/echo"] * 20)
    assert got.count(b"-01|") == 20
    assert got.endswith(b"0")


@needs_curl
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_a_file_from_http_server_is_exact(
    http_server: str, folder: Path, tmp_path: Path, version: str
) -> None:
    curl(version, "-o", str(tmp_path / "got"), f"{http_server}/big")
    assert digest(tmp_path / "got") == digest(folder / "files" / "big")


@needs_curl
def test_a_listing_and_a_missing_file_from_http_server(http_server: str) -> None:
    assert b"big" in curl(f"{http_server}/")
    answer = subprocess.run(["curl", "-sS", "-i", f"{http_server}/no"], stdout=subprocess.PIPE, check=True)
    assert answer.stdout.startswith(b"HTTP/1.1 404 File not found\r\n")


def resident(pid: int) -> int:
    """Bytes of memory that a process holds now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)


def peak(pid: int) -> int:
    """Bytes of memory that a process ever held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)


def exchange_bodies(server: socket.socket, size: int) -> None:
    """Take a body of that size, and answer with another."""
    peer, _ = server.accept()
    with peer:
        came = b""
        while b"\r\n\r\n" not in came:
            came += peer.recv(65536)
        left = size - len(came.partition(b"\r\n\r\n")[2])
        while left:
            left -= len(peer.recv(1 << 20))
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        part = bytes(1 << 20)
        for _ in range(size >> 20):
            peer.sendall(part)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_a_body_of_one_gibibyte_costs_a_few_mebibytes(start_proxy: "Callable[..., RunningProxy]") -> None:
    size = 1 << 30
    with socket.create_server(("127.0.0.1", 0)) as server:
        running = start_proxy(
            "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n"
            f"upstream: http://127.0.0.1:{server.getsockname()[1]}\n"
        )
        before = resident(running.process.pid)
        upstream = threading.Thread(target=exchange_bodies, args=(server, size))
        upstream.start()
        with socket.create_connection(("127.0.0.1", running.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % size)
            part = bytes(1 << 20)
            for _ in range(size >> 20):
                client.sendall(part)
            came = b""
            while b"\r\n\r\n" not in came:
                came += client.recv(65536)
            assert came.startswith(b"HTTP/1.1 200 OK\r\n")
            left = size - len(came.partition(b"\r\n\r\n")[2])
            while left:
                data = client.recv(1 << 20)
                assert data
                left -= len(data)
        upstream.join()
        assert peak(running.process.pid) - before < 8 << 20
