"""What is kept of what the watches told, and whether what was applied is still so."""

from typing import Any

import pytest

from consilia_operator.applied import Applied
from consilia_operator.children import Children, mark_of, trimmed
from consilia_operator.cohorts import Cohorts
from consilia_operator.federations import Federations
from consilia_operator.naming import UID_LABEL, Manifest


def thing(name: str = "x", version: int = 1, uid: str = "u1", of: str | None = "fed", **more: Any) -> Manifest:
    labels = {UID_LABEL: of} if of is not None else {}
    metadata = {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata | more.pop("metadata", {}), **more}


def managed(time: str, *fields: str, manager: str = "consilia-operator", operation: str = "Apply") -> Manifest:
    entry = {"manager": manager, "operation": operation, "time": time, "fieldsV1": {name: {} for name in fields}}
    return {"metadata": {"managedFields": [entry]}}


def test_an_object_is_found_by_its_federation_and_kind() -> None:
    children = Children()
    children.see(thing())
    children.see(thing("other", of="another"))
    children.see(thing("nobodys", of=None))
    assert [each["metadata"]["name"] for each in children.of("fed", "ConfigMap")] == ["x"]
    assert children.places("fed") == {("ConfigMap", "n", "x")}
    assert children.uids() == {"fed", "another"}
    assert len(children.all("ConfigMap")) == 3
    assert children.of("fed", "Pod") == []


def test_an_older_state_changes_nothing_and_versions_are_numbers() -> None:
    children = Children()
    children.see(thing(version=10, metadata={"annotations": {"is": "new"}}))
    children.see(thing(version=9))
    (held,) = children.of("fed", "ConfigMap")
    assert held["metadata"]["annotations"] == {"is": "new"}


def test_an_object_that_changes_its_federation_is_that_ones_alone() -> None:
    children = Children()
    children.see(thing(version=1))
    children.see(thing(version=2, of="another"))
    assert (children.places("fed"), children.uids()) == (set(), {"another"})


def test_the_end_of_its_predecessor_does_not_take_an_object_away() -> None:
    children = Children()
    children.see(thing(version=5, uid="u2"))
    children.lose(thing(version=4, uid="u1"))
    assert children.places("fed")
    children.lose(thing(version=6, uid="u2"))
    assert not children.places("fed")
    assert not children.uids()


def test_no_value_of_a_secret_is_kept() -> None:
    secret = thing() | {"kind": "Secret", "data": {"password": "c2VjcmV0"}}
    assert "c2VjcmV0" not in str(trimmed(secret))


def test_of_a_pod_its_status_is_kept_and_its_settings_are_not() -> None:
    container = {"name": "c", "env": [{"name": "A"}], "volumeMounts": [{}], "resources": {"limits": {"memory": "1Gi"}}}
    pod = thing(spec={"nodeName": "node", "containers": [container]}, status={"phase": "Running"}) | {"kind": "Pod"}
    kept = trimmed(pod)
    assert kept["status"] == {"phase": "Running"}
    assert kept["spec"]["containers"] == [{"name": "c", "resources": {"limits": {"memory": "1Gi"}}}]


def test_what_is_kept_of_what_is_kept_is_the_same() -> None:
    pod = thing(**managed("1", "f:spec")) | {"kind": "Pod", "spec": {"nodeName": "node"}}
    assert trimmed(trimmed(pod)) == trimmed(pod)


@pytest.mark.parametrize(
    ("seen", "changed"),
    [
        pytest.param(managed("1", "f:a", "f:b"), False, id="the same"),
        pytest.param(managed("1", "f:a"), True, id="another took a field over"),
        pytest.param(managed("2", "f:a", "f:b"), True, id="a value of ours was set, by an operator that slept"),
        pytest.param({"metadata": {"managedFields": []}}, True, id="nothing is ours any more"),
        pytest.param(
            {"metadata": {"managedFields": [*managed("1", "f:a", "f:b")["metadata"]["managedFields"],
                *managed("9", "f:c", manager="kubectl", operation="Update")["metadata"]["managedFields"]]}},
            False, id="others set what is theirs",
        ),
    ],
)  # fmt: skip
def test_an_object_is_changed_when_what_we_set_of_it_is(seen: Manifest, changed: bool) -> None:
    applied = Applied()
    applied.record("fed", thing(), thing(version=5, **managed("1", "f:a", "f:b")))
    assert applied.changed(thing(version=6, **seen)) is changed
    assert applied.changed(trimmed(thing(version=6, **seen))) is changed


@pytest.mark.parametrize("version", [4, 5], ids=["before it was applied", "as it was applied"])
def test_what_was_seen_up_to_our_own_write_is_no_change(version: int) -> None:
    applied = Applied()
    applied.record("fed", thing(), thing(version=5, **managed("2", "f:a")))
    assert not applied.changed(thing(version=version, **managed("1", "f:b")))


def test_exactly_what_was_applied_need_not_be_applied_again() -> None:
    applied = Applied()
    assert not applied.holds(thing())
    applied.record("fed", thing(), thing(version=2))
    assert applied.holds(thing())
    assert not applied.holds(thing(data={"a": "b"}))
    applied.forget(("ConfigMap", "n", "x"))
    assert not applied.holds(thing())


def test_the_deletion_of_what_was_there_before_ours_is_none_of_ours() -> None:
    applied = Applied()
    applied.record("fed", thing(), thing(uid="new"))
    assert not applied.deleted(thing(uid="old"))
    assert applied.deleted(thing(uid="new"))


def test_a_cohorts_ledger_is_known_by_who_applied_it_and_is_no_federations_to_take_along() -> None:
    applied = Applied()
    applied.record("fed", thing(of=None), thing(of=None))
    assert applied.owner(("ConfigMap", "n", "x")) == "fed"
    assert applied.labelled("fed") == set()


def test_an_entry_that_is_of_the_status_or_of_another_operation_is_not_our_mark() -> None:
    ours = managed("1", "f:a")
    entries = ours["metadata"]["managedFields"]
    status = entries[0] | {"subresource": "status", "time": "7"}
    update = entries[0] | {"operation": "Update", "time": "8"}
    assert mark_of(thing(metadata={"managedFields": [status, update, *entries]})) == mark_of(thing(**ours))


# Cohorts and federations.


def cohort(version: int, **spec: Any) -> Manifest:
    metadata = {"name": "c", "namespace": "n", "uid": "u", "resourceVersion": str(version)}
    return {"kind": "Cohort", "metadata": metadata, "spec": spec}


def test_a_cohort_is_news_when_its_spec_is() -> None:
    cohorts = Cohorts()
    assert cohorts.see(cohort(1, hospital="north"))
    assert not cohorts.see(cohort(2, hospital="north") | {"status": {"inUseBy": "n/f"}})
    assert (cohorts.get(("n", "c")) or {})["status"] == {"inUseBy": "n/f"}
    assert cohorts.see(cohort(3, hospital="south"))
    assert not cohorts.see(cohort(2, hospital="north"))
    assert cohorts.lose(cohort(4))
    assert not cohorts.lose(cohort(4))


def federation(name: str, *cohorts: dict[str, str], uid: str | None = None, version: int = 1) -> Manifest:
    metadata = {"name": name, "namespace": "n", "uid": uid or name, "resourceVersion": str(version)}
    return {"kind": "Federation", "metadata": metadata, "spec": {"hospitals": [{"cohort": each} for each in cohorts]}}


def test_federations_are_found_by_the_cohorts_that_they_name() -> None:
    federations = Federations()
    federations.see(federation("a", {"name": "c"}, {"name": "d", "namespace": "other"}))
    federations.see(federation("b", {"name": "d"}))
    federations.see(federation("none"))

    def of(*keys: tuple[str, str]) -> list[str]:
        return [each["metadata"]["name"] for each in federations.of_cohorts(keys)]

    assert of(("n", "c")) == ["a"]
    assert of(("n", "d")) == ["b"]
    assert of(("other", "d"), ("n", "d")) == ["a", "b"]
    federations.see(federation("a", {"name": "e"}, version=2))
    assert (of(("n", "c")), of(("n", "e"))) == ([], ["a"])


def test_the_end_of_a_federation_does_not_take_one_of_its_name_away() -> None:
    federations = Federations()
    federations.see(federation("a", uid="new", version=5))
    federations.lose(federation("a", uid="old", version=4))
    assert federations.with_uid("new") == ("n", "a")
    federations.lose(federation("a", uid="new", version=6))
    assert (federations.with_uid("new"), federations.all()) == (None, [])
