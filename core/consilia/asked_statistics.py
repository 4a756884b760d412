"""What a statistics run asks for: which features, in how many bins, at which quantiles. All of it is public."""

from typing import Annotated

from pydantic import Field, model_validator

from consilia.document import Document
from consilia.experiment import FeatureName, Features, require_unique

MOST_FEATURES = 50
"""Features of one statistics run: each takes its share of the noise, and its place in the status."""
MOST_BINS = 100

Quantile = Annotated[float, Field(gt=0, lt=1)]


class Statistics(Document):
    """What is asked of the hospitals' patients, for task: Statistics."""

    features: list[FeatureName] = Field(
        default_factory=list,
        max_length=MOST_FEATURES,
        description=f"Names out of the codebook, at most {MOST_FEATURES}. Default: all of it.",
    )
    bins: int = Field(
        20, ge=2, le=MOST_BINS, description="Bins of each histogram, all of one width, between the public bounds."
    )
    quantiles: list[Quantile] = Field(
        default=[0.25, 0.5, 0.75], max_length=20, description="Shares of the patients; 0.5 is the median."
    )

    @model_validator(mode="after")
    def _named_once(self) -> "Statistics":
        require_unique(self.features, "statistics.features", "feature")
        require_unique([f"{quantile:g}" for quantile in self.quantiles], "statistics.quantiles", "quantile")
        return self


def require_placed(asked: Statistics, features: Features) -> None:
    """Raise ValueError where what is asked for is not in the codebook, has no public bounds, or is too much."""
    if features.scaling != "codebook":
        raise ValueError(
            "task: Statistics places values between public bounds: use scaling: codebook, with min and max"
        )
    strange = next((name for name in asked.features if name not in features.names), None)
    if strange is not None:
        raise ValueError(
            f'statistics names feature "{strange}", which is not in features.codebook: add it there, or remove it'
        )
    if not asked.features and len(features.names) > MOST_FEATURES:
        raise ValueError(
            f"statistics of all {len(features.names)} features of the codebook are too many for one run: name at most "
            f"{MOST_FEATURES} of them in statistics.features"
        )
