"""What a data-protection officer can see on a cluster: a budget that is drawn on, and that nobody can pass."""

import json
from typing import Any

import pytest

from cluster.applied import Applied, Status
from cluster.kit.cluster import Cluster
from cluster.release import Release
from deadline import eventually
from running import private_example

pytestmark = pytest.mark.cluster

COHORT = "north-2024"
POD = "breast-cancer-hospital-north-0"
LEDGER = "/var/lib/consilia/ledger/ledger.jsonl"
TWO_RUNS = 1.5
"""A budget with room for two runs of epsilon 1 and not for three: they compose to less than their sum."""


@pytest.fixture
def private(cluster: Cluster, release: Release, namespace: str) -> Applied:
    """The private example, after its first run."""
    assert release
    applied = Applied(cluster, namespace, private_example(budget=TWO_RUNS))
    applied.apply()
    applied.until_complete()
    return applied


def cohort(applied: Applied) -> Status:
    """The status of a hospital's cohort."""
    found: Status = applied.cluster.get("cohort", COHORT, f"--namespace={applied.namespace}").get("status") or {}
    return found


def counted(applied: Applied) -> Status:
    """The cohort's status once it tells of all that is in the ledger of a hospital at rest."""
    last = int(in_the_hospital(applied, f"print(open('{LEDGER}').read().count(chr(10)) - 1)"))

    def look() -> Status | None:
        status = cohort(applied)
        return status if status.get("ledger", {}).get("sequence") == last else None

    found: Status = eventually(look, 30, lambda: f"entry {last}: {json.dumps(cohort(applied))}", pause=0.2)
    return found


def until_refused(applied: Applied, *words: str) -> Status:
    """The budget's condition once it names the hospital and these words."""

    def look() -> Status | None:
        status = applied.status()  # once: the next one may be of after the refusal
        told: Status = next((c for c in status["conditions"] if c["type"] == "PrivacyBudgetAvailable"), {})
        message = told.get("message", "") + " ".join(str(h.get("reason")) for h in status["hospitals"])
        return told if all(word in message for word in ("north", *words)) else None

    found: Status = eventually(look, 60, lambda: json.dumps(applied.status()), pause=0.2)
    return found


def in_the_hospital(applied: Applied, script: str) -> str:
    """What a line of Python prints in the hospital's pod, where its ledger is."""
    return applied.cluster.kubectl("exec", f"--namespace={applied.namespace}", POD, "--", "python", "-c", script)


def row(applied: Applied, *resource: str) -> dict[str, str]:
    """The columns of one object, by their headings."""
    header, line = applied.cluster.kubectl("get", *resource, f"--namespace={applied.namespace}").splitlines()
    return {name: line[header.index(name) :].split("  ")[0].strip() for name in header.split()}


def test_runs_and_federations_draw_on_one_ledger_until_nothing_fits(private: Applied) -> None:
    status = private.status()
    assert status["privacy"]["epsilon"] == 1
    assert 0.9 < status["privacy"]["epsilonSpent"] <= 1
    assert private.condition("PrivacyBudgetAvailable")["status"] == "True"
    assert row(private, "fed", private.name)["EPSILON"].startswith(("0.9", "1"))
    first = counted(private)
    assert 0.9 < first["epsilonSpent"] <= 1
    shown = row(private, "cohort", COHORT)
    assert float(shown["SPENT"]) == pytest.approx(first["epsilonSpent"])
    assert float(shown["BUDGET"]) == TWO_RUNS

    # Made anew under its own name, it is another federation, of the same patients.
    private.delete()
    private.apply()
    private.until_complete()
    second = counted(private)
    assert first["epsilonSpent"] < second["epsilonSpent"] <= TWO_RUNS
    assert second["ledger"]["sequence"] > first["ledger"]["sequence"]

    private.edit(run=2)
    told = until_refused(private, "north-2024", "epsilon")
    assert (told["status"], told["reason"]) == ("False", "BudgetExceeded")
    assert cohort(private)["epsilonSpent"] == second["epsilonSpent"]
    assert [message for kind, _, message in private.events() if kind == "Warning" and "north" in message]


def test_a_cohort_that_is_made_anew_finds_its_ledger(private: Applied) -> None:
    spent = counted(private)
    private.delete()
    private.cluster.kubectl("delete", "cohort", COHORT, f"--namespace={private.namespace}", "--timeout=60s")
    private.apply()
    private.until_complete()
    again = counted(private)
    assert again["epsilonSpent"] > spent["epsilonSpent"]
    assert again["ledger"]["sequence"] > spent["ledger"]["sequence"]


def test_a_ledger_that_was_rolled_back_is_refused_by_its_witness(private: Applied) -> None:
    spent = counted(private)
    cut = f"p='{LEDGER}'; lines=open(p).readlines(); open(p,'w').writelines(lines[:-5])"
    in_the_hospital(private, cut)
    private.kill("hospital-north")
    private.edit(run=2)
    until_refused(private, "rolled back")
    assert cohort(private)["ledger"] == spent["ledger"]


def test_rounds_above_what_noise_was_calibrated_for_wait_for_a_new_run(
    cluster: Cluster, release: Release, namespace: str
) -> None:
    assert release
    applied = Applied(cluster, namespace, private_example(rounds=400))
    applied.apply()
    applied.until_round(2)
    applied.edit(rounds=500)
    applied.until_complete()

    def deferred() -> list[Any]:
        return [event for event in applied.events() if event[1] == "EditDeferred"]

    (told,) = eventually(deferred, 30, lambda: str(applied.events()), pause=0.2)
    assert "500" in told[2] or "400" in told[2]
    assert applied.status()["round"] == 400
    assert 0.9 < applied.status()["privacy"]["epsilonSpent"] <= 1
