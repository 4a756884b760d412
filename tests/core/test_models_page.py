"""The page on models: its fragments are federations', every kind has one, and its figures are those of the code."""

import re
from math import log
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from builders import federation_document
from consilia import manifest
from consilia.experiment import Model
from consilia.model import family_of
from consilia.privacy.cells import Evaluation
from consilia.privacy.dp_fedsgd import LONGEST_OF_NUMBERS
from consilia.spec import Federation, FederationSpec

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")
FRAGMENTS: list[dict[str, Any]] = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
EXAMPLE = ROOT / "examples" / "linear-regression.yaml"
KINDS = get_args(Model.model_fields["kind"].annotation)


def spec_of(fragment: dict[str, Any]) -> FederationSpec:
    document = federation_document()
    document["spec"] |= {"privacy": {"epsilon": 0}} | fragment
    return Federation.model_validate(document).spec


def test_every_fragment_is_of_a_federation_and_every_new_kind_has_one() -> None:
    specs = [spec_of(fragment) for fragment in FRAGMENTS]
    assert {spec.model.kind for spec in specs} == set(KINDS) - {"LogisticRegression"}
    for spec in specs:
        assert family_of(spec.model, spec.features).classes == spec.model.classes


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_loss_its_oracle_its_scores_and_its_export(kind: str) -> None:
    assert len(re.findall(rf"^\|[^|]*`{kind}`[^|]*\|", PAGE, re.MULTILINE)) == 4


def test_what_the_page_says_of_noise_is_what_the_code_does() -> None:
    assert LONGEST_OF_NUMBERS == 1 / 8
    softmax, linear, poisson = (Evaluation.of(family_of(spec.model, spec.features)) for spec in map(spec_of, FRAGMENTS))
    assert (softmax.largest_loss, softmax.ignorant_loss) == (4 + log(4 / 2), log(4))
    assert (linear.largest_loss, linear.ignorant_loss) == (1 / 2, 1 / 6)
    assert (poisson.largest_loss, poisson.ignorant_loss) == (4, 1 / 2)


def test_the_example_is_a_linear_regression_of_five_hospitals() -> None:
    spec = manifest.only_federation(manifest.parse(EXAMPLE.read_text("utf-8"), str(EXAMPLE)), str(EXAMPLE)).spec
    assert spec.model.kind == "LinearRegression"
    assert len(spec.hospitals) == 5
    assert spec.features.label not in spec.features.names
