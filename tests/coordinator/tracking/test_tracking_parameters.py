"""What MLflow shows of a federation's spec."""

from collections.abc import Callable

import pytest

from consilia.errors import InvalidSetting
from consilia.spec import CohortRef, FederationSpec, HospitalRef
from consilia_coordinator.tracking.parameters import parameters_of, tags_of
from consilia_coordinator.tracking.settings import Settings


def test_parameters_are_what_was_asked_of_the_run(spec: Callable[..., FederationSpec]) -> None:
    assert parameters_of(spec(rounds=10), quorum=2) == {
        "rounds": "10",
        "quorum": "2",
        "hospitals": "north, south",
        "roundTimeout": "2m",
        "seed": "42",
        "model": "LogisticRegression",
        "l2": "0.001",
        "algorithm": "fedAvg",
        "localEpochs": "20",
        "learningRate": "0.5",
        "label": "malignant",
        "features": "2",
        "scaling": "codebook",
        "private": "NON-PRIVATE",
        "epsilon": "0",
    }


def test_five_hundred_hospitals_stay_readable(spec: Callable[..., FederationSpec]) -> None:
    many = [HospitalRef(name=f"h{place:03}", cohort=CohortRef(name="c")) for place in range(500)]
    text = parameters_of(spec().model_copy(update={"hospitals": many}), quorum=500)["hospitals"]
    assert text.startswith("h000, h001, ")
    assert text.endswith("h019 and 480 more")


def test_tags_identify_the_run() -> None:
    tags = tags_of("consortium/breast-cancer", "uid-1", 3)
    assert (tags["consilia.federation"], tags["consilia.uid"], tags["consilia.run"]) == (
        "consortium/breast-cancer",
        "uid-1",
        "3",
    )


ENVIRONMENT = {
    "CONSILIA_COORDINATOR_URL": "https://coordinator:8443/",
    "CONSILIA_CA_FILE": "ca.crt",
    "CONSILIA_TOKEN_FILE": "token",
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
    "CONSILIA_FEDERATION": "consortium/breast-cancer",
}


def test_settings_come_from_the_environment() -> None:
    settings = Settings.of(ENVIRONMENT)
    assert settings.coordinator == "https://coordinator:8443"
    assert settings.model_name == "breast-cancer"


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name} is not set"):
        Settings.of({**ENVIRONMENT, name: ""})
