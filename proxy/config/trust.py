"""``trust`` and ``trusted_proxies``: who is believed."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from proxy.config.fields import Items, Leaf, as_scalar
from proxy.config.quantities import Boolean
from proxy.config.scalars import Scalar
from proxy.config.section import Section
from proxy.policy.trust import Networks


def _read_network(scalar: Scalar) -> str:
    Networks.parse([scalar.text])
    return scalar.text


#: CIDR, a bare address, or ``unix``, as written.
Network: TypeAlias = Annotated[str, Leaf(_read_network, "CIDR or unix, such as 10.0.0.0/8")]
NetworkList: TypeAlias = Annotated[tuple[Network, ...], Items("[10.0.0.0/8, unix]")]


class Trust(Section):
    """Whose trace context is believed; without clients and certificates nobody's."""

    example: ClassVar[str] = "all, none or {clients: [10.0.0.0/8]}"
    short_form: ClassVar[Mapping[str, Any]] = {"enum": ["all", "none"]}
    everyone: ClassVar[bool] = False

    clients: NetworkList = Field(default=(), description="CIDR, or unix for peers on a unix socket.")
    certificates: Boolean = Field(default=False, description="Or whoever shows a verified certificate.")

    @classmethod
    def expand(cls, data: object) -> object:
        """Read ``all`` and ``none``."""
        if isinstance(data, (Mapping, list, tuple)):
            return data
        match as_scalar(data, cls.example).text:
            case "all":
                return TrustAll.model_construct()
            case "none":
                return {}
            case _:
                return data

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> str | dict[str, Any]:
        if self.everyone:
            return "all"
        written: dict[str, Any] = handler(self)
        return written if self.clients or self.certificates else "none"


class TrustAll(Trust):
    """Everybody is believed."""

    everyone: ClassVar[bool] = True
