"""Files as people write them: what a mistake is called, on which line, and that the example is one without any."""

import re
from pathlib import Path
from typing import Any

import pytest

from builders import changed, cohort_document, federation_document, manifest_text
from consilia.errors import InvalidManifest
from consilia.manifest import LONGEST_VALUE, only_federation, parse

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
NORTH, SOUTH = cohort_document("north", 0), cohort_document("south", 1)


def refusal(text: str) -> str:
    with pytest.raises(InvalidManifest) as caught:
        parse(text, "file.yaml")
    return str(caught.value)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.name))
def test_an_example_is_one_federation_of_five_hospitals_with_a_cohort_each(example: Path) -> None:
    manifest = parse(example.read_text(), example.name)
    federation = only_federation(manifest, example.name)
    cohorts = manifest.cohorts_of(federation)
    assert sorted(cohorts) == federation.spec.hospital_names
    assert len(cohorts) == 5
    assert len(federation.spec.features.codebook) == (2 if federation.spec.task == "Statistics" else 30)
    assert {cohort.spec.source.builtin.shard for cohort in cohorts.values()} == set(range(5))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.name))
def test_an_examples_bounds_serve_the_codebook_scaling_too(example: Path) -> None:
    text = example.read_text().replace("scaling: federated", "scaling: codebook")
    assert only_federation(parse(text, "example"), "example").spec.features.scaling == "codebook"


def test_the_examples_have_the_same_cohorts() -> None:
    cohorts = [parse(example.read_text(), example.name).cohorts for example in EXAMPLES]
    assert len(cohorts) > 1
    assert all(each == cohorts[0] for each in cohorts)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("spec: [1, 2", "file.yaml:1: not valid YAML", id="an open bracket"),
        pytest.param("a: 1\nb: c: d", "file.yaml:2: not valid YAML", id="two colons in a line"),
        pytest.param("\tkind: Federation", "file.yaml:1: not valid YAML", id="a tab"),
        pytest.param("a: *nowhere", "file.yaml:1: not valid YAML: found undefined alias", id="an unknown alias"),
        pytest.param("a: &a [*a]", "file.yaml:1: what is anchored here holds an alias of itself", id="a loop"),
        pytest.param("[" * 5000, "file.yaml:1: nested too deeply", id="nested too deeply"),
        pytest.param("x: !!python/object:os.system {}", "file.yaml:1: not valid YAML", id="a Python object"),
        pytest.param("kind: \0", "file.yaml:1: not valid YAML", id="a NUL"),
        pytest.param("", "file.yaml is empty: write a Federation and its Cohorts", id="an empty file"),
        pytest.param("# nothing\n", "file.yaml is empty", id="comments only"),
        pytest.param("- a\n- b", "file.yaml:1: expected a Federation or a Cohort, found a list", id="a list"),
        pytest.param("hello", 'expected a Federation or a Cohort, found "hello"', id="a word"),
        pytest.param("kind: Federation", "apiVersion is empty; it must be consilia.health/v1alpha1", id="no version"),
        pytest.param("apiVersion: v1\nkind: Pod", 'file.yaml:1: apiVersion is "v1"', id="another API"),
        pytest.param(
            "apiVersion: consilia.health/v1alpha1\nkind: Pod",
            'file.yaml:2: kind is "Pod"; it must be Federation or Cohort',
            id="another kind",
        ),
        pytest.param("a: 1\na: 2", 'file.yaml:2: "a" is there twice: remove one', id="a key twice"),
        pytest.param("a:\n  - b: 1\n    b: 2", 'file.yaml:3: "b" is there twice', id="a key twice, deep inside"),
    ],
)
def test_what_is_no_document_of_ours_is_refused_with_its_line(text: str, sentence: str) -> None:
    said = refusal(text)
    assert sentence in said


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        pytest.param(
            [federation_document(), NORTH],
            'spec.hospitals[1].cohort names Cohort "south-2024" in namespace default, which is not given: add',
            id="a cohort named but not given",
        ),
        pytest.param(
            [federation_document(), NORTH, changed(SOUTH, "metadata.namespace", "elsewhere")],
            'names Cohort "south-2024" in namespace default, which is not given',
            id="a cohort in another namespace",
        ),
        pytest.param([NORTH, NORTH], "Cohort default/north-2024 is there twice", id="a cohort twice"),
        pytest.param(
            [federation_document(), federation_document(), NORTH, SOUTH],
            "Federation default/breast-cancer is there twice",
            id="a federation twice",
        ),
        pytest.param(
            [NORTH, cohort_document("south", 0)],
            "Cohort default/south-2024 has the same rows as default/north-2024",
            id="two cohorts of the same rows",
        ),
        pytest.param(
            [federation_document(), NORTH, changed(SOUTH, "spec.hospital", "north")],
            'Cohort "south-2024" belongs to hospital "north", not to "south"',
            id="a cohort of another hospital",
        ),
        pytest.param(
            [changed(federation_document(), "spec.hospitals.1.cohort.name", "north-2024"), NORTH, SOUTH],
            'cohort "north-2024" is brought by two hospitals: one hospital a cohort',
            id="one cohort for two hospitals",
        ),
        pytest.param(
            [federation_document(), changed(NORTH, "spec.grants", [{"namespace": "elsewhere"}]), SOUTH],
            'Cohort "north-2024" in namespace default is not granted to this federation',
            id="a cohort that is granted to others",
        ),
    ],
)
def test_documents_that_do_not_fit_together_are_refused(documents: list[dict[str, Any]], sentence: str) -> None:
    said = refusal(manifest_text(*documents))
    assert sentence in said
    assert re.match(r"file\.yaml:\d+: ", said)


@pytest.mark.parametrize(
    ("path", "value", "marker"),
    [
        pytest.param("spec.rounds", -1, "rounds:", id="a field of the spec"),
        pytest.param("spec.rounz", 1, "rounz:", id="an unknown field"),
        pytest.param("spec.features.codebook.1.scale", "log", "scale: log", id="a field in a list"),
        pytest.param("spec.hospitals.1.cohort", {}, "cohort: {}", id="a missing field: its parent"),
    ],
)
def test_the_line_is_the_one_on_which_the_mistake_stands(path: str, value: Any, marker: str) -> None:
    text = manifest_text(NORTH, SOUTH, changed(federation_document(), path, value))
    line = next(number for number, line in enumerate(text.splitlines(), start=1) if marker in line)
    assert refusal(text).startswith(f"file.yaml:{line}: ")


def test_a_long_value_is_quoted_in_part() -> None:
    said = refusal(manifest_text(changed(federation_document(), "spec.features.scaling", "X" * 500)))
    assert f'"{"X" * LONGEST_VALUE}…"' in said
    assert len(said) < 300


def test_the_order_of_the_documents_does_not_matter() -> None:
    assert parse(manifest_text(federation_document(), NORTH, SOUTH), "a") == parse(
        manifest_text(NORTH, SOUTH, federation_document()), "b"
    )


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_to_run_holds_exactly_one_federation(count: int) -> None:
    federations = [changed(federation_document(), "metadata.name", f"f{number}") for number in range(count)]
    manifest = parse(manifest_text(*federations, NORTH, SOUTH), "file.yaml")
    with pytest.raises(InvalidManifest, match=f"holds {count} Federations; a file to run holds one"):
        only_federation(manifest, "file.yaml")
