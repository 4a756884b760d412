"""What MLflow shows of a federation's spec."""

from collections.abc import Callable

import pytest

from builders import private_spec
from consilia.errors import InvalidSetting
from consilia.privacy.noise import Mechanism
from consilia.protocol import PrivacyTerms
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


@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_parameters_of_a_private_run_are_its_promise_and_its_noise(mechanism: Mechanism) -> None:
    privacy = {"epsilon": 2.0, "mechanism": mechanism, "clipNorm": 0.5, "reserve": 3}
    asked = private_spec(rounds=10, privacy=privacy)
    terms = PrivacyTerms.of(asked, "uid-1", "consortium/breast-cancer", 1)
    assert terms is not None
    lowered = asked.model_copy(update={"rounds": 4})
    found = parameters_of(lowered, 2, terms)
    plan = terms.plan(noised_holdout=False)
    noise = {"sigma" if mechanism == "Gaussian" else "scale": f"{plan.train.noise.scale:.6g}"}
    expected = {
        "rounds": "4",
        "algorithm": "dpFedSGD",
        "private": "epsilon 2",
        "epsilon": "2",
        "delta": "1e-05",
        "clipNorm": "0.5",
        "mechanism": mechanism,
        "reserve": "3",
        "nominalRows": "400",
        "learningRate": f"{plan.learning_rate:.6g}",
        **noise,
    }
    assert found.items() >= expected.items()
    assert "localEpochs" not in found
    assert ("mu" in found) == (mechanism == "Gaussian")
    # The mu of (2, 1e-5) is 1 / 1.9938 (Balle & Wang 2018).
    assert mechanism == "Laplace" or float(found["mu"]) == pytest.approx(1 / 1.9938, rel=1e-4)


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
