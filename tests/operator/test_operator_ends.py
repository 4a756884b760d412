"""The end of the operator's process: at SIGTERM kopf stops watching, and nothing may go on for it."""

import asyncio

import kopf

from consilia_operator.__main__ import Operator
from consilia_operator.settings import COMPONENTS, Settings
from fake_cluster import FakeCluster

SETTINGS = Settings("consilia-system", "me", dict.fromkeys(COMPONENTS, "image"), None, None, 8080)


async def test_when_the_watch_ends_the_operator_ends_and_gives_the_lease_back() -> None:
    cluster = FakeCluster()
    held: list[str] = []

    async def watch(_registry: kopf.OperatorRegistry, _port: int) -> None:
        lease = cluster.get("Lease", "consilia-system", "consilia-operator")
        assert lease is not None
        held.append(lease["spec"]["holderIdentity"])

    async with asyncio.timeout(10):
        await Operator(cluster, SETTINGS, watch).run(8080)
    lease = cluster.get("Lease", "consilia-system", "consilia-operator")
    assert lease is not None
    assert (held, lease["spec"]["holderIdentity"]) == (["me"], "")
