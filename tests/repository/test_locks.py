"""The locks are complete, hashed, free of addresses, and in step with pyproject.toml and with one another."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Which extra of the project each lock serves. The two that serve people also hold what builds the project in place.
LOCKS = {
    "dev": "dev",
    "demo": "local",
    "coordinator": "coordinator",
    "agent": "agent",
    "dashboard": "dashboard",
    "operator": "operator",
    "mlflow": "mlflow",
    "spark": "spark",
}
WITH_BUILD = ["dev", "demo", "build"]

PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==(?P<version>\S+)(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def pins(root: Path, lock: str) -> dict[str, str]:
    """The versions of a lock by canonical name; a Python's own version of a package counts under the last."""
    lines = (root / "locks" / f"{lock}.txt").read_text().splitlines()
    found = (PIN.fullmatch(line) for line in lines)
    return {canonicalize_name(pin["name"]): pin["version"] for pin in found if pin}


def requirements(project: dict[str, object], extra: str) -> list[Requirement]:
    """What the project asks for with this extra, its references to its own extras followed."""
    extras = project["optional-dependencies"]
    base = project["dependencies"]
    assert isinstance(extras, dict)
    assert isinstance(base, list)
    found = [Requirement(line) for line in base]
    for requirement in map(Requirement, extras[extra]):
        if requirement.name == project["name"]:
            found += [each for inner in requirement.extras for each in requirements(project, inner)]
        else:
            found.append(requirement)
    return found


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, dict[str, object]]:
    return tomllib.loads((root / "pyproject.toml").read_text())


def test_every_lock_is_known_and_there(root: Path) -> None:
    assert {path.stem for path in (root / "locks").glob("*.txt")} == {*LOCKS, "build", "spark-build"}


@pytest.mark.parametrize("lock", [*LOCKS, "build", "spark-build"])
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str, root: Path) -> None:
    before = ""
    for line in (root / "locks" / f"{lock}.txt").read_text().splitlines():
        if not line.startswith("#"):
            assert PIN.fullmatch(line) or HASH.fullmatch(line), f"neither a pin nor a hash, or an address: {line}"
            assert before.endswith("\\") == line.startswith(" "), f"a pin without a hash near: {line}"
            before = line
    assert HASH.fullmatch(before)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_meets_what_pyproject_asks_for(lock: str, root: Path, pyproject: dict[str, dict[str, object]]) -> None:
    locked = pins(root, lock)
    unmet = [
        f"{requirement} (locked: {locked.get(canonicalize_name(requirement.name))})"
        for requirement in requirements(pyproject["project"], LOCKS[lock])
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert not unmet, f"run `make locks`: {unmet}"


@pytest.mark.parametrize("lock", WITH_BUILD)
def test_what_builds_the_project_is_locked(lock: str, root: Path, pyproject: dict[str, dict[str, object]]) -> None:
    locked = pins(root, lock)
    asked = (root / "locks" / "build.in").read_text().splitlines()
    requires = pyproject["build-system"]["requires"]
    assert isinstance(requires, list)
    assert set(requires) <= set(asked)
    for requirement in [Requirement(line) for line in asked if not line.startswith("#")]:
        assert requirement.specifier.contains(locked[requirement.name])


@pytest.mark.parametrize("lock", [*LOCKS, "build"])
def test_all_locks_agree_with_the_development_lock(lock: str, root: Path) -> None:
    everything = pins(root, "dev")
    assert {name: everything.get(name) for name in pins(root, lock)} == pins(root, lock)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_holds_the_project_itself(lock: str, root: Path) -> None:
    assert "consilia" not in pins(root, lock)
