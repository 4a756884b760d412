"""A small federation, and a place to keep its state."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consilia.manifest import Manifest, parse
from consilia.spec import Federation
from consilia_local.folder import StateFolder
from consilia_local.launcher import Launcher, open_nursery

HEAD = """\
apiVersion: consilia.health/v1alpha1
kind: Federation
metadata: {name: trial, namespace: consortium}
spec:
  rounds: 3
  privacy: {epsilon: 0}
  hospitals:
    - {name: north, cohort: {name: north-2024}}
    - {name: south, cohort: {name: south-2024}}
  features: {label: malignant, scaling: federated, codebook: [{name: mean radius}]}
"""
COHORT = """\
---
apiVersion: consilia.health/v1alpha1
kind: Cohort
metadata: {{name: {hospital}-2024, namespace: consortium}}
spec:
  hospital: {hospital}
  source: {{builtin: {{dataset: breast-cancer, shard: {shard}, of: 2}}}}
  allowNonPrivate: true
"""
TRIAL = HEAD + COHORT.format(hospital="north", shard=0) + COHORT.format(hospital="south", shard=1)
PRIVATE = TRIAL.replace("privacy: {epsilon: 0}", "privacy: {epsilon: 1.0, delta: 1.0e-5}").replace(
    "scaling: federated, codebook: [{name: mean radius}]",
    "nominalRows: 455, codebook: [{name: mean radius, min: 0, max: 50}]",
)
PRIVATE = PRIVATE.replace("allowNonPrivate: true", "budget: {epsilon: 4.0, delta: 1.0e-5}")


@pytest.fixture
def private_text() -> str:
    """The text of a valid file of a private federation: two hospitals with budgets, three rounds."""
    return PRIVATE


@pytest.fixture
def trial_text() -> str:
    """The text of a valid file: two hospitals, three rounds."""
    return TRIAL


@pytest.fixture
def trial_file(tmp_path: Path) -> Path:
    """The same as a file."""
    file = tmp_path / "trial.yaml"
    file.write_text(TRIAL)
    return file


@pytest.fixture
def manifest() -> Manifest:
    """The same, read."""
    return parse(TRIAL, "trial.yaml")


@pytest.fixture
def federation(manifest: Manifest) -> Federation:
    """Its Federation."""
    return manifest.federations[0]


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """An empty state folder."""
    return StateFolder(tmp_path / "state")


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[Launcher]:
    """A launcher whose nursery imports nothing beforehand."""
    made = Launcher(open_nursery(load=()), tmp_path / "nursery.log", load=())
    yield made
    await made.close()
