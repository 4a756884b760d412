"""The operator's process: what it serves and when, and how it ends."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from consilia.errors import Refusal
from consilia_operator.__main__ import Operator
from consilia_operator.counts import Counts
from consilia_operator.settings import COMPONENTS, Settings
from consilia_operator.watches import Seen
from deadline import until
from fake_cluster import FakeCluster
from ports import free_port

SETTINGS = Settings("consilia-system", "me", dict.fromkeys(COMPONENTS, "image"), None, None, 8080)


class Watching:
    """Watches that tell nothing, and say that they run."""

    def __init__(self, seen: Seen, again: Callable[[], None], counts: Counts) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()


def holder(cluster: FakeCluster) -> str | None:
    lease = cluster.get("Lease", "consilia-system", "consilia-operator")
    return lease["spec"]["holderIdentity"] if lease is not None else None


async def asked(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def answers(port: int, path: str, status: int) -> bool:
    try:
        return (await asked(port, path))[0] == status
    except aiohttp.ClientError:
        return False


async def test_it_is_ready_once_it_holds_the_lease_and_gives_it_back_at_its_end() -> None:
    cluster, port = FakeCluster(), free_port()
    running = asyncio.create_task(Operator(cluster, SETTINGS, Watching).run(port))
    await until(lambda: answers(port, "/readyz", 200))
    assert holder(cluster) == "me"
    assert (await asked(port, "/healthz"))[0] == 200
    assert "consilia_operator_lease_held 1" in (await asked(port, "/metrics"))[1]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert holder(cluster) == ""


async def test_while_it_waits_for_the_lease_it_is_alive_and_not_ready_and_writes_nothing() -> None:
    cluster, port = FakeCluster(), free_port()
    metadata = {"name": "consilia-operator", "namespace": "consilia-system"}
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 15, "renewTime": "2026-11-24T00:00:00.000000Z"}
    cluster.put({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
    running = asyncio.create_task(Operator(cluster, SETTINGS, Watching).run(port))
    await until(lambda: answers(port, "/healthz", 200))
    assert (await asked(port, "/readyz"))[0] == 503
    assert "consilia_operator_lease_held 0" in (await asked(port, "/metrics"))[1]
    assert cluster.writes == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert holder(cluster) == "another"


async def test_when_another_takes_the_lease_it_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consilia_operator.__main__.RENEW_SECONDS", 0.01)
    cluster, port = FakeCluster(), free_port()
    running = asyncio.create_task(Operator(cluster, SETTINGS, Watching).run(port))
    await until(lambda: answers(port, "/readyz", 200))
    lease = cluster.get("Lease", "consilia-system", "consilia-operator")
    assert lease is not None
    cluster.put(lease | {"spec": lease["spec"] | {"holderIdentity": "another"}})
    async with asyncio.timeout(10):
        with pytest.raises(BaseExceptionGroup) as ended:
            await running
    assert ended.group_contains(Refusal, match="another operator holds the Lease")
    assert holder(cluster) == "another"
