"""One federation, from what is wished to what is there: read, decide, apply, prune. Level-triggered and idempotent.

It blocks (the client does): called in a thread. Every write can be repeated, so that two operators at once, or one that
wakes up late, do no harm.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from consilia.manifest import explain
from consilia.object_paths import API_VERSION
from consilia.plan import plan
from consilia.spec import Federation
from consilia_operator.cluster import Cluster
from consilia_operator.grants import Admission, admit
from consilia_operator.naming import UID_LABEL, Manifest
from consilia_operator.pods import pod_problems, stuck_pods
from consilia_operator.resources.everything import OWN_KINDS, everything
from consilia_operator.resources.secrets import Data, SigningKey, secret_names
from consilia_operator.resources.site import Site
from consilia_operator.settings import Settings

Key = tuple[str, str]


@dataclass(frozen=True)
class Reconciled:
    """What a reconcile found: the federation as it is wished, who may take part, what is wrong with its pods."""

    federation: Federation
    observed: Manifest
    admission: Admission
    pod_problems: dict[str, str]
    authority: bytes


@dataclass(frozen=True)
class Refused:
    """A federation whose spec this version cannot run; only an API server without our rules lets one in."""

    observed: Manifest
    reason: str


@dataclass
class Reconciler:
    """Reconciles federations one at a time. Remembers what it applied, so that an idle federation costs nothing."""

    cluster: Cluster
    settings: Settings
    key: SigningKey
    now: Callable[[], datetime]
    _applied: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def reconcile(self, key: Key) -> Reconciled | Refused | None:
        """Bring the cluster to what the federation wishes; None where it is gone, and what it left is swept."""
        observed = self.cluster.get("Federation", *key)
        if observed is None or observed["metadata"].get("deletionTimestamp"):
            self.sweep()
            return None
        try:
            federation = Federation.model_validate(
                {name: observed[name] for name in ("apiVersion", "kind", "metadata", "spec")}
            )
        except ValidationError as error:
            return Refused(observed, explain(error))
        cohorts = {(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in self.cluster.all("Cohort")}
        admission = admit(federation, _typed(cohorts))
        site = self._site(federation, admission)
        existing = {place: self._data(place) for place in secret_names(site)}
        manifests = everything(site, existing, self.key, self.now())
        for manifest in manifests:
            self._apply(manifest)
        self._prune(federation, manifests)
        pods = self.cluster.all("Pod", labels={UID_LABEL: federation.metadata.uid or ""})
        for namespace, name in stuck_pods(pods, self.cluster.all("StatefulSet", labels=_uid(federation))):
            self.cluster.delete("Pod", namespace, name)
        authority = next(m for m in manifests if m["metadata"]["name"].endswith("-authority"))
        certificate = base64.b64decode(authority["data"]["ca.crt"])
        return Reconciled(federation, observed, admission, pod_problems(pods), certificate)

    def sweep(self) -> None:
        """Remove what federations that are gone left in their cohorts' namespaces; the rest went with its owner."""
        living = {federation["metadata"]["uid"] for federation in self.cluster.all("Federation")}
        for kind in OWN_KINDS:
            for found in self.cluster.all(kind, labels={"app.kubernetes.io/managed-by": "consilia-operator"}):
                if found["metadata"]["labels"].get(UID_LABEL) not in living:
                    self._delete(found)

    def forget(self) -> None:
        """Apply everything anew at the next reconcile: somebody may have changed what we made."""
        self._applied.clear()

    def _site(self, federation: Federation, admission: Admission) -> Site:
        """Plan for the hospitals that may take part; the others are waited for with their sentence."""
        hospitals = [h for h in federation.spec.hospitals if h.name in admission.cohorts]
        spec = federation.spec.model_copy(update={"hospitals": hospitals})
        able = federation.model_copy(update={"spec": spec})
        planned = plan(able, admission.cohorts, mlflow=self.settings.mlflow_uri is not None, dashboard=False)
        return Site(able, admission.cohorts, planned, self.settings)

    def _data(self, place: Key) -> Data:
        found = self.cluster.get("Secret", *place)
        return {k: base64.b64decode(v) for k, v in ((found or {}).get("data") or {}).items()}

    def _apply(self, manifest: Manifest) -> None:
        place = _place(manifest)
        digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        if self._applied.get(place) != digest:
            self.cluster.apply(manifest)
            self._applied[place] = digest

    def _prune(self, federation: Federation, manifests: list[Manifest]) -> None:
        """Delete what an earlier wish made and this one does not: a hospital that was taken out, a grant withdrawn."""
        wished = {_place(manifest) for manifest in manifests}
        for kind in OWN_KINDS:
            for found in self.cluster.all(kind, labels=_uid(federation)):
                if _place(found) not in wished and not found["metadata"].get("deletionTimestamp"):
                    self._delete(found)

    def _delete(self, found: Manifest) -> None:
        kind, namespace, name = _place(found)
        self.cluster.delete(kind, namespace, name)
        self._applied.pop((kind, namespace, name), None)


def _typed(cohorts: dict[Key, Manifest]) -> dict[Key, Manifest]:
    """Only the parts that the schema has: lists come without their items' kinds."""
    return {
        key: {"apiVersion": API_VERSION, "kind": "Cohort", "metadata": o["metadata"], "spec": o["spec"]}
        for key, o in cohorts.items()
    }


def _uid(federation: Federation) -> dict[str, str]:
    return {UID_LABEL: federation.metadata.uid or ""}


def _place(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]
