"""Raw sockets around a proxy: what goes in, and the very bytes that reach the upstream."""

import itertools
import json
import random
import socket
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from proxy.client import Policy
from proxy.config.compile import compile_policy
from proxy.config.load import load_text
from proxy.config.upstream import Upstream as UpstreamSettings
from proxy.explain import Explanation, Question, explain
from proxy.tracecontext.formats import CONTEXT_FIELDS
from proxy.tracecontext.ids import IdSource

HOST = "api.example.com"
#: With this line a request comes from nobody that the configs here trust.
STRANGER = b"X-Forwarded-For: 192.0.2.1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
OWS = b" \t"

#: How many requests are on their way at a time: so few that no socket buffer fills up.
_PIPELINED = 32

Line = tuple[bytes, bytes]


class Running(Protocol):
    """A proxy that ``start_proxy`` started."""

    admin_url: str

    @property
    def port(self) -> int: ...

    def admin(self, path: str) -> str: ...


class RecordingUpstream:
    """A server that keeps each request head by its target, and answers 200 or what ``answers`` says."""

    def __init__(self) -> None:
        self.heads: dict[bytes, bytes] = {}
        self.answers: dict[bytes, bytes] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        # A proxy that is killed resets its connections.
        with connection, suppress(ConnectionError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.recv(65536):
                received += data
                while (end := received.find(b"\r\n\r\n") + 4) > 3:
                    head, received = received[:end], received[end:]
                    target = head.split(b" ", 2)[1]
                    self.heads[target] = head
                    connection.sendall(self.answers.get(target, OK))


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    status: int
    fields: list[Line]
    body: bytes

    def get_all(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.fields if each.lower() == name]


class Wire:
    """One client connection, kept alive."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def close(self) -> None:
        self._socket.close()

    def exchange(self, requests: Sequence[bytes]) -> list[Answer]:
        """Send requests in pipelined batches; return their answers. None of them has a body, nor is HEAD."""
        answers = []
        for start in range(0, len(requests), _PIPELINED):
            batch = requests[start : start + _PIPELINED]
            self._socket.sendall(b"".join(batch))
            answers += [self._read_answer() for _ in batch]
        return answers

    def ask_last(self, request: bytes) -> bytes:
        """Send a request that ends the connection; return all that comes."""
        self._socket.sendall(request)
        while data := self._socket.recv(65536):
            self._received += data
        return self._received

    def _read_answer(self) -> Answer:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            self._fill()
        lines = self._received[:end].split(b"\r\n")
        fields = [_split_line(line) for line in lines[1:]]
        sizes = [value for name, value in fields if name.lower() == b"content-length"]
        size = int(sizes[0]) if sizes else 0
        while len(self._received) < end + 4 + size:
            self._fill()
        body = self._received[end + 4 : end + 4 + size]
        self._received = self._received[end + 4 + size :]
        return Answer(int(lines[0].split(b" ")[1]), fields, body)

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise AssertionError(f"the proxy closed the connection after {self._received!r}")
        self._received += data


@dataclass(frozen=True)
class Sent:
    """One request, what the upstream got of it (None: nothing), and what the client got."""

    method: str
    target: str
    lines: tuple[bytes, ...]
    head: bytes | None
    answer: Answer

    @property
    def fields(self) -> list[Line]:
        """The field lines that reached the upstream, in order."""
        assert self.head is not None, f"nothing of {self.target} reached the upstream: {self.answer}"
        return [_split_line(line) for line in self.head[:-4].split(b"\r\n")[1:]]

    @property
    def context(self) -> list[Line]:
        """Those of them that carry a trace context."""
        return [line for line in self.fields if line[0].lower() in CONTEXT_FIELDS]

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the values of a field (lower-case name) that reached the upstream."""
        return [value for each, value in self.fields if each.lower() == name]

    @property
    def question(self) -> Question:
        """The same request, for ``explain``."""
        headers = tuple(_split_line(line) for line in self.lines)
        return Question(f"http://{HOST}{self.target}", self.method, headers)


@dataclass(repr=False)
class Live:
    """A proxy, the upstream behind it, and the policy that the same config compiles to here."""

    config: str
    running: Running
    upstream: RecordingUpstream
    policy: Policy = field(init=False)
    _upstreams: Mapping[str, UpstreamSettings] = field(init=False)
    _wire: Wire = field(init=False)
    _serial: "itertools.count[int]" = field(init=False)

    def __post_init__(self) -> None:
        loaded = load_text(self.config.encode(), Path("conformance.yaml"), {})
        self.policy = compile_policy(loaded.config, _never)
        self._upstreams = loaded.config.upstreams
        self._wire = Wire(self.running.port)
        self._serial = itertools.count(self.running.port * 1_000_000)

    def close(self) -> None:
        self._wire.close()

    def send(self, place: str, *lines: bytes, method: str = "GET", answer: bytes | None = None) -> Sent:
        """Send one request with these field lines to a path below ``place``."""
        target = self._target(place)
        if answer is not None:
            self.upstream.answers[target.encode()] = answer
        return self._exchange([(target, lines)], method)[0]

    def send_all(self, place: str, requests: Sequence[Sequence[bytes]]) -> list[Sent]:
        """Send many requests, pipelined."""
        return self._exchange([(self._target(place), tuple(lines)) for lines in requests], "GET")

    def send_raw(self, place: str, *lines: bytes) -> tuple[bytes, bool]:
        """Send one request on a connection of its own; return all that came, and if it went upstream."""
        target = self._target(place)
        wire = Wire(self.running.port)
        try:
            return wire.ask_last(_encode("GET", target, lines)), target.encode() in self.upstream.heads
        finally:
            wire.close()

    def explain(self, sent: Sent) -> Explanation:
        """Explain a request that was sent, with the new ids that its trace was given, if any."""
        return self.explain_with(sent.question, *new_ids(sent))

    def explain_with(self, question: Question, trace_id: str = "", span_id: str = "") -> Explanation:
        """Explain with new ids: those given, then low ones, which rates below 99 do not sample."""
        block = bytes.fromhex(trace_id + span_id) + b"\x01" * 4096
        return explain(self.policy, self._upstreams, question, IdSource(lambda size: block[:size]), 1.0)

    def ask(self, question: Question) -> dict[str, Any]:
        """Ask ``POST /api/explain``."""
        headers = [[part.decode("latin-1") for part in line] for line in question.headers]
        body = {"url": question.url, "method": question.method, "headers": headers, "client": question.client}
        request = urllib.request.Request(
            f"{self.running.admin_url}/api/explain", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def _target(self, place: str) -> str:
        return f"{place}{next(self._serial)}"

    def _exchange(self, requests: Sequence[tuple[str, tuple[bytes, ...]]], method: str) -> list[Sent]:
        heads_out = [_encode(method, target, lines) for target, lines in requests]
        try:
            answers = self._wire.exchange(heads_out)
        except BaseException:
            # Answers that nobody read must not be taken for those of the next requests.
            self._wire.close()
            self._wire = Wire(self.running.port)
            raise
        heads: Mapping[bytes, bytes] = self.upstream.heads
        return [
            Sent(method, target, lines, heads.get(target.encode()), answer)
            for (target, lines), answer in zip(requests, answers, strict=True)
        ]


def new_ids(sent: Sent) -> tuple[str, str]:
    """Return the ids that the proxy made for a request, each empty where it made none."""
    came = b"\n".join(sent.lines)
    trace_id, span_id = _sent_ids(sent)
    return "" if _occurs(trace_id[16:], came) else trace_id, "" if _occurs(span_id, came) else span_id


def _occurs(digits: str, text: bytes) -> bool:
    """Whether 64 bits stand in a text, in hex or as Datadog writes them."""
    return bool(digits) and (digits.encode() in text or b": %d" % int(digits, 16) in text)


def _sent_ids(sent: Sent) -> tuple[str, str]:
    """Return the ids in the first format that did not reach the upstream as it came."""
    if sent.head is None:
        return "", ""
    came = {_split_line(line) for line in sent.lines}
    written = {name.lower() for name, value in sent.context if (name, value) not in came}
    values = {name.lower(): value.decode("latin-1") for name, value in sent.context}
    if b"traceparent" in written:
        _, trace_id, span_id, _ = values[b"traceparent"].split("-")
        return trace_id, span_id
    if b"b3" in written:
        trace_id, span_id, *_ = values[b"b3"].split("-")
        return trace_id.rjust(32, "0"), span_id
    if not written.isdisjoint((b"x-b3-traceid", b"x-b3-spanid")):
        return values[b"x-b3-traceid"].rjust(32, "0"), values[b"x-b3-spanid"]
    if not written.isdisjoint((b"x-datadog-trace-id", b"x-datadog-parent-id")):
        high = values.get(b"x-datadog-tags", "").partition("_dd.p.tid=")[2][:16]
        low, span = int(values[b"x-datadog-trace-id"]), int(values[b"x-datadog-parent-id"])
        return (high or "0" * 16) + f"{low:016x}", f"{span:016x}"
    return "", ""


def rum_trace_ids(seed: int, count: int) -> list[bytes]:
    """Return trace-ids as browser RUM makes them: 16 zeros, and 64 random bits; always the same ones."""
    source = random.Random(seed)
    return [b"%032x" % source.randrange(1, 1 << 64) for _ in range(count)]


def _encode(method: str, target: str, lines: Sequence[bytes]) -> bytes:
    start = f"{method} {target} HTTP/1.1\r\nHost: {HOST}".encode()
    return b"\r\n".join([start, *lines, b"\r\n"])


def _split_line(line: bytes) -> Line:
    name, _, value = line.partition(b":")
    return name, value.lstrip(OWS)


def _never(rule: str, error: Exception) -> None:
    raise AssertionError(f"the function of {rule} raised {error!r}")
