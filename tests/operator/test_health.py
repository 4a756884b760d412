"""What fails the liveness probe, and what is measured."""

import pytest

from consilia.prometheus import Family, text_of
from consilia_operator.counts import Counts
from consilia_operator.exposition import exposition
from consilia_operator.health import Health
from consilia_operator.turns import Turns

KEY = ("consortium", "breast-cancer")


def busy(waits: bool = False, fails: bool = False) -> Turns:
    turns = Turns(1, lambda: 0.0)
    turns.wish(KEY, 0)
    if not waits:
        turns.take(0)
    if fails:
        turns.done(KEY, True, 0)
    return turns


@pytest.mark.parametrize(
    ("turns", "beat", "now", "sentence"),
    [
        pytest.param(None, 0, 60, "", id="waits for the Lease"),
        pytest.param(None, 0, 61, "the Lease was not tried for in 61 s", id="the Lease's loop stands"),
        pytest.param(busy(), 300, 300, "", id="a long reconcile"),
        pytest.param(
            busy(), 301, 301, "consortium/breast-cancer is being reconciled for 301 s", id="a reconcile that never ends"
        ),
        pytest.param(
            busy(waits=True),
            301,
            301,
            "consortium/breast-cancer waits for a reconcile for 301 s",
            id="nobody serves it",
        ),
        pytest.param(busy(fails=True), 9999, 9999, "", id="one that fails is no reason to end all"),
    ],
)
def test_the_probe_fails_when_reconciling_stalls(turns: Turns | None, beat: float, now: float, sentence: str) -> None:
    assert "; ".join(Health(beat, turns).problems(now)) == sentence


def test_the_metrics_tell_what_was_done_and_what_is_there() -> None:
    counts = Counts()
    counts.add("requests", "apply", "Secret")
    counts.add("requests", "apply", "Secret")
    counts.add("requests", "get", "Federation")
    counts.add("request_errors", "get", "Federation")
    counts.took("reconciles", 0.5)
    counts.took("reconciles", 0.25)
    lines = exposition(counts, ["Training", "Training", "Blocked"], busy(waits=True), True).splitlines()
    for line in (
        "consilia_operator_lease_held 1",
        'consilia_operator_federations{phase="Training"} 2',
        'consilia_operator_federations{phase="Blocked"} 1',
        'consilia_operator_federations{phase="Idle"} 0',
        "consilia_operator_queue 1",
        "consilia_operator_reconciles_total 2",
        "consilia_operator_failed_reconciles_total 0",
        "consilia_operator_reconcile_seconds_total 0.75",
        'consilia_operator_requests_total{verb="apply",kind="Secret"} 2',
        'consilia_operator_request_errors_total{verb="get",kind="Federation"} 1',
        "# TYPE consilia_operator_requests_total counter",
    ):
        assert line in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_a_label_is_escaped_a_large_count_whole_and_a_family_without_samples_left_out() -> None:
    families = [
        Family("a", "counter", "Text.", [({"x": 'q"b\\n\n'}, 123456789)]),
        Family("b", "gauge", "None.", []),
    ]
    assert text_of(families) == '# HELP a Text.\n# TYPE a counter\na{x="q\\"b\\\\n\\n"} 123456789\n'
