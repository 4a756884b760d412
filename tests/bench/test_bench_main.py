"""What the bench says beside its tables."""

from bench.__main__ import PRIVATE, private_line
from bench.runs import FederationRun
from consilia import manifest


def run(*seconds: float) -> FederationRun:
    return FederationRun(seconds, 1.0, 1, 0, ())


def test_a_private_round_is_told_as_a_multiple_of_one_without_noise() -> None:
    told = private_line([run(0.03, 0.013), run(0.012)], [run(0.010, 0.010, 0.02)])
    assert "13 ms (12 ms .. 30 ms), x 1.30 of one without" in told


def test_the_run_that_is_timed_as_private_is_private() -> None:
    federation = manifest.only_federation(manifest.parse(PRIVATE.read_text(), str(PRIVATE)), str(PRIVATE))
    assert federation.spec.privacy.private
