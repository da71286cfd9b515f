"""What one client may take, in the form that every read looks at."""

from dataclasses import dataclass

from proxy.config.process import Limits as LimitsSettings


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, counts, and seconds. A slotted copy: attributes of the config's models are slower."""

    header_bytes: int
    headers: int
    request_body: int | None
    connections: int
    header_timeout: float
    keepalive_timeout: float
    body_timeout: float

    @property
    def stall_check(self) -> float:
        """How often to look whether a client takes anything, seconds: so late it is cut off at most."""
        return self.body_timeout / 4

    @classmethod
    def of(cls, settings: LimitsSettings) -> "Limits":
        """Return the limits of a config."""
        return cls(
            settings.header_bytes,
            settings.headers,
            settings.request_body,
            settings.connections,
            settings.header_timeout,
            settings.keepalive_timeout,
            settings.body_timeout,
        )
