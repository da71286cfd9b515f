"""The config as a whole, as the data plane reads it: short forms expanded, units converted."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from proxy.config.addresses import TARGET, Target, TcpAddress
from proxy.config.cors import Cors, Forwarded
from proxy.config.fields import (
    Items,
    Keyed,
    Leaf,
    alternatives,
    choice,
    nearest,
    optional,
    plain_text,
    write_plain,
)
from proxy.config.listen import Listen
from proxy.config.names import check_name
from proxy.config.problem import Location
from proxy.config.process import AccessLog, Admin, Limits, Lint, Records, Spans
from proxy.config.quantities import duration, typed
from proxy.config.scalars import Scalar
from proxy.config.section import Section
from proxy.config.tracing import Tracing
from proxy.config.upstream import RouteSettings, Upstream

#: The upstream of requests that no route matches.
DEFAULT = "default"


class Environment(StrEnum):
    """Where the proxy runs."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    PRODUCTION = "production"


DEFAULT_RATES: Mapping[Environment | None, Decimal] = {
    None: Decimal(100),
    Environment.DEVELOPMENT: Decimal(100),
    Environment.TESTING: Decimal(50),
    Environment.PRODUCTION: Decimal(10),
}

AUTO: Literal["auto"] = "auto"
_MOST_WORKERS = 1024
_WORKERS = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": _MOST_WORKERS}, {"const": AUTO}]}


def _read_workers(scalar: Scalar) -> int | Literal["auto"]:
    value = typed(scalar)
    if value == AUTO:
        return AUTO
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_WORKERS:
        raise ValueError(f"is {scalar.describe()}: write a number from 1 to {_MOST_WORKERS}, or auto")
    return value


class Config(Section):
    """One config file."""

    example: ClassVar[str] = "upstream: http://127.0.0.1:9000"

    environment: Annotated[Environment | None, optional(choice(Environment))] = Field(
        default=None, description="Sets sample_rate's default: development 100, testing 50, production 10."
    )
    listen: Annotated[
        tuple[Listen, ...], Items("[127.0.0.1:8080]", at_least=1, distinct=False, alone=True)
    ] = Field(
        default=(Listen.model_construct(address=TcpAddress("127.0.0.1", 8080)),),
        description="Where clients connect: host:port, '[::1]:port', unix:/path, or a list.",
    )
    upstream: Annotated[Target | None, TARGET] = Field(
        default=None,
        description="http://host:port, https://host:port or unix:/path; short for upstreams: {default: ...}.",
        exclude=True,
    )
    upstreams: Annotated[Mapping[str, Upstream], Keyed("{checkout: {targets: [...]}}", check_name)] = Field(
        default={}, description="Servers by name; `default` gets what no route matches."
    )
    routes: Annotated[
        tuple[RouteSettings, ...], Items("[{path_prefix: /checkout/, upstream: checkout}]", distinct=False)
    ] = Field(default=(), description="Which upstream a request goes to; the first match wins.")
    tracing: Tracing = Field(default=Tracing.model_construct(), description="What is traced, and how.")
    cors: Cors = Field(default=Cors.model_construct(), description="What browsers are told.")
    forwarded: Forwarded = Field(
        default=Forwarded.model_construct(), description="What upstreams are told about the client."
    )
    limits: Limits = Field(default=Limits.model_construct(), description="What a client may ask for.")
    admin: Admin = Field(default=Admin.model_construct(), description="Metrics, health, explain and reload.")
    records: Records = Field(
        default=Records.model_construct(), description="What is written down of a request."
    )
    access_log: Annotated[AccessLog, choice(AccessLog)] = Field(
        default=AccessLog.OFF, description="Which requests are logged, as JSON lines on stdout."
    )
    spans: Spans = Field(default=Spans.model_construct(), description="The proxy's own spans.")
    workers: Annotated[int | Literal["auto"], Leaf(_read_workers, "a number or auto", _WORKERS)] = Field(
        default=1, description="Processes; auto: one a core."
    )
    lint: Lint = Field(
        default=Lint.model_construct(), description="Warnings of check that are meant to be so."
    )
    drain_timeout: Annotated[float, duration("25s", zero=True)] = Field(
        default=25.0, description="How long requests in flight may take at the end."
    )

    @classmethod
    def misplaced(cls, key: str, data: Mapping[str, object]) -> str | None:
        """What an upstream takes is written beneath one."""
        known = Upstream.keys()
        if key not in known:
            return None
        target = write_plain(data.get("upstream"))
        if target is None or "@" in target:
            target = "http://127.0.0.1:9000"
        targets = "" if key == "targets" else f"targets: [{target}], "
        value = write_plain(data[key]) or "..."
        instead = f"upstreams: {{default: {{{targets}{key}: {value}}}}}"
        if "upstream" in data:
            instead += " in place of upstream"
        if key == "tls":
            instead += f", or listen: {{address: 0.0.0.0:8443, tls: {value}}} for clients"
        return instead

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """What is named is there, and nothing is there twice."""
        upstreams = data.get("upstreams", {})
        names = list(upstreams) if isinstance(upstreams, Mapping) else []
        if "upstream" in data:
            if DEFAULT in names:
                yield ("upstream",), "is short for upstreams.default, which is there too: keep one"
            names.append(DEFAULT)
        yield from _unknown_upstreams(data, names)
        yield from _repeated_addresses(data)

    def complete(self) -> Self:
        """Put ``upstream`` among the upstreams, and set the rate that the environment stands for."""
        update: dict[str, object] = {}
        if self.upstream is not None:
            update["upstreams"] = {
                DEFAULT: Upstream.model_construct(targets=(self.upstream,)),
                **self.upstreams,
            }
        if "sample_rate" not in self.tracing.model_fields_set:
            rate = DEFAULT_RATES[self.environment]
            update["tracing"] = self.tracing.model_copy(update={"sample_rate": rate})
        return self.model_copy(update=update)

    @property
    def worker_count(self) -> int:
        """How many workers to run."""
        if self.workers != AUTO:
            return self.workers
        # Not every system tells which cores this process may use.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unknown_upstreams(data: Mapping[str, object], names: Sequence[str]) -> Iterator[tuple[Location, str]]:
    for location, value in _upstream_references(data):
        name = plain_text(value)
        if name is None or name in names:
            continue
        known = nearest(name, names) or (alternatives(names) if names else _declare(name))
        yield location, f"is {name}, which is no upstream: write {known}"


def _declare(name: str) -> str:
    return f"upstreams: {{{name}: {{targets: [http://127.0.0.1:9000]}}}}"


def _upstream_references(data: Mapping[str, object]) -> Iterator[tuple[Location, object]]:
    for index, route in enumerate(_items(data.get("routes"))):
        if isinstance(route, Mapping) and "upstream" in route:
            yield ("routes", index, "upstream"), route["upstream"]
    admin = data.get("admin")
    for index, name in enumerate(_items(admin.get("ready")) if isinstance(admin, Mapping) else ()):
        yield ("admin", "ready", index), name


def _repeated_addresses(data: Mapping[str, object]) -> Iterator[tuple[Location, str]]:
    seen: dict[str, Location] = {}
    listen = data.get("listen", "127.0.0.1:8080")
    several = _items(listen)
    for index, entry in enumerate(several or [listen]):
        location: Location = ("listen", index) if several else ("listen",)
        address = plain_text(entry.get("address") if isinstance(entry, Mapping) else entry)
        if address in seen:
            yield location, f"is {address}, which is listened on already: keep one"
        if address is not None and not address.endswith(":0"):
            seen[address] = location
    admin = data.get("admin", {})
    if not isinstance(admin, Mapping):
        return
    default = str(Admin.model_fields["listen"].default)
    if "listen" not in admin and default in seen:
        yield (
            seen[default],
            f"is {default}, where the admin server listens: write another port, or admin.listen",
        )
    address = plain_text(admin.get("listen"))
    if address in seen:
        yield ("admin", "listen"), f"is {address}, which clients get: write another port"


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()
