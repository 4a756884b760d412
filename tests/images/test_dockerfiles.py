"""What the images' recipes promise: nobody is root, nothing is unpinned, all that is imported is there."""

import ast
import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = sorted(path.parent.name for path in (ROOT / "images").glob("*/Dockerfile"))
WITH_PYTHON = [name for name in COMPONENTS if name != "broker"]

EVERY = pytest.mark.parametrize("component", COMPONENTS)
EVERY_PYTHON = pytest.mark.parametrize("component", WITH_PYTHON)

LABELS = {"title", "description", "version", "licenses"}


def instructions(component: str) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile with its arguments, continued lines joined, comments left out."""
    lines = (ROOT / "images" / component / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
    words = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(name, " ".join(arguments.split())) for name, arguments in words]


def only(component: str, name: str) -> str:
    """The arguments of an instruction that is there once."""
    (arguments,) = [arguments for each, arguments in instructions(component) if each == name]
    return arguments


def copied(component: str) -> dict[str, Path]:
    """What is copied out of the tree: for each file its place under the image's own folder, and where it comes from."""
    found: dict[str, Path] = {}
    for name, arguments in instructions(component):
        if name == "COPY":
            *sources, target = arguments.split()
            place = target.removeprefix("/opt/consilia").strip("/")
            for source in map(Path, sources):
                assert (ROOT / source).exists(), f"{component} copies {source}, which is not there"
                files = [ROOT / source] if (ROOT / source).is_file() else sorted((ROOT / source).rglob("*.py"))
                for file in files:
                    inner = file.name if (ROOT / source).is_file() else file.relative_to(ROOT / source).as_posix()
                    found[place if target.endswith(".txt") else f"{place}/{inner}"] = file
    return found


@EVERY
def test_it_starts_from_what_the_builder_says(component: str) -> None:
    first, second = instructions(component)[:2]
    assert first[0] == "ARG"
    assert re.fullmatch(r"BASE_IMAGE=python:3\.11-slim-[a-z]+", first[1]), "a base that moves to another Debian"
    assert second == ("FROM", "${BASE_IMAGE}")


@EVERY
def test_nobody_is_root_and_the_number_has_a_name(component: str) -> None:
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", only(component, "USER"))
    number = only(component, "USER").split(":")[0]
    runs = [arguments for name, arguments in instructions(component) if name == "RUN"]
    assert any(f"useradd --uid {number} " in arguments for arguments in runs)
    names = [name for name, _ in instructions(component)]
    assert "RUN" not in names[names.index("USER") :]


@EVERY
def test_it_says_what_it_is(component: str) -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z]+)="([^"]+)"', only(component, "LABEL")))
    assert set(labels) == LABELS
    assert labels["version"] == "${VERSION}"
    assert labels["licenses"] == "Apache-2.0"


@EVERY
def test_no_shell_stands_between_signals_and_the_process(component: str) -> None:
    assert only(component, "ENTRYPOINT").startswith('["')
    assert "CMD" not in [name for name, _ in instructions(component)]


@EVERY_PYTHON
def test_every_package_is_checked_against_its_hash_and_nothing_stays_that_builds(component: str) -> None:
    (lock,) = [path for place, path in copied(component).items() if place == "lock.txt"]
    assert lock.parent == ROOT / "locks"
    (install,) = [text for name, text in instructions(component) if name == "RUN" and "pip install" in text]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "--mount=type=cache,target=/var/cache/pip" in install
    assert "pip uninstall --quiet --yes setuptools pip" in install


@EVERY_PYTHON
def test_all_that_is_imported_is_compiled_before_a_pod_starts(component: str) -> None:
    runs = [text for name, text in instructions(component) if name == "RUN"]
    for what in ("sysconfig.get_path", "/opt/venv/lib", "/opt/consilia"):
        assert any("compileall" in text and text.endswith((what, f'{what}("stdlib"))\')"')) for text in runs), what


@EVERY_PYTHON
def test_what_changes_most_comes_last(component: str) -> None:
    sources = [text for name, text in instructions(component) if name == "COPY"]
    assert sources[0].startswith("locks/")
    order = [name for name, text in instructions(component) if name == "COPY" or "pip install" in text]
    assert [name for name, _ in itertools.groupby(order)][:3] == ["COPY", "RUN", "COPY"]


def ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0].startswith("consilia")


def imported(file: Path) -> set[str]:
    """The modules of ours that a file imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {module for module in found if ours(module)}


@EVERY_PYTHON
def test_every_module_of_ours_that_is_imported_is_copied(component: str) -> None:
    there = {place for place in copied(component) if place.endswith(".py")}
    modules = {place.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for place in there}
    for place, file in copied(component).items():
        for module in imported(file) if place.endswith(".py") else ():
            # The last word may be a name in the module.
            assert module in modules or module.rpartition(".")[0] in modules, f"{file} imports {module}"


@EVERY_PYTHON
def test_what_is_started_is_copied(component: str) -> None:
    words = re.findall(r'"([^"]+)"', only(component, "ENTRYPOINT"))
    assert words[:2] == ["python", "-m"]
    for module in words[2:]:
        assert f"{module}/__main__.py" in copied(component)


def test_the_context_holds_packages_and_locks_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    needed = {
        Path(word)
        for component in COMPONENTS
        for name, arguments in instructions(component)
        if name == "COPY"
        for word in arguments.split()[:-1]
    }
    assert {entry for entry in let_in if not any(path.is_relative_to(entry) for path in needed)} == set()
    assert {path for path in needed if not any(path.is_relative_to(entry) for entry in let_in)} == set()
    assert "**/__pycache__" in lines
