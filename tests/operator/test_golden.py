"""Every object of one federation is the one that was reviewed."""

import pytest
import yaml

from consilia_operator.resources.everything import OWN_KINDS
from golden_manifests import FOLDER, golden

GOLDEN = golden()


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_kinds_objects_are_those_that_were_reviewed(name: str) -> None:
    """When a change is meant: ``PYTHONPATH=tests .venv/bin/python -m golden_manifests``, and read the difference."""
    assert GOLDEN[name] == (FOLDER / name).read_text(encoding="utf-8")


def test_there_is_a_file_for_every_kind_that_the_operator_makes_by_itself() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == set(GOLDEN)
    assert {path.stem for path in FOLDER.glob("*.yaml")} >= set(OWN_KINDS) - {"Certificate", "Issuer"}


def test_every_objects_text_reads_back() -> None:
    for text in GOLDEN.values():
        assert all(document["kind"] and document["metadata"]["name"] for document in yaml.safe_load_all(text))
