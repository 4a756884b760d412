"""The CustomResourceDefinitions of Federation and Cohort, made from the models that validate them everywhere else.

Pure: gives documents and text; ``setup/crds`` writes them. The schema is structural, as apiextensions/v1 asks: no
references, no unions (an optional field is one that is not required), a description on every field. Refuses a model
that says what a structural schema cannot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from consilia.admission import LIST_KEYS, RULES, SETS, matching
from consilia.object_paths import API_VERSION
from consilia.rule import Rule
from consilia.spec import Cohort, CohortSpec, Document, Federation, FederationSpec, Metadata
from consilia.status import CohortStatus, FederationStatus

Schema = dict[str, Any]

GROUP, VERSION = API_VERSION.split("/")

# What a structural schema and pydantic's JSON schema mean alike.
_ALIKE = (
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
)
_TOLD_ELSEWHERE = frozenset({"title", "description", "type", "default", "items", "additionalProperties", "rounded"})


@dataclass(frozen=True)
class Column:
    """One column of ``kubectl get``; ``wide`` ones are shown with ``-o wide`` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def to_json(self) -> Schema:
        """As additionalPrinterColumns has it."""
        written: Schema = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return written | ({"priority": 1} if self.wide else {})


@dataclass(frozen=True)
class Resource:
    """One kind, and how ``kubectl`` calls and shows it."""

    document: type[Document]
    spec: type[Document]
    status: type[Document]
    plural: str
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """``Federation``."""
        return self.document.__name__


_NAME: Schema = Metadata.model_json_schema()["properties"]["name"]
_AGE = Column("Age", ".metadata.creationTimestamp", "date")

RESOURCES = (
    Resource(
        Federation,
        FederationSpec,
        FederationStatus,
        "federations",
        (
            Column("Phase", ".status.phase"),
            Column("Round", ".status.round", "integer"),
            Column("Rounds", ".status.rounds", "integer"),
            Column("Hospitals", ".status.hospitalsReady"),
            Column("Accuracy", ".status.metrics.accuracy", "number"),
            Column("Loss", ".status.metrics.loss", "number"),
            Column("Epsilon", ".status.privacyLabel"),
            _AGE,
            Column("R2", ".status.metrics.r2", "number", wide=True),
            Column("Run", ".status.run", "integer", wide=True),
            Column("Asked", ".spec.privacy.epsilon", "number", wide=True),
            Column("Message", ".status.message", wide=True),
        ),
        ("fed",),
    ),
    Resource(
        Cohort,
        CohortSpec,
        CohortStatus,
        "cohorts",
        (
            Column("Hospital", ".spec.hospital"),
            Column("Engine", ".spec.engine"),
            Column("Spent", ".status.epsilonSpent", "number"),
            Column("Budget", ".spec.budget.epsilon", "number"),
            Column("In-Use-By", ".status.inUseBy"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _AGE,
            Column("Remaining", ".status.epsilonRemaining", "number", wide=True),
            Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
        ),
    ),
)


def definition(resource: Resource) -> Schema:
    """The CustomResourceDefinition of ``resource``, as an API server takes it."""
    singular = resource.kind.lower()
    names: Schema = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": singular,
        "categories": ["consilia"],
    }
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{GROUP}",
            # The chart's uninstall must not take every federation, its journal and its history along.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.to_json() for column in resource.columns],
                    "schema": {"openAPIV3Schema": schema_of(resource)},
                }
            ],
        },
    }


def schema_of(resource: Resource) -> Schema:
    """The structural schema of ``resource``: metadata's name, spec and status."""
    # Of metadata a schema may bound the name, by no rule.
    name = {"type": "string", **{word: _NAME[word] for word in ("description", "maxLength", "pattern")}}
    whole: Schema = {
        "description": _prose(resource.document),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": f"{API_VERSION}.", "type": "string", "maxLength": 64},
            "kind": {"description": f"{resource.kind}.", "type": "string", "maxLength": 64},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": structural(resource.spec, defaults=True),
            "status": structural(resource.status, defaults=False),
        },
    }
    return whole | _rules(resource.kind)


def render(resource: Resource) -> str:
    """The text of ``crds/<plural>.yaml``."""
    body = yaml.dump(definition(resource), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return f"# Made from core/consilia/spec.py and status.py by `make crds`: change those.\n{body}"


class _Dumper(yaml.SafeDumper):
    """Writes equal parts out each time, where YAML would refer to the first."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class asks for it
        return True


def structural(model: type[Document], *, defaults: bool) -> Schema:
    """The structural schema of ``model``, with its admission rules.

    ``defaults``: what people leave out is filled in (a spec), or absent is absent (a status). Raises ValueError for a
    field without a description, or one that a structural schema cannot tell.
    """
    whole = model.model_json_schema(by_alias=True)
    return _Structure(whole.get("$defs", {}), defaults).object(whole, model.__name__, whole["description"])


@dataclass(frozen=True)
class _Structure:
    """Turns pydantic's JSON schema into a structural one."""

    definitions: Mapping[str, Schema]
    defaults: bool

    def object(self, node: Schema, model: str, description: str) -> Schema:
        """A mapping with known fields; ``model`` is the name of its class."""
        made: Schema = {"description": _one_line(description), "type": "object"}
        if self.defaults and node.get("required"):
            made["required"] = list(node["required"])
        properties = {
            name: self._property(field, model, name, name in node.get("required", []))
            for name, field in node["properties"].items()
        }
        # An API server keeps no empty list of fields, and what is applied again would differ from what it keeps.
        return made | ({"properties": properties} if properties else {"maxProperties": 0}) | _rules(model)

    def _property(self, node: Schema, model: str, name: str, required: bool) -> Schema:
        optional = "anyOf" in node
        made = self._value(_without_null(node, f"{model}.{name}"), model, name)
        if not made.get("description"):
            raise ValueError(f"{model}.{name} has no description: write one in its Field")
        if self.defaults and not required and not optional:
            # A mapping's own fields bring their defaults; without {} there would be nothing to fill them into.
            made["default"] = node.get("default", [] if made["type"] == "array" else {})
        if (model, name) in LIST_KEYS:
            key = LIST_KEYS[model, name]
            made |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
            made["items"].setdefault("required", [key])  # also in a status, where nothing else is
        if (model, name) in SETS:
            made["x-kubernetes-list-type"] = "set"
        return made

    def _value(self, node: Schema, model: str, name: str) -> Schema:
        if "$ref" in node:
            target = node["$ref"].rsplit("/", 1)[1]
            referred = self.definitions[target]
            return self.object(referred, target, node.get("description") or referred["description"])
        made: Schema = {"description": _one_line(node["description"])} if "description" in node else {}
        made["type"] = node["type"]
        if node["type"] == "array":
            made["items"] = self._value(node["items"], model, name)
        if node["type"] == "object":
            # Words by word: known fields are another matter, and have a model.
            made["additionalProperties"] = self._value(_texts(node, f"{model}.{name}"), model, name)
        return made | _bounds(node, f"{model}.{name}")


def _bounds(node: Schema, where: str) -> Schema:
    made = {word: node[word] for word in _ALIKE if word in node}
    if node["type"] == "integer":
        made["format"] = "int64"
    if "pattern" in node:
        made["x-kubernetes-validations"] = [_written(matching(node["pattern"]))]
    if "const" in node:
        made["enum"] = [node["const"]]
    for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if word in node:
            made |= {bound: node[word], word: True}
    unknown = set(node) - set(_ALIKE) - _TOLD_ELSEWHERE - {"const", "pattern", "exclusiveMinimum", "exclusiveMaximum"}
    if unknown:
        raise ValueError(f"{where} says {', '.join(sorted(unknown))}, which a structural schema cannot tell")
    return made


def _texts(node: Schema, where: str) -> Schema:
    """The values of a mapping from any text to texts."""
    values = node.get("additionalProperties")
    if not isinstance(values, dict) or values.get("type") != "string":
        raise ValueError(f"{where} is a mapping of something else than texts, which nobody here writes")
    return values


def _without_null(node: Schema, where: str) -> Schema:
    """An optional field's only other branch, with what is said about the field."""
    if "anyOf" not in node:
        return node
    branches: list[Schema] = [each for each in node["anyOf"] if each != {"type": "null"}]
    if len(branches) != 1:
        raise ValueError(f"{where} is one of several types, which a structural schema cannot tell")
    return branches[0] | {word: said for word, said in node.items() if word not in ("anyOf", "default")}


def _rules(model: str) -> Schema:
    rules = RULES.get(model, ())
    return {"x-kubernetes-validations": [_written(rule) for rule in rules]} if rules else {}


def _written(rule: Rule) -> Schema:
    written: Schema = {"rule": rule.rule, "messageExpression": rule.says, "message": rule.otherwise}
    return written | ({"fieldPath": rule.field} if rule.field else {})


def _prose(model: type[Document]) -> str:
    return _one_line(model.__doc__ or "")


def _one_line(text: str) -> str:
    """The first paragraph, without the marks of code."""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split()).replace("``", "")
