"""The hospital's settings, from its environment."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from consilia import settings
from consilia.errors import InvalidSetting
from consilia.manifest import explain
from consilia.settings import Environment
from consilia.spec import Cohort
from consilia_agents.sources.places import Places


@dataclass(frozen=True)
class Settings:
    """One attribute a setting, with the environment's name."""

    cohort: Cohort
    """CONSILIA_COHORT_FILE: a file with the Cohort as JSON."""
    coordinator: str
    """CONSILIA_COORDINATOR: the coordinator's account, default ``coordinator``."""
    coordinator_url: str
    """CONSILIA_COORDINATOR_URL: where large vectors go."""
    state: Path
    """CONSILIA_STATE: the folder of the outbox."""
    ledger: Path | None
    """CONSILIA_LEDGER: the folder of the cohort's ledger; without one, the hospital takes part in no private run."""
    cap: float
    """DP_EPSILON: the most that one run may ask for; 0 where it is not set."""
    places: Places
    """CONSILIA_DATA: the folder that the source's relative paths start from; CONSILIA_CREDENTIALS: that of its
    Secret's files."""

    spark: bool = False
    """USE_SPARK, or the cohort's own engine: whether Spark computes."""
    spark_conf: Path | None = None
    """CONSILIA_SPARK_CONF: a file with Spark's settings, one a line."""
    scratch: Path | None = None
    """CONSILIA_SCRATCH: the folder in which Spark keeps rows while the process runs, default the state's; where the
    state outlives the process, this should not."""

    @classmethod
    def of(cls, environment: Environment) -> "Settings":
        """Read the environment. Raises :class:`consilia.errors.InvalidSetting`."""
        settings.require_supported(environment)
        cohort = _read_cohort(settings.file(environment, "CONSILIA_COHORT_FILE"))
        return cls(
            cohort=cohort,
            spark=cohort.spec.engine == "spark" or settings.flag(environment, "USE_SPARK"),
            spark_conf=settings.optional_file(environment, "CONSILIA_SPARK_CONF"),
            scratch=settings.optional_file(environment, "CONSILIA_SCRATCH"),
            coordinator=settings.text(environment, "CONSILIA_COORDINATOR", "coordinator"),
            coordinator_url=settings.url(environment, "CONSILIA_COORDINATOR_URL"),
            state=settings.file(environment, "CONSILIA_STATE"),
            ledger=settings.optional_file(environment, "CONSILIA_LEDGER"),
            cap=settings.epsilon_cap(environment),
            places=Places(
                settings.optional_file(environment, "CONSILIA_DATA"),
                settings.optional_file(environment, "CONSILIA_CREDENTIALS"),
            ),
        )


def _read_cohort(path: Path) -> Cohort:
    try:
        return Cohort.model_validate(json.loads(path.read_text()))
    except ValidationError as error:
        raise InvalidSetting(f"CONSILIA_COHORT_FILE {path}: {explain(error)}") from error
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"CONSILIA_COHORT_FILE {path} cannot be read: {error}") from error
