"""All federations at once, on a cluster in memory: what is repaired, what it costs, and a bad one harms no other."""

from collections import Counter
from typing import Any

import pytest

from consilia.errors import Refusal
from consilia_operator.naming import Manifest
from deadline import until
from fake_cluster import FakeCluster
from landscape import Landscape

GOOD_READS = 40
"""What the reconciles of one new federation may read: itself, and its Secrets by label and by name."""


def unschedulable(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


async def test_a_federation_is_made_and_then_costs_nothing_but_its_status() -> None:
    land = Landscape()
    land.federation("one")
    async with land.acting():
        await land.rest("one")
        assert len(land.cluster.all("StatefulSet")) == 3
        applied = Counter(place for verb, place in land.cluster.writes if verb == "apply")
        assert set(applied.values()) == {1}, "the echo of what was applied is no news"
        await until(lambda: land.cluster.all("Cohort")[0].get("status", {}).get("inUseBy") == "space-one/one")


async def test_fifty_federations_that_fit_no_node_cost_a_bounded_number_of_requests_and_a_good_one_does_not_wait() -> (
    None
):
    land = Landscape()
    names = [f"crowd-{number}" for number in range(50)]
    for name in names:
        land.federation(name)
    async with land.acting():
        for name in names:
            await land.rest(name)
            assert land.pods(name, **unschedulable("0/1 nodes are available: 1 Insufficient memory.")) == 3
        await until(lambda: all("cannot be scheduled" in str(land.status(name)) for name in names), within=60)
        await until(lambda: not land.busy())
        asked = sum(land.counts.of("requests").values())
        for turn in range(20):
            for name in names:
                land.pods(name, **unschedulable(f"0/{turn} nodes are available: 1 Insufficient memory."))
        land.federation("good")
        await land.rest("good")
        await until(lambda: not land.busy())
        requests = sum(land.counts.of("requests").values()) - asked
        of_the_good = sum("space-good" in place for _, place in land.cluster.writes)
        written = land.counts.total("status_writes") + len(land.cluster.events)
        # Three thousand events led to some writes of statuses, and to nothing else.
        assert requests <= of_the_good + GOOD_READS + written
        assert land.counts.of("requests")["list", "Pod"] == 1
        assert ("list", "Event") not in land.counts.of("requests")
        assert land.counts.total("faults") == 0


@pytest.mark.parametrize(
    "kind",
    ["StatefulSet", "Service", "ConfigMap", "Secret", "PersistentVolumeClaim", "NetworkPolicy", "PodDisruptionBudget"],
)
async def test_an_object_that_somebody_deletes_is_made_again(kind: str) -> None:
    land = Landscape()
    land.federation("one")
    async with land.acting():
        await land.rest("one")
        before = land.cluster.names(kind)
        namespace, _, name = before[0].partition("/")
        land.cluster.lose(kind, namespace, name)
        await until(lambda: land.cluster.names(kind) == before)


async def test_what_somebody_changes_of_an_object_is_set_again_and_what_they_add_is_left() -> None:
    land = Landscape()
    land.federation("one")
    async with land.acting():
        await land.rest("one")
        found = land.cluster.all("Service")[0]
        ports, writes = found["spec"]["ports"], len(land.cluster.writes)
        described = found["metadata"] | {"annotations": {"theirs": "yes"}}
        land.cluster.put(found | {"metadata": described})
        land.cluster.put(found | {"metadata": described, "spec": found["spec"] | {"ports": []}})

        def mended() -> bool:
            (service,) = [s for s in land.cluster.all("Service") if s["metadata"]["name"] == described["name"]]
            return bool(service["spec"]["ports"] == ports)

        await until(mended)
        await until(lambda: not land.busy())
        applied = [place for verb, place in land.cluster.writes[writes:] if verb == "apply"]
        assert applied == [("Service", "space-one", described["name"])]


async def test_a_status_that_somebody_else_wrote_is_written_again() -> None:
    land = Landscape()
    land.federation("one")
    async with land.acting():
        await land.rest("one")
        phase = land.status("one")["phase"]
        land.cluster.patch_status("Federation", "space-one", "one", {"phase": "Complete", "round": 9})
        await until(lambda: land.status("one").get("phase") == phase and land.status("one").get("round") != 9)


async def test_a_federation_made_anew_under_its_name_never_has_the_status_of_the_one_before() -> None:
    land = Landscape()
    land.federation("one")
    seen: list[tuple[str, int]] = []

    def watcher(gone: bool, manifest: Manifest) -> None:
        if manifest["kind"] == "Federation" and not gone:
            seen.append((manifest["metadata"]["uid"], (manifest.get("status") or {}).get("run") or 0))

    land.cluster.patch_status("Federation", "space-one", "one", {"phase": "Complete", "run": 7, "round": 3})
    land.cluster.watchers.append(watcher)
    async with land.acting():
        await land.rest("one")
        held = land.cluster.get("Federation", "space-one", "one")
        assert held is not None
        assert held["status"]["run"] == 7
        land.cluster.lose("Federation", "space-one", "one")
        described = {"namespace": "space-one", "name": "one", "uid": "another", "generation": 1}
        land.cluster.put({name: held[name] for name in ("apiVersion", "kind", "spec")} | {"metadata": described})
        await land.rest("one")
        await until(lambda: land.status("one").get("message"))
    assert {run for uid, run in seen if uid == "another"} == {0}


async def test_what_no_watch_told_is_found_by_the_next_list() -> None:
    land = Landscape()
    land.federation("one")
    async with land.acting():
        await land.rest("one")
        deaf, land.cluster.watchers = land.cluster.watchers, []
        place = land.cluster.names("ConfigMap")[0].split("/")
        land.cluster.lose("ConfigMap", *place)
        land.cluster.watchers = deaf
        land.runtime.resync()
        await until(lambda: "/".join(place) in land.cluster.names("ConfigMap"))


async def test_a_list_of_all_that_finds_nothing_changed_leads_to_no_reconcile() -> None:
    land = Landscape()
    for name in ("one", "two"):
        land.federation(name)
    async with land.acting():
        for name in ("one", "two"):
            await land.rest(name)
        reconciles, writes = land.counts.total("reconciles"), len(land.cluster.writes)
        await land.runtime.read_all()
        assert not land.busy()
        assert (land.counts.total("reconciles"), len(land.cluster.writes)) == (reconciles, writes)


class Hostile(FakeCluster):
    """Refuses or breaks whatever is applied in some namespaces."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, Exception] = {}

    def apply(self, manifest: Manifest) -> Manifest:
        error = self.broken.get(manifest["metadata"]["namespace"])
        if error is not None:
            raise error
        return super().apply(manifest)


@pytest.mark.parametrize(
    "error", [Refusal("the Kubernetes API refuses: no"), KeyError("a fault of ours")], ids=["refused", "fault"]
)
async def test_federations_that_fail_are_tried_again_and_hold_up_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = Hostile()
    land = Landscape(cluster)
    bad = [f"bad-{number}" for number in range(20)]
    for name in bad:
        cluster.broken[f"space-{name}"] = error
        land.federation(name)
    async with land.acting():
        await until(lambda: land.counts.total("failed_reconciles") >= len(bad))
        land.federation("good")
        await land.rest("good")
        cluster.broken.clear()
        for name in bad:
            await land.rest(name)
    traceback = [record for record in caplog.records if record.exc_info]
    assert bool(traceback) == isinstance(error, KeyError)
    assert land.counts.total("faults") == len(traceback)


async def test_an_object_that_makes_no_sense_is_logged_and_the_next_one_taken() -> None:
    land = Landscape()
    async with land.acting():
        land.runtime.seen(False, {"kind": "Federation", "metadata": {"name": "x", "namespace": "n"}})
        assert land.counts.total("faults") == 1
        land.federation("one")
        await land.rest("one")


async def test_a_federation_that_is_deleted_leaves_nothing_behind() -> None:
    land = Landscape()
    land.federation("one")
    async with land.acting():
        await land.rest("one")
        land.cluster.lose("Federation", "space-one", "one")
        await until(lambda: not land.cluster.names("StatefulSet") and not land.cluster.names("Secret"))
        await until(lambda: land.runtime.phases == [])


async def test_a_pod_that_does_not_say_why_it_does_not_come_up_has_its_events_read() -> None:
    land = Landscape()
    land.federation("one")
    async with land.acting():
        await land.rest("one")
        (found,) = [s for s in land.cluster.all("StatefulSet") if "hospital" in s["metadata"]["name"]]
        name, uid = f"{found['metadata']['name']}-0", "uid-silent"
        labels = found["spec"]["template"]["metadata"]["labels"]
        land.cluster.told_about["Pod", "space-one", name] = [
            {
                "metadata": {"name": "e"},
                "type": "Warning",
                "reason": "FailedMount",
                "involvedObject": {"uid": uid},
                "message": 'MountVolume.SetUp failed for volume "x" : secret "harbor-password" not found',
                "lastTimestamp": "2026-11-24T00:00:10Z",
            }
        ]
        described = {"name": name, "namespace": "space-one", "labels": labels, "uid": uid}
        land.cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": described | {"creationTimestamp": "2026-11-24T00:00:00Z"},
                "spec": {"nodeName": "node", "containers": []},
                "status": {"phase": "Pending"},
            }
        )
        await until(lambda: "harbor-password" in str(land.status("one")))
        # The status and the Event are written beside one another.
        await until(lambda: ("Warning", "SecretMissing") in {(kind, reason) for kind, reason, _ in land.cluster.events})
        assert land.cluster.reads.count(("list", "Event")) == 1
