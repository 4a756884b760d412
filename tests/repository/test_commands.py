"""What the documents tell people to type exists."""

import re
import subprocess
from pathlib import Path

import pytest

# `make word` inside a code span, or at the start of a line of a code block.
COMMAND = re.compile(r"(?:`|^\s*(?:\$ )?)make ([a-z][a-z-]*)", re.MULTILINE)


def targets(root: Path) -> set[str]:
    """Of one lowercase word, or of some with hyphens between them."""
    return set(re.findall(r"^([a-z]+(?:-[a-z]+)*):", (root / "Makefile").read_text(), re.MULTILINE))


def run_script(script: Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of setup/ in a folder, with this environment and no other."""
    return subprocess.run(
        ["/bin/sh", str(script)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_commands_in_documents_are_in_the_makefile(document: str, root: Path) -> None:
    missing = set(COMMAND.findall((root / document).read_text())) - targets(root)
    assert not missing, f"{document} tells people to type what the Makefile does not have: {missing}"


def test_make_alone_lists_every_command_with_what_it_does(root: Path) -> None:
    listing = subprocess.run(
        ["make", "--no-print-directory"], cwd=root, check=True, capture_output=True, text=True
    ).stdout
    listed = dict(line.split(None, 2)[1:] for line in listing.splitlines())
    assert {"demo", "test", "check", "bench", "bench-privacy", "bench-spark", "locks", "clean"} <= set(listed)
    assert all(listed.values())


def test_a_python_that_is_too_old_gets_one_sentence(root: Path, tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    answer = run_script(root / "setup" / "venv", tmp_path, PATH="/usr/bin:/bin", PYTHON=str(old))
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "Python 3.11 or later" in answer.stderr
    assert "Python 3.9.2" in answer.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_python_without_venv_gets_one_sentence(root: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac\n')
    bare.chmod(0o755)
    answer = run_script(root / "setup" / "venv", tmp_path, PATH="/usr/bin:/bin", PYTHON=str(bare))
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "python3-venv" in answer.stderr


def test_missing_programs_are_named_where_they_cannot_be_installed(root: Path, tmp_path: Path) -> None:
    for name, says in {"id": "1000", "prosody": "", "pg_ctlcluster": "", "java": "", "chromedriver": ""}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "chromium").touch()  # no program, though it is called so
    answer = run_script(root / "setup" / "debian", tmp_path, PATH=str(tmp_path))
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "not on this machine: chromium; install them (on Debian: sudo apt-get install chromium)" in answer.stderr


def test_ci_runs_what_the_readme_says_and_asks_nothing(root: Path) -> None:
    script = (root / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert "make test </dev/null" in script
