"""A file is applied document by document: a cohort that comes a moment after its federation was never missing."""

from datetime import UTC, datetime

from deadline import until
from landscape import Landscape

FEDERATION, COHORT = ("Federation", "space-one", "one"), ("Cohort", "space-one", "north-2024")


def landscape() -> Landscape:
    """A federation that was made just now."""
    land = Landscape()
    land.federation("one")
    found = land.cluster.objects[FEDERATION]
    found["metadata"]["creationTimestamp"] = datetime.now(UTC).isoformat()
    return land


async def test_nothing_is_told_of_a_cohort_that_follows_its_federation() -> None:
    land = landscape()
    cohort = land.cluster.objects.pop(COHORT)
    async with land.acting():
        await until(lambda: not land.busy() and land.counts.total("reconciles"), within=30)
        land.cluster.put(cohort)
        await land.rest("one")
        await until(lambda: land.cluster.events, within=30)
        assert [reason for _, reason, _ in land.cluster.events] == ["Created"]


async def test_a_cohort_that_does_not_come_is_told_to_be_missing() -> None:
    land = landscape()
    land.cluster.objects.pop(COHORT)
    async with land.acting():
        await until(lambda: [reason for _, reason, _ in land.cluster.events if reason == "CohortMissing"], within=30)
        assert land.status("one")["phase"] == "Blocked"
