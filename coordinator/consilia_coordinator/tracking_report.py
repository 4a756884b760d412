"""What the tracking process tells the coordinator: the body of ``PUT /v1/tracking``, for both sides."""

from pydantic import Field

from consilia.spec import Document
from consilia.status import RegisteredModel


class TrackingReport(Document):
    """What MLflow has of a run; ``logged_through`` is the last round of which nothing is left to log."""

    run: int = Field(ge=1)
    run_id: str = Field(max_length=64)
    url: str | None = Field(None, max_length=1000)
    model: RegisteredModel | None = None
    logged_through: int = Field(0, ge=0)
