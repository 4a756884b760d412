"""The final model in MLflow's registry, as a scikit-learn pipeline over the raw clinical columns.

It loads where there is only MLflow and scikit-learn: no class of ours is in it, the format is skops (which runs no code
from the file), and its requirements are written down, not guessed by running it. The signature names the columns. The
example is made of the feature map, never of a patient: the middle of the public bounds, or the mean of all hospitals,
which is in the model anyway.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import skops.io  # noqa: F401  # MLflow imports it when it saves; it takes longest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from consilia.features import FeatureMap
from consilia.status import RegisteredModel
from consilia.wording import counted
from consilia_coordinator.tracking.export import to_pipeline
from consilia_coordinator.tracking.parameters import FEDERATION, PRIVACY, ROUND, RUN
from consilia_coordinator.tracking.tracker import FinalModel, RunKey

REQUIRED = ("mlflow", "scikit-learn", "skops")


def example_of(feature_map: FeatureMap) -> pd.DataFrame:
    """One row of raw columns that is nobody's: mid-bounds for a codebook, the overall mean for federated scaling."""
    middle = np.asarray(feature_map.offset)
    if feature_map.scaling == "codebook":
        middle = middle + np.asarray(feature_map.scale) / 2
    return pd.DataFrame([middle], columns=list(feature_map.names))


def register(client: Any, key: RunKey, run_id: str, name: str, model: FinalModel) -> RegisteredModel:
    """Register ``model`` as the next version of ``name``; the version that already holds it, if there is one."""
    found = client.search_model_versions(f"name='{name}' and run_id='{run_id}'")
    for candidate in found:
        if candidate.tags.get(ROUND) == str(model.round):
            return _registered(name, candidate.version)
    logged = _log(client, run_id, name, model)
    _ensure_name(client, name)
    made = client.create_model_version(
        name,
        source=f"models:/{logged}",
        run_id=run_id,
        model_id=logged,
        tags={ROUND: str(model.round), RUN: str(key.run), FEDERATION: key.federation, PRIVACY: model.privacy},
        description=f"Run {key.run} of {key.federation} after {counted(model.round, 'round')}: {model.privacy}.",
        await_creation_for=0,
    )
    return _registered(name, made.version)


def _registered(name: str, number: int | str) -> RegisteredModel:
    return RegisteredModel(name=name, version=str(number), uri=f"models:/{name}/{number}")


def _log(client: Any, run_id: str, name: str, model: FinalModel) -> str:
    """Log the pipeline as a model of the run; returns the logged model's id."""
    run = client.get_run(run_id)
    logged = client.create_logged_model(
        run.info.experiment_id, name=name, source_run_id=run_id, params=run.data.params, model_type=_type(model)
    )
    with tempfile.TemporaryDirectory(prefix="consilia-model-") as folder:
        path = Path(folder) / "model"
        save(path, model, logged)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=model.round)])
    return str(logged.model_id)


def save(path: Path, model: FinalModel, logged: Any) -> None:
    """Write the MLflow model to the folder ``path``, which must not exist."""
    mlflow.sklearn.save_model(
        to_pipeline(model.map, model.parameters, list(model.map.names), model.family),
        str(path),
        mlflow_model=Model(
            artifact_path=logged.artifact_location,
            run_id=logged.source_run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        ),
        serialization_format="skops",
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", name) for name in model.map.names]),
            outputs=Schema([ColSpec("double" if model.family.classes is None else "long", model.label)]),
        ),
        input_example=example_of(model.map),
        pip_requirements=[f"{package}=={version(package)}" for package in REQUIRED],
    )


def _type(model: FinalModel) -> str:
    return "regressor" if model.family.classes is None else "classifier"


def _ensure_name(client: Any, name: str) -> None:
    if not client.search_registered_models(f"name='{name}'", max_results=1):
        client.create_registered_model(name)
