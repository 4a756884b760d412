"""The tree keeps the house rules: what may be committed, how large, and under which name."""

import re
from collections import Counter
from pathlib import Path, PurePath

import pytest

# Longer than this, a module is about more than one noun. An exception is written here with its reason.
LONGEST_MODULE = 400
LONGER_MODULES = {
    "core/consilia/rounds.py": "the round FSM: its facts and its one table of every pair are read together",
}

# Names that say nothing about what a module is.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}

# The only files that are not text, and why each is here.
BINARIES = {
    "docs/**/*.png": "pictures of the product in its documentation",
    "dashboard/consilia_dashboard/static/**/*.woff2": "a vendored font: the dashboard works with no internet",
    "dashboard/consilia_dashboard/static/**/*.png": "icons of the dashboard",
}
LARGEST_BINARY = 1024 * 1024

# Addresses and folders of one machine. Written in parts, since this file is tracked too.
REGISTRIES = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("registry", "npmjs"),
    ("crates", "io"),
    ("proxy.golang", "org"),
]
FORBIDDEN = {
    "the host of a package registry": re.compile("|".join(re.escape(".".join(parts)) for parts in REGISTRIES)),
    "a folder of one machine": re.compile(r"(?<![\w.}$-])/(?:work|root|opt/wheels|tmp/w)(?=/|\b(?![\w-]))"),
    "a folder beside the repository": re.compile(re.escape("../" + "shared")),
}
FORBIDDEN_PATHS = ["package.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "node_modules"]


def matches(path: Path, pattern: str) -> bool:
    """Whether the glob matches; `**/` stands for any number of folders, none included."""
    return PurePath(path).match(pattern) or PurePath(path).match(pattern.replace("/**/", "/"))


def is_binary(path: Path) -> bool:
    return b"\0" in path.read_bytes()[:8192]


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_tracked_file_names(rule: str, root: Path, tracked: list[Path]) -> None:
    offenders = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in tracked
        if path != Path("tests/repository/test_tree.py") and not is_binary(root / path)
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), start=1)
        if FORBIDDEN[rule].search(line)
    ]
    assert not offenders, f"{rule} is named in:\n" + "\n".join(offenders)


def test_the_operator_folder_is_no_package(root: Path) -> None:
    """Run from the top, operator/__init__.py would replace Python's own `operator` module."""
    assert not (root / "operator" / "__init__.py").exists()


def test_modules_are_about_one_noun(root: Path, tracked: list[Path]) -> None:
    lengths = {str(path): len((root / path).read_bytes().splitlines()) for path in tracked if path.suffix == ".py"}
    too_long = {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE and name not in LONGER_MODULES}
    assert not too_long, f"split these, or list them with a reason: {too_long}"
    outdated = [name for name in LONGER_MODULES if lengths.get(name, 0) <= LONGEST_MODULE]
    assert not outdated, f"no longer too long, so take them off the list: {outdated}"


def test_names_say_what_a_module_is(tracked: list[Path]) -> None:
    nameless = [str(path) for path in tracked if path.suffix == ".py" and set(path.with_suffix("").parts) & EMPTY_NAMES]
    assert not nameless


def test_test_files_have_unique_names_and_no_package(tracked: list[Path]) -> None:
    names = Counter(path.name for path in tracked if path.parts[0] == "tests" and path.suffix == ".py")
    assert "__init__.py" not in names
    repeated = [name for name, count in names.items() if count > 1 and name != "conftest.py"]
    assert not repeated


def test_binaries_are_those_listed_and_small(root: Path, tracked: list[Path]) -> None:
    binaries = [path for path in tracked if is_binary(root / path)]
    unlisted = [str(path) for path in binaries if not any(matches(path, pattern) for pattern in BINARIES)]
    assert not unlisted, f"not text, and not listed with a reason: {unlisted}"
    large = [str(path) for path in binaries if (root / path).stat().st_size > LARGEST_BINARY]
    assert not large, f"larger than {LARGEST_BINARY} bytes: {large}"


def test_nothing_asks_for_a_javascript_registry(tracked: list[Path]) -> None:
    assert not [str(path) for path in tracked if set(path.parts) & set(FORBIDDEN_PATHS)]
