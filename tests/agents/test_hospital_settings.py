"""The hospital's environment: read whole, or refused with one sentence before anything starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from builders import changed, cohort, cohort_document
from consilia.errors import InvalidSetting
from consilia_agents.settings import Settings
from consilia_agents.sources.places import Places


def environment(tmp_path: Path, document: Any = None) -> dict[str, str]:
    file = tmp_path / "cohort.json"
    text = document if isinstance(document, str) else json.dumps(document or cohort_document())
    file.write_text(text)
    return {
        "CONSILIA_COHORT_FILE": str(file),
        "CONSILIA_COORDINATOR_URL": "https://coordinator:8443/",
        "CONSILIA_STATE": "/state",
    }


def test_a_hospital_reads_its_cohort_and_where_its_coordinator_is(tmp_path: Path) -> None:
    settings = Settings.of(environment(tmp_path))
    assert settings.cohort == cohort()
    assert settings.coordinator == "coordinator"
    assert settings.coordinator_url == "https://coordinator:8443"
    assert settings.state == Path("/state")
    assert settings.places == Places()


def test_a_hospital_knows_where_its_data_and_credentials_are(tmp_path: Path) -> None:
    folders = {"CONSILIA_DATA": "/data", "CONSILIA_CREDENTIALS": "/credentials"}
    assert Settings.of(environment(tmp_path) | folders).places == Places(Path("/data"), Path("/credentials"))


def test_a_hospitals_spark_may_keep_its_rows_elsewhere_than_in_its_state(tmp_path: Path) -> None:
    assert Settings.of(environment(tmp_path)).scratch is None
    assert Settings.of(environment(tmp_path) | {"CONSILIA_SCRATCH": "/tmp"}).scratch == Path("/tmp")  # noqa: S108


@pytest.mark.parametrize("name", ["CONSILIA_COHORT_FILE", "CONSILIA_COORDINATOR_URL", "CONSILIA_STATE"])
def test_a_setting_that_is_missing_is_asked_for_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name} is not set: this process needs it"):
        Settings.of({key: value for key, value in environment(tmp_path).items() if key != name})


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        pytest.param("{", "cannot be read", id="half of JSON"),
        pytest.param("[]", "it is an empty list; it must be a mapping", id="a list"),
        pytest.param(
            changed(cohort_document(), "spec.hospital", "North"), 'spec.hospital is "North"', id="a wrong name"
        ),
        pytest.param(changed(cohort_document(), "spec.engin", "x"), "spec.engin is not a known field", id="unknown"),
    ],
)
def test_a_wrong_cohort_file_is_refused_with_what_is_wrong_in_it(tmp_path: Path, document: Any, sentence: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Settings.of(environment(tmp_path, document))
    assert "CONSILIA_COHORT_FILE" in str(caught.value)
    assert sentence in str(caught.value)


def test_a_cohort_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"CONSILIA_COHORT_FILE .* cannot be read"):
        Settings.of(environment(tmp_path) | {"CONSILIA_COHORT_FILE": str(tmp_path / "nowhere.json")})


@pytest.mark.parametrize(("name", "value"), [("DP_EPSILON", "-0.5"), ("USE_SPARK", "perhaps"), ("DP_CLIP_NORM", "0")])
def test_what_cannot_be_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        Settings.of(environment(tmp_path) | {name: value})


@pytest.mark.parametrize(("value", "cap"), [("0.5", 0.5), ("0", 0.0), ("", 0.0), (None, 0.0)])
def test_a_hospitals_own_cap_is_read_and_0_is_none(tmp_path: Path, value: str | None, cap: float) -> None:
    more = {} if value is None else {"DP_EPSILON": value}
    assert Settings.of(environment(tmp_path) | more).cap == cap


def test_the_ledger_is_in_a_folder_of_its_own(tmp_path: Path) -> None:
    assert Settings.of(environment(tmp_path)).ledger is None
    assert Settings.of(environment(tmp_path) | {"CONSILIA_LEDGER": "/ledger"}).ledger == Path("/ledger")
