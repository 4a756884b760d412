"""Federation and Cohort: what is accepted, what it defaults to, and the sentence for everything that is refused."""

import math
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builders import (
    changed,
    cohort,
    cohort_document,
    federation,
    federation_document,
    federation_spec,
    private_document,
)
from consilia.manifest import explain
from consilia.spec import DURATION_UNITS, Cohort, Federation, parse_duration


def refusal(document: dict[str, Any]) -> str:
    """The sentence with which ``document`` is refused."""
    kind = {"Federation": Federation, "Cohort": Cohort}[document["kind"]]
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(document)
    return explain(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        pytest.param("spec.round", 3, "spec.round is not a known field", id="unknown field"),
        pytest.param("spec.model", {"L2": 0.1}, "spec.model.L2 is not a known field", id="unknown field, nested"),
        pytest.param("spec.rounds", -1, "spec.rounds is -1; it must be at least 1", id="negative rounds"),
        pytest.param("spec.rounds", 100_001, "spec.rounds is 100001; it must be at most 100000", id="too many rounds"),
        pytest.param("spec.rounds", "ten", 'spec.rounds is "ten"; it must be a whole number', id="rounds as text"),
        pytest.param("spec.rounds", 1.5, "spec.rounds is 1.5; it must be a whole number", id="half a round"),
        pytest.param("spec.rounds", "10", 'spec.rounds is "10"; it must be a whole number', id="a number as text"),
        pytest.param("spec.rounds", True, "spec.rounds is true; it must be a whole number", id="a flag as a number"),
        pytest.param("spec.seed", 1.5, "spec.seed is 1.5; it must be a whole number", id="half a seed"),
        pytest.param("spec.suspend", "yes", 'spec.suspend is "yes"; it must be true or false', id="a word as a flag"),
        pytest.param("spec.suspend", 1, "spec.suspend is 1; it must be true or false", id="a number as a flag"),
        pytest.param("spec.model", {"l2": "0.1"}, 'spec.model.l2 is "0.1"; it must be a number', id="l2 as text"),
        pytest.param("spec.model", {"l2": True}, "spec.model.l2 is true; it must be a number", id="l2 as a flag"),
        pytest.param("spec.seed", -1, "spec.seed is -1; it must be at least 0", id="negative seed"),
        pytest.param("spec.run", 0, "spec.run is 0; it must be at least 1", id="run zero"),
        pytest.param("spec.quorum", 0, "spec.quorum is 0; it must be at least 1", id="quorum zero"),
        pytest.param("spec.quorum", 3, "quorum 3 is more than the 2 hospitals", id="quorum above the hospitals"),
        pytest.param("spec.suspend", "maybe", 'spec.suspend is "maybe"; it must be true or false', id="not a flag"),
        pytest.param("spec.roundTimeout", "2 minutes", "it must be a duration such as 30s, 2m or 1h", id="duration"),
        pytest.param("spec.roundTimeout", "-2m", 'spec.roundTimeout is "-2m"', id="negative duration"),
        pytest.param("spec.roundTimeout", "99ms", "roundTimeout 99ms is below 100ms", id="duration too short"),
        pytest.param(
            "spec.roundTimeout", "9999999h", "it must be a duration such as 30s, 2m or 1h", id="endless duration"
        ),
        pytest.param("spec.privacy", {"epsilon": -0.5}, "spec.privacy.epsilon is -0.5; it must be 0", id="epsilon < 0"),
        pytest.param("spec.privacy", {"epsilon": math.nan}, "spec.privacy.epsilon is nan", id="epsilon NaN"),
        pytest.param("spec.model", {"l2": math.inf}, "spec.model.l2 is inf; it must be a finite number", id="l2 inf"),
        pytest.param("spec.model", {"l2": -1}, "spec.model.l2 is -1; it must be at least 0", id="l2 negative"),
        pytest.param("spec.model", {"kind": "Tree"}, 'spec.model.kind is "Tree"; it must be', id="another model"),
        pytest.param(
            "spec.algorithm",
            {"fedAvg": {"learningRate": 0}},
            "spec.algorithm.fedAvg.learningRate is 0; it must be above 0",
            id="no learning rate",
        ),
        pytest.param("spec.hospitals.1.name", "north", 'hospital "north" is there twice', id="repeated hospital"),
        pytest.param("spec.hospitals.0.name", "coordinator", 'cannot be called "coordinator"', id="reserved name"),
        pytest.param("spec.hospitals.0.name", "North", 'spec.hospitals[0].name is "North"', id="capital letter"),
        pytest.param(
            "spec.hospitals.0.name",
            "a" * 55,
            "spec.hospitals[0].name is longer than the 54 that are allowed",
            id="long name of a hospital",
        ),
        pytest.param(
            "metadata.name",
            "a" * 64,
            "metadata.name is longer than the 63 that are allowed",
            id="long name of an object",
        ),
        pytest.param("spec.hospitals.0.name", "north\n", "spec.hospitals[0].name", id="name with a line break"),
        pytest.param("spec.hospitals", [], "spec.hospitals is an empty list; it must not be empty", id="no hospital"),
        pytest.param(
            "spec.features.codebook.1.name", "mean radius", 'feature "mean radius" is there twice', id="twice"
        ),
        pytest.param("spec.features.codebook.0.max", -3, "has max -3 at or below min 0", id="bounds the wrong way"),
        pytest.param("spec.features.codebook.0.max", None, "has no bounds: give min and max", id="no bounds"),
        pytest.param("spec.features.label", "mean radius", 'label "mean radius" is also a feature', id="label twice"),
        pytest.param("spec.features.scaling", "best", 'spec.features.scaling is "best"', id="unknown scaling"),
        pytest.param("metadata.name", "a_b", 'metadata.name is "a_b"', id="underscore in the name"),
        pytest.param("metadata", {}, "metadata.name is missing: add it", id="no name"),
        pytest.param("metadata.name", "2024-study", '"2024-study" starts with a digit', id="no name of a Service"),
        pytest.param(
            "spec.hospitals.1.cohort",
            {"name": "north-2024"},
            'cohort "north-2024" is brought by two hospitals: one hospital a cohort',
            id="a cohort twice",
        ),
    ],
)
def test_a_wrong_federation_gets_one_sentence_with_field_and_value(path: str, value: Any, sentence: str) -> None:
    said = refusal(changed(federation_document(), path, value))
    assert sentence in said
    assert "\n" not in said


def test_a_federation_is_private_unless_it_says_otherwise() -> None:
    spec = Federation.model_validate(private_document(privacy=None)).spec
    assert (spec.privacy.epsilon, spec.privacy.delta, spec.privacy.label) == (1.0, 1e-5, "epsilon 1")
    assert spec.privacy.private
    assert not federation_spec().privacy.private


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        pytest.param("epsilon", -1, "epsilon is -1; it must be 0 (no privacy) or more", id="below 0"),
        pytest.param("epsilon", float("nan"), "spec.privacy.epsilon", id="epsilon is no number"),
        pytest.param("epsilon", 101, "epsilon 101 promises next to nothing: ask for 100 or less", id="weak"),
        pytest.param("epsilon", 10_001, "epsilon is 10001; it must be", id="beyond what can be computed"),
        pytest.param("delta", 0, "spec.privacy.delta is 0; it must be above 0", id="delta 0"),
        pytest.param("delta", 0.0025, "delta is 0.0025, and 1 / nominalRows is not above it", id="delta of a record"),
        pytest.param("clipNorm", 0, "spec.privacy.clipNorm is 0; it must be above 0", id="clipNorm 0"),
        pytest.param("mechanism", "Cauchy", 'spec.privacy.mechanism is "Cauchy"', id="mechanism"),
        pytest.param("reserve", -1, "spec.privacy.reserve is -1", id="reserve"),
    ],
)
def test_numbers_that_keep_no_promise_are_refused_with_a_sentence(path: str, value: Any, sentence: str) -> None:
    said = refusal(private_document(privacy={path: value}))
    assert sentence in said
    assert "\n" not in said


def test_a_weak_epsilon_is_taken_from_whoever_means_it() -> None:
    assert (
        Federation.model_validate(private_document(privacy={"epsilon": 101, "acceptWeak": True})).spec.privacy.epsilon
        == 101
    )


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        pytest.param(private_document(algorithm={"fedAvg": {}}), "fedAvg sends local models", id="fedAvg with noise"),
        pytest.param(
            federation_document(algorithm={"dpFedSGD": {}}), "dpFedSGD adds noise, and privacy.epsilon 0", id="no noise"
        ),
        pytest.param(
            private_document(algorithm={"fedAvg": {}, "dpFedSGD": {}}),
            "a run has one algorithm, so remove one",
            id="both",
        ),
        pytest.param(
            changed(private_document(), "spec.features.scaling", "federated"),
            "of patients' values",
            id="moments",
        ),
        pytest.param(
            federation_document(privacy={"epsilon": 1}), "needs features.nominalRows, a public guess", id="no rows"
        ),
        pytest.param(changed(private_document(), "spec.features.nominalRows", 0), "nominalRows is 0", id="no row"),
    ],
)
def test_privacy_with_what_cannot_keep_it_is_refused_with_a_sentence(document: dict[str, Any], sentence: str) -> None:
    said = refusal(document)
    assert sentence in said
    assert "\n" not in said


@pytest.mark.parametrize("algorithm", [None, {}, {"dpFedSGD": {}}])
def test_a_private_run_has_the_private_algorithm_by_default(algorithm: dict[str, Any] | None) -> None:
    assert Federation.model_validate(private_document(algorithm=algorithm)).spec.algorithm.fed_avg is None


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        pytest.param("spec.source.builtin.shard", 5, "shard 5 does not exist: of 5 shards the last is 4", id="shard"),
        pytest.param("spec.source.builtin.shard", -1, "spec.source.builtin.shard is -1", id="negative shard"),
        pytest.param("spec.source.builtin.alpha", 0, "alpha is 0; it must be above 0", id="alpha zero"),
        pytest.param("spec.source.builtin.dataset", "iris", 'dataset is "iris"', id="unknown dataset"),
        pytest.param(
            "spec.source", {}, "a source is one of builtin, csv, parquet, sql, jdbc, fhir, omop, and none", id="none"
        ),
        pytest.param("spec.engine", "flink", "spec.engine is \"flink\"; it must be 'sklearn' or 'spark'", id="engine"),
        pytest.param("spec.holdout", {"fraction": 1}, "spec.holdout.fraction is 1; it must be below 1", id="holdout"),
        pytest.param("spec.budget", {"epsilon": 0}, "spec.budget.epsilon is 0; it must be above 0", id="budget of 0"),
        pytest.param("spec.budget", {"epsilon": 4, "perRun": 0}, "perRun is 0; it must be above 0", id="perRun of 0"),
        pytest.param("spec.budget", {"epsilon": 4, "delta": 1}, "delta is 1; it must be below 1", id="budget's delta"),
        pytest.param("spec.holdout", {"metrics": "vague"}, 'holdout.metrics is "vague"', id="unknown metrics"),
        pytest.param("spec.grants", [{"federations": ["*"]}], "grants[0].namespace is missing", id="grant to nowhere"),
        pytest.param(
            "spec.grants", [{"namespace": "a", "federations": []}], "must not be empty", id="grant to no federation"
        ),
        pytest.param("spec.grants", [{"namespace": "a", "federations": ["b*"]}], 'is "b*"', id="grant to a pattern"),
        pytest.param("spec.grants", [{"namespace": "*"}], 'spec.grants[0].namespace is "*"', id="grant to everybody"),
        pytest.param(
            "spec.grants", [{"namespace": "a"}] * 2, 'grants: namespace "a" is there twice', id="namespace twice"
        ),
        pytest.param(
            "spec.grants",
            [{"namespace": "a", "federations": ["b", "b"]}],
            'federations: federation "b" is there twice',
            id="federation twice",
        ),
    ],
)
def test_a_wrong_cohort_gets_one_sentence_with_field_and_value(path: str, value: Any, sentence: str) -> None:
    assert sentence in refusal(changed(cohort_document(), path, value))


@pytest.mark.parametrize(
    ("quorum", "default", "expected"),
    [
        pytest.param(None, None, 2, id="all hospitals where nobody says"),
        pytest.param(None, 1, 1, id="MIN_AGENTS where the spec says nothing"),
        pytest.param(1, 2, 1, id="the spec before MIN_AGENTS"),
        pytest.param(None, 5, 2, id="never above the hospitals"),
    ],
)
def test_the_quorum_comes_from_the_spec_then_the_default_then_all(
    quorum: int | None, default: int | None, expected: int
) -> None:
    assert federation_spec(quorum=quorum).effective_quorum(default) == expected


def test_hospitals_are_named_in_the_order_of_names_whatever_the_order_of_the_file() -> None:
    assert federation_spec(("zeta", "alpha", "mid")).hospital_names == ["alpha", "mid", "zeta"]


def test_a_cohort_is_looked_for_in_the_federations_namespace_unless_another_is_named() -> None:
    document = changed(federation_document(), "metadata.namespace", "consortium")
    document = changed(document, "spec.hospitals.1.cohort.namespace", "south-clinic")
    read = Federation.model_validate(document)
    keys = [read.cohort_key(hospital) for hospital in read.spec.hospitals]
    assert keys == [("consortium", "north-2024"), ("south-clinic", "south-2024")]


@pytest.mark.parametrize(
    ("grants", "namespace", "allowed"),
    [
        pytest.param(None, "default", True, id="its own namespace, where nothing is said"),
        pytest.param(None, "consortium", False, id="another namespace, where nothing is said"),
        pytest.param([], "default", False, id="an empty list is nobody"),
        pytest.param([{"namespace": "consortium"}], "consortium", True, id="all of a namespace"),
        pytest.param([{"namespace": "consortium"}], "default", False, id="its own namespace, where another is said"),
        pytest.param([{"namespace": "consortium", "federations": ["breast-cancer"]}], "consortium", True, id="by name"),
        pytest.param([{"namespace": "consortium", "federations": ["other"]}], "consortium", False, id="another name"),
    ],
)
def test_a_cohort_is_used_by_whom_its_hospital_lets(
    grants: list[dict[str, Any]] | None, namespace: str, allowed: bool
) -> None:
    asking = Federation.model_validate(changed(federation_document(), "metadata.namespace", namespace))
    assert cohort(grants=grants).may_be_used_by(asking) is allowed


def test_the_bounds_may_be_absent_where_the_scaling_is_federated() -> None:
    features = {"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius"}]}
    assert federation_spec(features=features).features.codebook[0].min is None


@pytest.mark.parametrize("document", [federation_document(), cohort_document()], ids=["federation", "cohort"])
def test_a_document_comes_back_from_its_own_json(document: dict[str, Any]) -> None:
    kind = {"Federation": Federation, "Cohort": Cohort}[document["kind"]]
    read = kind.model_validate(document)
    assert kind.model_validate(read.to_json()) == read
    assert "round_timeout" not in str(read.to_json())


def test_metadata_that_is_somebody_elses_is_accepted_and_left_out() -> None:
    document = federation_document()
    document["metadata"] |= {"labels": {"team": "oncology"}, "annotations": {}, "generation": 3, "managedFields": []}
    assert Federation.model_validate(document) == Federation.model_validate(federation_document())


def test_documents_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        federation().spec.rounds = 5  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        cohort().spec.hospital = "south"  # type: ignore[misc]


@given(st.integers(0, 10**6), st.sampled_from(sorted(DURATION_UNITS)))
def test_a_whole_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    expected = timedelta(seconds=number * DURATION_UNITS[unit])
    assert abs(parse_duration(f"{number}{unit}") - expected) <= timedelta(microseconds=1)


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_refused_with_a_sentence(text: str) -> None:
    try:
        assert parse_duration(text) >= timedelta(0)
    except ValueError as error:
        assert re.search("no duration|longer than any clock", str(error))  # noqa: PT017 - either way is right
