"""The tracking process's settings, from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consilia.errors import InvalidSetting


@dataclass(frozen=True)
class Settings:
    """Where to read, with which token and authority, and where to write.

    ``federation`` is "namespace/name", the experiment's name. ``token`` is a file that is read at each use.
    """

    coordinator: str
    authority: Path
    token: Path
    mlflow: str
    federation: str

    @property
    def model_name(self) -> str:
        """The registered model's name: the federation's, without its namespace (MLflow refuses slashes there)."""
        return self.federation.rpartition("/")[2]


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises :class:`InvalidSetting` for the first that is missing."""
    return Settings(
        coordinator=_required(environment, "CONSILIA_COORDINATOR_URL", "https://coordinator:8443").rstrip("/"),
        authority=Path(_required(environment, "CONSILIA_CA_FILE", "the authority's certificate, a PEM file")),
        token=Path(_required(environment, "CONSILIA_TOKEN_FILE", "a file with a token of role tracking")),
        mlflow=_required(environment, "MLFLOW_TRACKING_URI", "http://mlflow:5000"),
        federation=_required(environment, "CONSILIA_FEDERATION", "namespace/name"),
    )


def _required(environment: Mapping[str, str], name: str, example: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise InvalidSetting(f"{name} is not set: the tracking process needs it ({example})")
    return value
