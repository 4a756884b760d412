"""The definitions of the resources: as committed, structural, described and bounded throughout."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from consilia.admission import LIST_KEYS, RULES, SETS
from consilia.crds import RESOURCES, Resource, definition, render, schema_of, structural
from consilia.spec import Document

ROOT = Path(__file__).parents[2]
EITHER = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.plural)
FEDERATION, COHORT = RESOURCES
DURATION = "a duration such as 30s, 2m or 1h"

Node = dict[str, Any]


def nodes(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every part of a schema with its path, the top included."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}[]")


def at(resource: Resource, path: str) -> Node:
    """The part of the schema of ``resource`` at ``.spec.hospitals[].name``."""
    return dict(nodes(schema_of(resource)))[path]


@EITHER
@pytest.mark.parametrize("folder", ["crds", "charts/consilia/files/crds"])
def test_what_is_committed_is_what_the_models_give(resource: Resource, folder: str) -> None:
    assert (ROOT / folder / f"{resource.plural}.yaml").read_text() == render(resource), "run `make crds`"


@EITHER
def test_the_text_reads_back_as_the_definition(resource: Resource) -> None:
    assert yaml.safe_load(render(resource)) == definition(resource)


@EITHER
def test_every_field_is_described(resource: Resource) -> None:
    # Kubernetes describes metadata itself, and what is in a list of words is described by its list.
    silent = [
        path
        for path, node in nodes(schema_of(resource))
        if path != ".metadata" and not path.endswith("[]") and len(node.get("description", "")) < 4
    ]
    assert silent == []


@EITHER
def test_the_schema_is_structural(resource: Resource) -> None:
    for path, node in nodes(schema_of(resource)):
        assert "type" in node, path
        assert not {"$ref", "anyOf", "allOf", "oneOf", "const", "title"} & set(node), path
        assert not {"properties", "additionalProperties"} <= set(node), path


@EITHER
def test_every_text_list_and_mapping_is_bounded(resource: Resource) -> None:
    bounds = {
        "string": ("maxLength", "enum", "format"),
        "array": ("maxItems",),
        "object": ("properties", "maxProperties"),
    }
    unbounded = [
        path
        for path, node in nodes(schema_of(resource))
        if node["type"] in bounds and not any(bound in node for bound in bounds[node["type"]])
    ]
    assert unbounded == []


@pytest.mark.parametrize(
    ("resource", "path", "said"),
    [
        pytest.param(FEDERATION, ".spec.rounds", {"minimum": 1, "maximum": 100_000, "default": 10}, id="a number"),
        pytest.param(FEDERATION, ".spec.suspend", {"type": "boolean", "default": False}, id="a flag"),
        pytest.param(FEDERATION, ".spec.model", {"type": "object", "default": {}}, id="a mapping that may be left out"),
        pytest.param(FEDERATION, ".spec.evaluation.builtin.split", {"enum": ["test"]}, id="the only value"),
        pytest.param(FEDERATION, ".spec.features.scaling", {"enum": ["codebook", "federated"]}, id="one of several"),
        pytest.param(
            FEDERATION,
            ".spec.algorithm.fedAvg.learningRate",
            {"minimum": 0, "exclusiveMinimum": True, "maximum": 1000},
            id="above, not at",
        ),
        pytest.param(
            FEDERATION,
            ".spec.hospitals",
            {"maxItems": 500, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            id="a list with a key",
        ),
        pytest.param(FEDERATION, ".status.hospitals", {"maxItems": 100}, id="a list in the status"),
        pytest.param(FEDERATION, ".status.startedAt", {"format": "date-time"}, id="a time"),
        pytest.param(
            FEDERATION,
            ".spec.roundTimeout",
            {
                "pattern": None,
                "x-kubernetes-validations": [
                    {
                        "rule": r"self.matches(r'^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)$')",
                        "messageExpression": f"""'it is "%s"; it must be {DURATION}'.format([self])""",
                        "message": f"it must be {DURATION}",
                    }
                ],
            },
            id="a pattern, in words",
        ),
        pytest.param(
            COHORT,
            ".spec.agent.nodeSelector",
            {"type": "object", "maxProperties": 32, "default": None},
            id="a mapping from texts to texts",
        ),
        pytest.param(COHORT, ".spec.agent.nodeSelector[]", {"type": "string", "maxLength": 63}, id="its values"),
        pytest.param(COHORT, ".spec.grants[].federations", {"x-kubernetes-list-type": "set"}, id="a set"),
    ],
)
def test_a_field_says_of_itself(resource: Resource, path: str, said: Node) -> None:
    node = at(resource, path)
    assert {name: node.get(name) for name in said} == said


@pytest.mark.parametrize("field", ["quorum", "run", "evaluation"])
def test_what_may_be_absent_has_no_default_and_is_not_required(field: str) -> None:
    assert "default" not in at(FEDERATION, f".spec.{field}")
    assert field not in at(FEDERATION, ".spec")["required"]


def test_a_status_fills_nothing_in() -> None:
    for resource in RESOURCES:
        assert not [
            path for path, node in nodes(schema_of(resource)) if path.startswith(".status") and "default" in node
        ]


def test_every_rule_and_key_is_of_a_model_that_is_there() -> None:
    written = str([definition(resource) for resource in RESOURCES])
    assert [rule for rules in RULES.values() for rule in rules if repr(rule.rule) not in written] == []
    assert written.count("'x-kubernetes-list-type': 'map'") == len(LIST_KEYS)
    assert written.count("'x-kubernetes-list-type': 'set'") == len(SETS)


def test_a_field_without_a_description_is_refused() -> None:
    class Silent(Document):
        """A model."""

        word: str

    with pytest.raises(ValueError, match=r"Silent\.word has no description"):
        structural(Silent, defaults=True)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        pytest.param(dict[str, int], "is a mapping of something else than texts", id="a mapping of numbers"),
        pytest.param(dict[str, Any], "is a mapping of something else than texts", id="a mapping of anything"),
        pytest.param(int | str, "is one of several types", id="a union"),
    ],
)
def test_what_a_structural_schema_cannot_say_is_refused(kind: Any, why: str) -> None:
    class Loose(Document):
        """A model."""

        field: kind = Field(description="A field.")

    with pytest.raises(ValueError, match=rf"Loose\.field {why}"):
        structural(Loose, defaults=True)


def test_kubectl_shows_a_federation_in_the_columns_people_look_for() -> None:
    (version,) = definition(FEDERATION)["spec"]["versions"]
    shown = [column["name"].upper() for column in version["additionalPrinterColumns"] if "priority" not in column]
    assert shown == ["PHASE", "ROUND", "ROUNDS", "HOSPITALS", "ACCURACY", "LOSS", "EPSILON", "AGE"]
    # A run's own target: of statistics it is one exchange, and of a private run what its noise was calibrated for.
    paths = {column["name"]: column["jsonPath"] for column in version["additionalPrinterColumns"]}
    assert (paths["Round"], paths["Rounds"]) == (".status.round", ".status.rounds")
    assert definition(FEDERATION)["spec"]["names"]["shortNames"] == ["fed"]
    assert version["subresources"] == {"status": {}}


@EITHER
def test_every_column_shows_a_field_that_is_there(resource: Resource) -> None:
    known = {path for path, _ in nodes(schema_of(resource))} | {".metadata.creationTimestamp"}
    shown = {column.path.replace('[?(@.type=="Ready")]', "[]") for column in resource.columns}
    assert shown <= known
