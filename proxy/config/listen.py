"""``listen``: where the proxy accepts connections."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from proxy.config.addresses import AnyAddress, Scheme
from proxy.config.certificates import check_authorities, check_certificate
from proxy.config.fields import OrNull, as_scalar, choice, is_null, optional
from proxy.config.loading import FileName, OptionalFileName
from proxy.config.messages import located
from proxy.config.problem import Location
from proxy.config.section import Section


class ClientAuth(StrEnum):
    """What is asked of a client's certificate."""

    REQUIRE = "require"
    REQUEST = "request"


class ListenTls(Section):
    """TLS that ends at a listener."""

    example: ClassVar[str] = "{cert: f.pem, key: k.pem}"

    cert: FileName = Field(description="The certificate chain, PEM.", examples=["f.pem"])
    key: FileName = Field(description="Its private key, PEM.", examples=["k.pem"])
    client_ca: OptionalFileName = Field(default=None, description="Who signs clients' certificates, PEM.")
    client_auth: Annotated[ClientAuth | None, optional(choice(ClientAuth))] = Field(
        default=None, description="Whether a client must show a certificate; require where client_ca is set."
    )

    @classmethod
    def expand(cls, data: object) -> object:
        """Make the default of client_auth plain."""
        if (
            isinstance(data, Mapping)
            and not is_null(data.get("client_ca"))
            and is_null(data.get("client_auth"))
        ):
            return {**data, "client_auth": ClientAuth.REQUIRE}
        return data

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """A client's certificate cannot be verified without its issuer."""
        if not is_null(data.get("client_auth")) and is_null(data.get("client_ca")):
            yield ("client_auth",), "needs client_ca: write client_ca: ca.pem beside it"

    def complete(self) -> Self:
        """Refuse files that no listener could open."""
        problems = [
            *check_certificate(self.cert, self.key),
            *check_authorities("client_ca", self.client_ca),
        ]
        if problems:
            raise located(problems)
        return self


class Listen(Section):
    """One listener. ``scheme`` is what clients speak, even where TLS ends before the proxy."""

    example: ClassVar[str] = "127.0.0.1:8080 or {address: 0.0.0.0:8080, scheme: https}"
    short_form: ClassVar[Mapping[str, Any]] = {"type": "string"}

    address: AnyAddress = Field(
        description="host:port, '[::1]:port' or unix:/path.", examples=["127.0.0.1:8080"]
    )
    scheme: Annotated[Scheme, choice(Scheme)] = Field(
        default=Scheme.HTTP, description="https where TLS ends before the proxy, or here."
    )
    tls: Annotated[ListenTls | None, OrNull()] = Field(default=None, description="Ends TLS here.")

    @classmethod
    def expand(cls, data: object) -> object:
        """Read an address alone; TLS means https."""
        if not isinstance(data, (Mapping, list, tuple)):
            return {"address": data}
        if isinstance(data, Mapping) and not is_null(data.get("tls")) and "scheme" not in data:
            return {**data, "scheme": Scheme.HTTPS}
        return data

    @classmethod
    def check(cls, data: Mapping[str, object]) -> Iterable[tuple[Location, str]]:
        """TLS is not spoken to those who come with http://."""
        if is_null(data.get("tls")) or isinstance(data["scheme"], (Mapping, list)):
            return
        if as_scalar(data["scheme"], "").text == Scheme.HTTP:
            yield ("scheme",), "is http on a listener with tls: leave it out, or write https"
