"""Statistics on a cluster: the example, applied and watched; what kubectl shows of it; what it cost the patients."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.applied import Applied, Status
from cluster.kit.cluster import Cluster
from cluster.release import Release
from deadline import eventually

pytestmark = pytest.mark.cluster

EXAMPLE = Path(__file__).parents[2] / "examples" / "statistics.yaml"
HOSPITALS = ("harbor", "hillview", "lakeside", "north", "riverside")
PATIENTS = 363
"""On the training sides of the example's cohorts; a test on one machine counts them without noise."""
LEDGER = "/var/lib/consilia/ledger/ledger.jsonl"
KINDS = f"import json; print([each.get('kind') for each in map(json.loads, open('{LEDGER}')) if 'kind' in each])"


@pytest.fixture(scope="module")
def complete(cluster: Cluster, release: Release) -> Iterator[Applied]:
    """The example, applied, and its run complete."""
    assert release
    with cluster.namespace("statistics") as namespace:
        applied = Applied(cluster, namespace, EXAMPLE.read_text("utf-8"))
        applied.apply()
        applied.until_complete()
        yield applied


def row(applied: Applied, *resource: str) -> dict[str, str]:
    """The columns of one object, by their headings; those that are empty are empty."""
    header, line = applied.cluster.kubectl("get", *resource, f"--namespace={applied.namespace}").splitlines()
    starts = [header.index(name) for name in header.split()] + [max(len(header), len(line))]
    return {name: line[start:end].strip() for name, start, end in zip(header.split(), starts, starts[1:], strict=False)}


def spent(applied: Applied, hospital: str, above: float) -> float:
    """What a hospital's patients have lost, as its Cohort tells it, once it is more than so much."""

    def look() -> float | None:
        found: float = cohort(applied, hospital).get("epsilonSpent") or 0.0
        return found if found > above else None

    reached: float = eventually(look, 30, lambda: json.dumps(cohort(applied, hospital)), pause=0.2)
    return reached


def cohort(applied: Applied, hospital: str) -> Status:
    """The status of a hospital's Cohort."""
    found = applied.cluster.get("cohort", f"{hospital}-2024", f"--namespace={applied.namespace}")
    status: Status = found.get("status") or {}
    return status


def test_its_columns_show_one_exchange_whatever_rounds_the_spec_has(complete: Applied) -> None:
    assert complete.document()["spec"].get("rounds") != 1
    shown = row(complete, "fed", complete.name)
    assert (shown["PHASE"], shown["ROUND"], shown["ROUNDS"], shown["HOSPITALS"]) == ("Complete", "1", "1", "5/5")
    assert (shown["ACCURACY"], shown["LOSS"]) == ("", "")
    assert 0.9 < float(shown["EPSILON"]) <= 1


def test_its_status_has_every_number_with_what_noise_can_do_to_it(complete: Applied) -> None:
    status = complete.status()
    assert (status["task"], status["private"], status["run"]) == ("Statistics", True, 1)
    assert "model" not in status
    assert [told["name"] for told in status["statistics"]] == ["mean radius", "mean texture"]
    for told in status["statistics"]:
        # A bar is two deviations: three of them are passed less than once in ten million runs.
        assert abs(told["count"] - PATIENTS) < 3 * told["errors"]["count"]
        hidden = told.get("hidden", [])
        assert ("mean" in told) != ("mean" in hidden)
        assert ("histogram" in told) != ("histogram" in hidden)
        if "histogram" in told:
            assert (len(told["histogram"]["edges"]), len(told["histogram"]["counts"])) == (9, 8)
            assert told["histogram"]["error"] > told["errors"]["count"] > 1


def test_describe_tells_the_story_once(complete: Applied) -> None:
    reasons = [reason for _, reason, _ in complete.events()]
    for reason in ("Started", "QuorumReached", "Completed"):
        assert reasons.count(reason) == 1, complete.events()
    assert [event for event in complete.events() if event[0] == "Warning"] == []


def test_every_cohort_has_spent_what_the_run_asked_for_in_one_release(complete: Applied) -> None:
    for hospital in HOSPITALS:
        assert 0.9 < spent(complete, hospital, above=0.0) <= 1
    pod = complete.pod("hospital-north")
    kinds = complete.cluster.kubectl("exec", f"--namespace={complete.namespace}", pod, "--", "python", "-c", KINDS)
    assert kinds.strip().count("statistics") == 1, kinds
    assert "train" not in kinds


def test_another_run_is_another_release_of_the_same_patients(complete: Applied) -> None:
    first, told = spent(complete, "north", above=0.0), complete.status()["statistics"]
    complete.edit(run=2)
    status = complete.until(lambda each: (each.get("run"), each.get("phase")) == (2, "Complete"), "run 2", within=120)
    assert status["statistics"] != told
    # Two runs compose to less than their sum.
    assert first < spent(complete, "north", above=first) < 2
