"""``upstreams`` and ``routes``: where requests go."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field

from proxy.config.addresses import AnyTarget, Target
from proxy.config.certificates import check_authorities, check_certificate
from proxy.config.fields import Items, Leaf, OrNull, choice, is_null, optional
from proxy.config.loading import OptionalFileName
from proxy.config.messages import located
from proxy.config.names import Text, read_host, read_path, split_authority
from proxy.config.problem import Location
from proxy.config.quantities import Boolean, duration, integer
from proxy.config.scalars import Scalar
from proxy.config.section import Section, SparseSection


class Balance(StrEnum):
    """How a target is chosen."""

    ROUND_ROBIN = "round_robin"
    LEAST_REQUESTS = "least_requests"


#: The words of ``host``; anything else is a name.
PRESERVE = "preserve"
TARGET = "target"


class HealthCheck(Section):
    """A request that each target has to answer with 2xx or 3xx."""

    example: ClassVar[str] = "{path: /healthz, interval: 5s}"

    path: Annotated[str, Leaf(read_path, "a path, such as /healthz")] = Field(
        default="/healthz", description="What is asked for."
    )
    interval: Annotated[float, duration("5s")] = Field(default=5.0, description="From one check to the next.")
    timeout: Annotated[float, duration("1s")] = Field(default=1.0, description="How long an answer may take.")
    unhealthy_after: Annotated[int, integer(1, 1000, 3)] = Field(
        default=3, description="So many failures in a row take a target out."
    )
    healthy_after: Annotated[int, integer(1, 1000, 2)] = Field(
        default=2, description="So many successes in a row bring it back."
    )


class Timeouts(Section):
    """How long a target may keep a request waiting."""

    example: ClassVar[str] = "{connect: 2s, response: 60s, idle: 60s}"

    connect: Annotated[float, duration("2s")] = Field(default=2.0, description="To a connection, with TLS.")
    response: Annotated[float, duration("60s")] = Field(default=60.0, description="To the response head.")
    idle: Annotated[float, duration("60s")] = Field(default=60.0, description="Between two pieces of a body.")


class Eject(Section):
    """When a target that fails requests is left alone; the last usable one never is."""

    example: ClassVar[str] = "{after: 5, for: 10s}"

    after: Annotated[int, integer(1, 1_000_000, 5)] = Field(
        default=5, description="So many failures in a row."
    )
    for_: Annotated[float, duration("10s")] = Field(default=10.0, alias="for", description="For how long.")


class Pool(Section):
    """Connections to one upstream, of each worker."""

    example: ClassVar[str] = "{max_connections: 1024, max_idle: 256}"

    max_connections: Annotated[int, integer(1, 1_000_000, 1024)] = Field(
        default=1024, description="Open at once, to all targets together."
    )
    max_pending: Annotated[int, integer(0, 1_000_000, 1024)] = Field(
        default=1024, description="Requests that wait for one; more get 503."
    )
    max_idle: Annotated[int, integer(0, 1_000_000, 256)] = Field(
        default=256, description="Kept for the next request, to each target."
    )
    idle_timeout: Annotated[float, duration("4s")] = Field(
        default=4.0, description="How long one is kept; below what servers keep, commonly 5s."
    )


class UpstreamTls(Section):
    """How https:// targets are spoken to."""

    example: ClassVar[str] = "{ca: ca.pem}"

    ca: OptionalFileName = Field(
        default=None, description="Who signs the targets' certificates; null: the system's list."
    )
    verify: Boolean = Field(default=True, description="Whether certificates are verified.")
    server_name: Annotated[str | None, optional(Leaf(read_host, "a host name"))] = Field(
        default=None, description="The name to ask for and verify; null: the target's host."
    )
    cert: OptionalFileName = Field(default=None, description="The proxy's own certificate chain, PEM.")
    key: OptionalFileName = Field(default=None, description="Its private key, PEM.")

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """A certificate is of no use without its key, nor a key without its certificate."""
        for name, other in (("cert", "key"), ("key", "cert")):
            if not is_null(data.get(name)) and is_null(data.get(other)):
                yield (name,), f"needs {other}: write {other}: {other}.pem beside it"

    def complete(self) -> Self:
        """Refuse files that no connection could use."""
        problems = list(check_authorities("ca", self.ca))
        if self.cert is not None and self.key is not None:
            problems += check_certificate(self.cert, self.key)
        if problems:
            raise located(problems)
        return self


def _read_host_setting(scalar: Scalar) -> str:
    if scalar.text in (PRESERVE, TARGET):
        return scalar.text
    try:
        split_authority(scalar.text)
    except ValueError:
        raise ValueError(f"is {scalar.describe()}: write preserve, target or a host name") from None
    return scalar.text


class Upstream(Section):
    """Servers that give the same answers."""

    example: ClassVar[str] = "{targets: [http://127.0.0.1:9000]}"

    targets: Annotated[tuple[AnyTarget, ...], Items("[http://127.0.0.1:9000]", at_least=1)] = Field(
        description="http://host:port, https://host:port or unix:/path.", examples=[["http://127.0.0.1:9000"]]
    )
    balance: Annotated[Balance, choice(Balance)] = Field(
        default=Balance.ROUND_ROBIN, description="How a target is chosen."
    )
    health_check: Annotated[HealthCheck | None, OrNull()] = Field(
        default=None, description="null: targets are not asked."
    )
    timeouts: Timeouts = Field(default=Timeouts.model_construct(), description="How long a target may take.")
    eject: Annotated[Eject | None, OrNull()] = Field(
        default=Eject.model_construct(), description="null: failing targets stay."
    )
    pool: Pool = Field(default=Pool.model_construct(), description="Connections, of each worker.")
    retries: Annotated[int, integer(0, 10, 1)] = Field(
        default=1, description="How often a request that may be repeated is."
    )
    host: Annotated[str, Leaf(_read_host_setting, "preserve, target or a host name")] = Field(
        default=PRESERVE, description="The Host sent upstream: preserve, target, or a name."
    )
    tls: UpstreamTls = Field(default=UpstreamTls.model_construct(), description="For https:// targets.")

    def host_for(self, target: Target) -> str | None:
        """Return the Host that a request to a target is sent with; None: its own."""
        if self.host == PRESERVE:
            return None
        return target.authority if self.host == TARGET else self.host


def _read_route_host(scalar: Scalar) -> str:
    try:
        host, port = split_authority(scalar.text)
    except ValueError:
        raise ValueError(f"is {scalar.describe()}: write a host such as shop.example.com") from None
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


class RouteSettings(SparseSection):
    """Which upstream gets a request: all that is set must hold."""

    example: ClassVar[str] = "{path_prefix: /checkout/, upstream: checkout}"

    host: Annotated[str | None, Leaf(_read_route_host, "a host name")] = Field(
        default=None, description="The request's host; its port counts where one is written."
    )
    path_prefix: Annotated[str | None, Leaf(read_path, "a path, such as /checkout/")] = Field(
        default=None, description="What the request's path starts with."
    )
    upstream: Text = Field(description="One of upstreams.", examples=["checkout"])
