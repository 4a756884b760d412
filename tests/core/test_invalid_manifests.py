"""Every manifest of the corpus is refused here with its sentence; tests/cluster asks an API server."""

import pytest

from consilia.errors import InvalidManifest as Refused
from consilia.manifest import parse
from invalid_manifests import CORPUS, InvalidManifest


def test_the_corpus_is_no_small_one() -> None:
    assert len(CORPUS) >= 30


@pytest.mark.parametrize("manifest", CORPUS, ids=str)
def test_an_invalid_manifest_is_refused_with_its_sentence(manifest: InvalidManifest) -> None:
    with pytest.raises(Refused) as caught:
        parse(manifest.path.read_text(), manifest.path.name)
    said = str(caught.value)
    assert manifest.here in said
    assert said.startswith(f"{manifest.path.name}:")
    assert "\n" not in said
