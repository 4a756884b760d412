"""Documents as people write them: YAML of several documents, and a sentence with a line for each mistake.

Pure: takes text, gives objects. Refuses what the schema refuses, documents of another kind, the same object twice,
and a federation that names a cohort which is not there.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

from consilia.admission import described
from consilia.errors import InvalidManifest
from consilia.object_paths import API_VERSION
from consilia.spec import Cohort, Federation
from consilia.wording import counted

Path = tuple[str | int, ...]
LONGEST_VALUE = 60


@dataclass(frozen=True)
class Manifest:
    """What one file holds."""

    federations: tuple[Federation, ...] = ()
    cohorts: dict[tuple[str, str], Cohort] = field(default_factory=dict)

    def cohorts_of(self, federation: Federation) -> dict[str, Cohort]:
        """The cohort of each hospital of ``federation``, by the hospital's name."""
        return {hospital.name: self.cohorts[federation.cohort_key(hospital)] for hospital in federation.spec.hospitals}


def parse(text: str, source: str) -> Manifest:
    """Read the documents in ``text``; ``source`` is the file's name for the sentences.

    Raises :class:`InvalidManifest`, naming the line, for the first mistake.
    """
    federations: list[Federation] = []
    cohorts: dict[tuple[str, str], Cohort] = {}
    nodes: list[tuple[Federation, yaml.Node]] = []
    for node in _compose(text, source):
        document = _build(node, source)
        if isinstance(document, Cohort):
            if document.key in cohorts:
                raise _mistake(source, node, f"Cohort {_full(document)} is there twice: rename or remove one")
            _require_unique_hospital(document, cohorts, source, node)
            cohorts[document.key] = document
        else:
            if any(_full(document) == _full(other) for other in federations):
                raise _mistake(source, node, f"Federation {_full(document)} is there twice: rename or remove one")
            federations.append(document)
            nodes.append((document, node))
    for federation, node in nodes:
        _require_cohorts(federation, cohorts, source, node)
    return Manifest(tuple(federations), cohorts)


def only_federation(manifest: Manifest, source: str) -> Federation:
    """The one federation of a file that is to be run."""
    if len(manifest.federations) != 1:
        raise InvalidManifest(
            f"{source} holds {counted(len(manifest.federations), 'Federation')}; a file to run holds one, "
            "with its Cohorts"
        )
    return manifest.federations[0]


def _compose(text: str, source: str) -> list[yaml.Node]:
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidManifest(f"{source}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InvalidManifest(f"{source}:1: not valid YAML: {error}") from error
    except RecursionError as error:
        raise InvalidManifest(f"{source}:1: nested too deeply: write it flatter") from error
    if not nodes:
        raise InvalidManifest(f"{source} is empty: write a Federation and its Cohorts")
    return nodes


def _build(node: yaml.Node, source: str) -> Federation | Cohort:
    try:
        _refuse_duplicate_keys(node, source)
        data = yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else node.start_mark.line + 1
        raise InvalidManifest(f"{source}:{line}: not valid YAML: {error.problem}") from error
    if not isinstance(data, dict):
        raise _mistake(source, node, f"expected a Federation or a Cohort, found {_quote(data)}")
    if data.get("apiVersion") != API_VERSION:
        raise _mistake(
            source, node, f"apiVersion is {_quote(data.get('apiVersion'))}; it must be {API_VERSION}", "apiVersion"
        )
    kinds: dict[str, type[Federation] | type[Cohort]] = {"Federation": Federation, "Cohort": Cohort}
    kind = kinds.get(str(data.get("kind")))
    if kind is None:
        raise _mistake(source, node, f"kind is {_quote(data.get('kind'))}; it must be Federation or Cohort", "kind")
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InvalidManifest(explain(error, source, node)) from error


def explain(error: ValidationError, source: str = "", node: yaml.Node | None = None) -> str:
    """The first mistake that pydantic found, as one sentence with its field, value and remedy."""
    first = error.errors()[0]
    path: Path = first["loc"]
    kind, context, value = first["type"], first.get("ctx", {}), first.get("input")
    dotted = _dotted(path)
    if kind == "value_error":
        sentence = f"{dotted + ': ' if dotted else ''}{context['error']}"
    elif kind in ("union_tag_invalid", "union_tag_not_found"):
        sentence = _wrong_tag(context)
    else:
        sentence = f"{dotted or 'it'} {_reason(kind, context, value, path)}"
    if node is None:
        return sentence
    return f"{source}:{_line(node, path)}: {sentence}"


def _wrong_tag(context: dict[str, Any]) -> str:
    """The field that says which kind of message this is."""
    field_name = context["discriminator"].strip("'")
    if "tag" not in context:
        return f"{field_name} is missing: add it"
    return f"{field_name} is {_quote(context['tag'])}; it must be one of {context['expected_tags']}"


def _reason(kind: str, context: dict[str, Any], value: object, path: Path) -> str:  # noqa: PLR0911 - one sentence a kind
    shown = _quote(value)
    limits = {
        "greater_than": "above",
        "greater_than_equal": "at least",
        "less_than": "below",
        "less_than_equal": "at most",
    }
    if kind == "missing":
        return "is missing: add it"
    if kind == "json_invalid":
        return f"is not valid JSON: {context['error']}"
    if kind == "extra_forbidden":
        return "is not a known field: check its spelling, or remove it"
    if kind in limits:
        if path[-1] == "epsilon" and kind == "greater_than_equal":
            return f"is {shown}; it must be 0 (no privacy) or more, usually between 0.5 and 8"
        return f"is {shown}; it must be {limits[kind]} {next(iter(context.values()))}"
    if kind == "literal_error":
        return f"is {shown}; it must be {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"is {shown}; it must be {described(context['pattern'])}"
    if kind in ("too_short", "string_too_short"):
        return f"is {shown}; it must not be empty"
    if kind in ("too_long", "string_too_long"):
        return f"is longer than the {context['max_length']} that are allowed"
    return f"is {shown}; it must be {_expected(kind)}"


def _expected(kind: str) -> str:
    names = {
        "int": "a whole number",
        "float": "a number",
        "finite": "a finite number",
        "bool": "true or false",
        "string": "text",
        "list": "a list",
        "dict": "a mapping",
        "model": "a mapping",
    }
    return next((words for prefix, words in names.items() if kind.startswith(prefix)), f"valid ({kind})")


def _quote(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _cut(str(value))
    if value is None:
        return "empty"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else ("an empty list" if not value else "a list")
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return f'"{_cut(text)}"'


def _cut(text: str) -> str:
    return f"{text[:LONGEST_VALUE]}…" if len(text) > LONGEST_VALUE else text


def _dotted(path: Path) -> str:
    parts: list[str] = []
    for part in path:
        name = f"[{part}]" if isinstance(part, int) else _cut(part)
        parts.append(f".{name}" if parts and isinstance(part, str) else name)
    return "".join(parts)


def _line(node: yaml.Node, path: Path) -> int:
    """The line of the field at ``path``, or of the closest part of it that is there."""
    line = node.start_mark.line
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1


def _refuse_duplicate_keys(node: yaml.Node, source: str, inside: tuple[yaml.Node, ...] = ()) -> None:
    """YAML loaders let the last of two equal keys win; a person who wrote both meant one of them.

    An alias may name a node that it is itself inside of; no document of ours holds itself.
    """
    if any(node is outer for outer in inside):
        line = node.start_mark.line + 1
        raise InvalidManifest(f"{source}:{line}: what is anchored here holds an alias of itself: write it out")
    inside = (*inside, node)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(item, source, inside)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key.value, str):
                if key.value in seen:
                    raise InvalidManifest(
                        f'{source}:{key.start_mark.line + 1}: "{key.value}" is there twice: remove one'
                    )
                seen.add(key.value)
            _refuse_duplicate_keys(value, source, inside)


def _require_unique_hospital(
    cohort: Cohort, cohorts: dict[tuple[str, str], Cohort], source: str, node: yaml.Node
) -> None:
    for other in cohorts.values():
        if other.spec.source == cohort.spec.source:
            raise _mistake(
                source,
                node,
                f"Cohort {_full(cohort)} has the same rows as {_full(other)}: every patient belongs to one cohort",
                "spec",
                "source",
            )


def _require_cohorts(
    federation: Federation, cohorts: dict[tuple[str, str], Cohort], source: str, node: yaml.Node
) -> None:
    for index, hospital in enumerate(federation.spec.hospitals):
        key = federation.cohort_key(hospital)
        where: Path = ("spec", "hospitals", index, "cohort")
        dotted = _dotted(where)
        if key not in cohorts:
            raise _mistake(
                source,
                node,
                f'{dotted} names Cohort "{key[1]}" in namespace {key[0]}, which is not given: add its document',
                *where,
            )
        owner = cohorts[key].spec.hospital
        if owner != hospital.name:
            raise _mistake(
                source,
                node,
                f'{dotted}: Cohort "{key[1]}" belongs to hospital "{owner}", not to "{hospital.name}"',
                *where,
            )
        if not cohorts[key].may_be_used_by(federation):
            raise _mistake(
                source,
                node,
                f'{dotted}: Cohort "{key[1]}" in namespace {key[0]} is not granted to this federation: '
                "its hospital adds it to the cohort's spec.grants",
                *where,
            )
        _require_test_rows_apart(federation, cohorts[key], dotted, source, node)


def _require_test_rows_apart(federation: Federation, cohort: Cohort, dotted: str, source: str, node: yaml.Node) -> None:
    """A builtin dataset is cut by its seed: with another one, hospitals would train on the public test rows."""
    evaluation = federation.spec.evaluation
    rows = cohort.spec.source.builtin
    if evaluation is None or rows is None:
        return
    if evaluation.builtin.dataset != rows.dataset or evaluation.builtin.seed == rows.seed:
        return
    raise _mistake(
        source,
        node,
        f"{dotted} is cut with seed {rows.seed} and spec.evaluation with {evaluation.builtin.seed}: give both the same "
        "seed, or hospitals train on the test rows",
        "spec",
        "evaluation",
    )


def _mistake(source: str, node: yaml.Node, sentence: str, *path: str | int) -> InvalidManifest:
    return InvalidManifest(f"{source}:{_line(node, path)}: {sentence}")


def _full(document: Federation | Cohort) -> str:
    return f"{document.metadata.namespace}/{document.metadata.name}"
