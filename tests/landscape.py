"""Federations on a cluster in memory, and the operator's runtime over them, told by watches as on a real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from consilia.tokens import generate_keypair
from consilia_operator.counts import Counts
from consilia_operator.fence import Fence
from consilia_operator.guarded import GuardedCluster
from consilia_operator.naming import Manifest
from consilia_operator.reconcile import Reconciler
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.runtime import Runtime
from consilia_operator.settings import COMPONENTS, Settings
from consilia_operator.watches import WATCHED, labels_of
from deadline import until
from fake_cluster import FakeCluster

EXAMPLE = list(
    yaml.safe_load_all((Path(__file__).parents[1] / "examples" / "breast-cancer-non-private.yaml").read_text())
)
SETTINGS = Settings("consilia-system", "me", dict.fromkeys(COMPONENTS, "image:1"), None, None, 8080)
KEY = SigningKey(*generate_keypair())


class Landscape:
    """Federations of one hospital each, and a runtime whose watches tell what happens."""

    def __init__(self, cluster: FakeCluster | None = None) -> None:
        self.cluster = cluster or FakeCluster()
        self.counts = Counts()
        fence = Fence(lambda: 0.0, 1.0)
        fence.renewed(0.0)
        guarded = GuardedCluster(self.cluster, fence, self.counts)
        reconciler = Reconciler(guarded, SETTINGS, KEY, lambda: datetime.now(UTC))
        self.runtime = Runtime(guarded, reconciler, self.counts, lambda: datetime.now(UTC))

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def watcher(gone: bool, manifest: Manifest) -> None:
            labels = labels_of(manifest["kind"]) or {}
            if manifest["kind"] not in WATCHED or not labels.items() <= manifest["metadata"].get("labels", {}).items():
                return
            loop.call_soon_threadsafe(self.runtime.seen, gone, manifest)

        self.cluster.watchers.append(watcher)
        await self.runtime.read_all()
        running = asyncio.create_task(self.runtime.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self.cluster.watchers.remove(watcher)

    def federation(self, name: str, **spec: Any) -> None:
        """One of the example's hospitals alone, in a namespace of its own."""
        cohort = next(d for d in EXAMPLE if d["kind"] == "Cohort")
        federation = next(d for d in EXAMPLE if d["kind"] == "Federation")
        hospital = next(h for h in federation["spec"]["hospitals"] if h["name"] == cohort["spec"]["hospital"])
        wish = {k: v for k, v in federation["spec"].items() if k != "quorum"} | {"hospitals": [hospital]} | spec
        for document in (cohort, federation | {"spec": wish}):
            own = {"name": name if document["kind"] == "Federation" else cohort["metadata"]["name"]}
            uid = f"uid-{name}-{document['kind'].lower()}"
            metadata = own | {"namespace": f"space-{name}", "uid": uid, "generation": 1}
            self.cluster.put(document | {"metadata": metadata})

    def pods(self, name: str, **status: Any) -> int:
        """What the StatefulSets' controller and the kubelet make of a federation's sets."""
        sets = self.cluster.all("StatefulSet", f"space-{name}")
        for each in sets:
            labels = each["spec"]["template"]["metadata"]["labels"]
            pod = f"{each['metadata']['name']}-0"
            described = {"name": pod, "namespace": f"space-{name}", "labels": labels, "uid": f"uid-{name}-{pod}"}
            self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": described, "status": status})
        return len(sets)

    def status(self, name: str) -> Manifest:
        found = self.cluster.get("Federation", f"space-{name}", name)
        return (found or {}).get("status") or {}

    def busy(self) -> bool:
        return bool(self.runtime.turns.waiting() or self.runtime.turns.running())

    async def rest(self, name: str) -> None:
        """Until the federation has its objects and a status, and nothing is to be reconciled."""
        await until(lambda: not self.busy() and self.status(name).get("phase"), within=60, pause=0.01)
