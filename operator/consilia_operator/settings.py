"""The operator's settings, from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from consilia import settings
from consilia.settings import Environment

COMPONENTS = ("broker", "coordinator", "hospital", "tracking")


@dataclass(frozen=True)
class Settings:
    """One attribute a setting; the environment's name is beside it."""

    namespace: str
    """CONSILIA_NAMESPACE: the operator's own namespace, of its Lease and its signing key."""
    identity: str
    """CONSILIA_POD: who holds the Lease."""
    images: Mapping[str, str]
    """CONSILIA_IMAGE_BROKER, _COORDINATOR, _HOSPITAL, _TRACKING."""
    mlflow_uri: str | None
    """CONSILIA_MLFLOW_URI: where runs are tracked; without it they are not."""
    storage_class: str | None
    """CONSILIA_STORAGE_CLASS: of the claims; default: the cluster's."""
    port: int
    """CONSILIA_HTTP_PORT: of /healthz and /metrics, default 8080."""

    @classmethod
    def of(cls, environment: Environment) -> "Settings":
        """Read the environment. Raises :class:`consilia.errors.InvalidSetting`."""
        return cls(
            namespace=settings.text(environment, "CONSILIA_NAMESPACE"),
            identity=settings.text(environment, "CONSILIA_POD"),
            images={name: settings.text(environment, f"CONSILIA_IMAGE_{name.upper()}") for name in COMPONENTS},
            mlflow_uri=environment.get("CONSILIA_MLFLOW_URI") or None,
            storage_class=environment.get("CONSILIA_STORAGE_CLASS") or None,
            port=settings.port(environment, "CONSILIA_HTTP_PORT", 8080),
        )
