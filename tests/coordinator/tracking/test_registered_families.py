"""What is registered of each family of models: MLflow loads it, as a function and as a pipeline, and it predicts."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from consilia.features import FeatureMap
from consilia.model import LOGISTIC, Family, Linear, Poisson, Softmax
from consilia_coordinator.tracking.tracker import FinalModel

pytestmark = [
    pytest.mark.real,  # importing MLflow takes seconds
    pytest.mark.filterwarnings("ignore"),  # MLflow's own, of which it has several as it is imported and loads
]

NAMES = ("age", "creatinine", "bmi")
MAP = FeatureMap(
    scaling="codebook", names=NAMES, offset=(0.0, 20.0, 10.0), scale=(100.0, 980.0, 50.0), roots=(False, True, False)
)
FAMILIES = [LOGISTIC, Softmax(4), Linear(0.0, 200.0), Poisson(12.0)]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_mlflow_loads_it_and_it_predicts_what_we_do(family: Family, tmp_path: Path) -> None:
    import mlflow  # noqa: PLC0415

    from consilia_coordinator.tracking.registration import save  # noqa: PLC0415

    w = np.random.default_rng(5).normal(size=family.size(4))
    logged = SimpleNamespace(artifact_location=str(tmp_path), source_run_id=None, model_id=None)
    save(tmp_path / "model", FinalModel(3, w, MAP, "days", "NON-PRIVATE", family), logged)

    x = np.random.default_rng(6).uniform((0, 20, 10), (100, 1000, 60), size=(40, 3))
    expected = family.mean(family.predictor(MAP.apply(x), w))
    if family.classes is not None:
        expected = expected.argmax(axis=1) if family.outputs > 1 else (expected > 0.5).astype(int)
        assert len(set(expected.tolist())) > 1
    table = pd.DataFrame(x, columns=list(NAMES))
    for load in (mlflow.pyfunc.load_model, mlflow.sklearn.load_model):
        np.testing.assert_allclose(np.ravel(load(str(tmp_path / "model")).predict(table)), expected, rtol=1e-12)

    output = mlflow.models.get_model_info(str(tmp_path / "model")).signature.outputs.to_dict()
    assert [(each["name"], each["type"]) for each in output] == [("days", "long" if family.classes else "double")]
