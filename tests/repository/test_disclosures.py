"""The list of what a hospital discloses is whole: each field, metric and log line is in it, and nothing else is."""

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from consilia import protocol, status
from consilia.document import Document
from consilia_coordinator.exposition import exposition

KINDS = {"public", "paid for", "exact by choice", "absent", "paid for, or exact by choice"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log", "warn"}
HOSPITALS_CODE = ("agents/consilia_agents", "bus/consilia_bus")
CODE = re.compile(r"`([^`]*)`")

Cells = list[str]


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "disclosures.md").read_text("utf-8")


def rows(page: str, heading: str) -> list[Cells]:
    """The cells of the table under a heading."""
    part = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    return CODE.findall(cell)


def listed(page: str, heading: str) -> Counter[tuple[str, str]]:
    """Document and field of each row's fields."""
    return Counter((codes(each[0])[0], field) for each in rows(page, heading) for field in codes(each[1]))


def fields_of(module: ModuleType) -> Counter[tuple[str, str]]:
    """Document and field, as JSON calls it, of every document that a module defines; what is inherited, once."""
    documents = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Document) and each.__module__ == module.__name__
    ]
    return Counter(
        (document.__name__, field.alias or name)
        for document in documents
        for name, field in document.model_fields.items()
        if name in inspect.get_annotations(document)
    )


def maximal_status() -> status.FederationStatus:
    """One with whatever a metric can be made of."""
    scores = dict.fromkeys(status.Metrics.model_fields, 0.5)
    ledger = status.LedgerState(sequence=1, head="0" * 64, spent=1.0, remaining=1.0, budget=2.0, delta=1e-5)
    hospital = status.HospitalStatus.model_validate(
        {"name": "north", "errors": dict.fromkeys(status.MetricErrors.model_fields, 0.1), "ledger": ledger} | scores
    )
    return status.FederationStatus(
        metrics=status.Metrics.model_validate(scores),
        hospitals=[hospital],
        seconds_per_round=1.0,
        privacy=status.PrivacyStatus(epsilon=1.0, delta=1e-5),
    )


def log_lines(root: Path) -> Iterator[tuple[str, str]]:
    """Where a hospital's own code writes to its log or to standard error, and what."""
    for path in sorted(path for folder in HOSPITALS_CODE for path in (root / folder).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for line in _lines_of(function):
                    yield f"{path.stem}.{function.name}", line


def _lines_of(function: ast.AST) -> Iterator[str]:
    for node in _own_nodes(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        receiver = ast.unparse(node.func.value)
        if receiver in ("sys.stderr", "sys.stdout"):
            yield receiver.removeprefix("sys.")
        elif node.func.attr in LEVELS:
            yield f"{node.func.attr}: {_said(node)}"


def _said(call: ast.Call) -> str:
    """The text of a line as it is in the code, or the expression that makes it."""
    match call.args:
        case [ast.Constant(value=str(text)), *_]:
            return text
        case [first, *_]:
            return ast.unparse(first)
        case _:
            return ""


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Those of a function, without those of the functions in it, which are walked themselves."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _own_nodes(node)


@pytest.mark.parametrize(
    ("heading", "module"), [("Messages", protocol), ("Status", status)], ids=["messages", "status"]
)
def test_every_field_is_in_the_list_once_and_the_list_names_no_other(
    page: str, heading: str, module: ModuleType
) -> None:
    there, told = fields_of(module), listed(page, heading)
    assert sum(there.values()) > 50
    assert not there - told, f"disclosed, and not in docs/disclosures.md: {sorted(there - told)}"
    assert not told - there, f"in docs/disclosures.md, and not there, or there twice: {sorted(told - there)}"


def test_every_row_says_what_is_promised_of_it(page: str) -> None:
    kinds = [each[2] for heading in ("Messages", "Status") for each in rows(page, heading)]
    kinds += [each[1] for each in rows(page, "Prometheus")]
    assert set(kinds) <= KINDS
    explained = {
        line.strip("|").split(" | ")[0].strip() for line in page.split("## Messages", maxsplit=1)[0].splitlines()
    }
    assert {"public", "paid for", "exact by choice", "absent"} <= explained


def test_counts_of_rows_are_in_no_private_run_and_vectors_are_paid_for(page: str) -> None:
    kind = {
        (codes(each[0])[0], field): each[2]
        for heading in ("Messages", "Status")
        for each in rows(page, heading)
        for field in codes(each[1])
    }
    assert {key for key, is_ in kind.items() if is_ == "absent"} == {("Update", "rows"), ("HospitalMetrics", "rows")}
    assert kind["Update", "vector"] == kind["VectorRef", "data"] == "paid for"
    assert kind["Update", "metrics"] == "exact by choice"


def test_every_metric_of_prometheus_is_in_the_list(page: str) -> None:
    there = set(re.findall(r"^# HELP (\w+)", exposition("consortium/example", maximal_status()), re.MULTILINE))
    told = Counter(name for each in rows(page, "Prometheus") for name in codes(each[0]))
    assert Counter(there) == told


def test_every_line_of_a_hospitals_log_is_in_the_list(page: str, root: Path) -> None:
    there = Counter(log_lines(root))
    told = Counter((codes(each[0])[0], codes(each[1])[0]) for each in rows(page, "A hospital's log"))
    assert sum(there.values()) >= 10
    assert not there - told, f"written, and not in docs/disclosures.md: {sorted(there - told)}"
    assert not told - there, f"in docs/disclosures.md, and not written: {sorted(told - there)}"


def test_every_traceback_is_marked(page: str) -> None:
    marked = {codes(each[1])[0] for each in rows(page, "A hospital's log") if "traceback" in each[2]}
    tracebacks = {
        codes(each[1])[0] for each in rows(page, "A hospital's log") if codes(each[1])[0].startswith("exception:")
    }
    assert marked == tracebacks
    assert len(marked) == page.count("**a traceback**")


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        pytest.param("def f():\n    logger.info('rows: %d', n)", ["info: rows: %d"], id="a line"),
        pytest.param("async def f():\n    self._log.error(said)", ["error: said"], id="under another name"),
        pytest.param("def f():\n    sys.stderr.write(x)", ["stderr"], id="standard error"),
        pytest.param("def f():\n    if a:\n        x.append(1)", [], id="no line"),
    ],
)
def test_log_lines_are_found(code: str, lines: list[str], tmp_path: Path) -> None:
    folder = tmp_path / HOSPITALS_CODE[0]
    folder.mkdir(parents=True)
    (folder / "module.py").write_text(code)
    assert [line for _, line in log_lines(tmp_path)] == lines
