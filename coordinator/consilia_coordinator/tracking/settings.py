"""The tracking process's settings, from its environment."""

from dataclasses import dataclass
from pathlib import Path

from consilia import settings
from consilia.settings import Environment


@dataclass(frozen=True)
class Settings:
    """One attribute a setting, with the environment's name."""

    coordinator: str
    """CONSILIA_COORDINATOR_URL: where to read."""
    authority: Path
    """CONSILIA_CA_FILE: PEM of the federation's authority."""
    token: Path
    """CONSILIA_TOKEN_FILE: a token of role tracking; read at each use."""
    mlflow: str
    """MLFLOW_TRACKING_URI: where to write."""
    federation: str
    """CONSILIA_FEDERATION: namespace/name, which is the experiment's name."""

    @classmethod
    def of(cls, environment: Environment) -> "Settings":
        """Read the environment. Raises :class:`consilia.errors.InvalidSetting`."""
        return cls(
            coordinator=settings.url(environment, "CONSILIA_COORDINATOR_URL"),
            authority=settings.file(environment, "CONSILIA_CA_FILE"),
            token=settings.file(environment, "CONSILIA_TOKEN_FILE"),
            mlflow=settings.text(environment, "MLFLOW_TRACKING_URI"),
            federation=settings.text(environment, "CONSILIA_FEDERATION"),
        )

    @property
    def model_name(self) -> str:
        """The registered model's name: the federation's, without its namespace (MLflow refuses slashes there)."""
        return self.federation.rpartition("/")[2]
