"""One federation, from what is wished to what is there: read, decide, apply, prune. Level-triggered and idempotent.

It blocks (the client does): called in a thread. Every write can be repeated, so that two operators at once, or one that
wakes up late, do no harm. The Federation and its Secrets are read anew each time; all else is as the watches told.
"""

import base64
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from consilia.errors import Refusal
from consilia.manifest import explain
from consilia.plan import plan
from consilia.spec import Federation
from consilia_operator.applied import Applied
from consilia_operator.children import Key, Place, key_of, place_of, uid_of
from consilia_operator.cluster import Cluster
from consilia_operator.cohort_view import holders
from consilia_operator.federations import cohorts_of
from consilia_operator.grants import Admission, admit, spec_of
from consilia_operator.images import image_problems, present_images, stamped_images
from consilia_operator.naming import UID_LABEL, Manifest
from consilia_operator.outcome import Reconciled, Refused
from consilia_operator.problems import Problem
from consilia_operator.reasons import Reason
from consilia_operator.refusals import IN_ORDER, OBJECT_REFUSED, part_of, refusal
from consilia_operator.resources.everything import OWN_KINDS, authority_of, everything, waiting
from consilia_operator.resources.rotation import confirmed_revisions
from consilia_operator.resources.secrets import Data, SigningKey, secret_names
from consilia_operator.resources.site import Site
from consilia_operator.resources.storage import claim_problems
from consilia_operator.settings import Settings
from consilia_operator.watched import Watched


@dataclass(frozen=True)
class Basis:
    """What a reconcile went by and the cluster decides: where it changes, another one is due."""

    confirmed: Mapping[str, str]
    stamped: Mapping[str, str]


@dataclass
class Reconciler:
    """Reconciles federations, each in one thread at a time. Remembers what it applied: an idle one costs nothing."""

    cluster: Cluster
    settings: Settings
    key: SigningKey
    now: Callable[[], datetime]
    watched: Watched = field(default_factory=Watched)
    _applied: Applied = field(default_factory=Applied)
    _uids: dict[Key, str] = field(default_factory=dict)
    _bases: dict[str, Basis] = field(default_factory=dict)

    def reconcile(self, key: Key) -> Reconciled | Refused | None:
        """Bring the cluster to what the federation wishes; None where it is gone, and what it left is removed."""
        observed = self.cluster.get("Federation", *key)
        uid = observed["metadata"]["uid"] if observed else None
        before = self._uids.get(key)
        if before is not None and before != uid:
            self._leave(key, before)
        if observed is None or uid is None:
            return None
        if observed["metadata"].get("deletionTimestamp"):
            self._leave(key, uid)
            return None
        self._uids[key] = uid
        try:
            federation = Federation.model_validate(spec_of(observed))
        except ValidationError as error:
            return Refused(observed, explain(error))
        return self._reconcile(federation, observed)

    def calls(self, gone: bool, manifest: Manifest) -> bool:
        """Whether an object that was seen calls for a reconcile: ours deleted or changed by others, or never wished."""
        place = place_of(manifest)
        if place[0] not in OWN_KINDS:
            return False
        if gone:
            changed = self._applied.deleted(manifest)
        elif self._applied.knows(place):
            changed = self._applied.changed(manifest)
        else:
            changed = uid_of(manifest) in self._uids.values() and not manifest["metadata"].get("deletionTimestamp")
        if changed:
            self._applied.forget(place)
        return changed

    def stale(self, uid: str, status: Mapping[str, Any]) -> bool:
        """Whether pods have confirmed more since the last reconcile, or a run began or ended."""
        return uid in self._bases and self._bases[uid] != self._basis(uid, status)

    def lacking(self, before: Collection[Place], found: Collection[Place]) -> set[str]:
        """UIDs of the federations that lack what was applied ``before`` and is not among what was ``found`` since."""
        lost = set(before) - set(found)
        lacking = {place: uid for place, uid in self._applied.owners().items() if place in lost}
        for place in lacking:
            self._applied.forget(place)
        return set(lacking.values())

    def applied(self) -> set[Place]:
        """Where something of ours ought to be."""
        return set(self._applied.owners())

    def owner(self, manifest: Manifest) -> str:
        """The UID of the federation that an object was made for; a cohort's ledger does not say so itself."""
        return uid_of(manifest) or self._applied.owner(place_of(manifest)) or ""

    def sweep(self, living: Collection[str]) -> None:
        """Remove what federations that are gone left in their cohorts' namespaces; the rest went with its owner.

        ``living`` are the UIDs of the federations, listed after their objects were.
        """
        for uid in self.watched.children.uids() - set(living):
            self._remove(uid)

    def _reconcile(self, federation: Federation, observed: Manifest) -> Reconciled:
        uid = federation.metadata.uid or ""
        basis = self._bases[uid] = self._basis(uid, observed.get("status") or {})
        admission = self._admission(federation, observed)
        site = self._site(federation, admission, basis)
        existing = self._secrets(site)
        manifests = everything(site, existing, self.key, self.now(), basis.confirmed)
        refused = self._apply(uid, site, manifests)
        kept = {("Secret", *place) for place in existing} | {place_of(manifest) for manifest in manifests}
        # A grant that was withdrawn ends the agent whatever is refused elsewhere; its secrets keep their order.
        halted = any(each.component in IN_ORDER for each in refused)
        self._remove(uid, [kind for kind in OWN_KINDS if not (halted and kind in IN_ORDER)], kept)
        waits = [Problem(part, None, Reason.STARTING.value, why) for part, why in waiting(site, existing).items()]
        problems = [*image_problems(site), *claim_problems(site), *waits, *refused]
        authority = authority_of(site, manifests)
        return Reconciled(federation, observed, admission, problems, authority, bool(refused), site.mlflow_page)

    def _apply(self, uid: str, site: Site, manifests: list[Manifest]) -> list[Problem]:
        """Apply what changed, and go on without what is refused; what cannot do without it waits."""
        refused: list[Problem] = []
        for manifest in manifests:
            lacks = any(each.component == part_of(manifest) and each.reason == OBJECT_REFUSED for each in refused)
            if self._applied.holds(manifest) or (manifest["kind"] == "StatefulSet" and lacks):
                continue
            try:
                self._applied.record(uid, manifest, self.cluster.apply(manifest))
            except Refusal as error:
                refused.append(refusal(site, manifest, error))
                if manifest["kind"] in IN_ORDER:
                    break
        return refused

    def _basis(self, uid: str, status: Mapping[str, Any]) -> Basis:
        children = self.watched.children
        stamped = stamped_images(children.of(uid, "StatefulSet"), status)
        return Basis(confirmed_revisions(children.of(uid, "Pod")), stamped)

    def _admission(self, federation: Federation, observed: Manifest) -> Admission:
        """Who may take part now: its cohort is there, granted, and not lent to another federation."""
        named = cohorts_of(observed)
        cohorts = {key: cohort for key, cohort in self.watched.cohorts.all().items() if key in named}
        own = key_of(observed)
        rivals = [other for other in self.watched.federations.of_cohorts(named) if key_of(other) != own]
        return admit(federation, cohorts, holders(cohorts, [observed, *rivals]), observed.get("status"))

    def _site(self, federation: Federation, admission: Admission, basis: Basis) -> Site:
        """Plan for the hospitals that may take part; the others are waited for with their sentence."""
        hospitals = [h for h in federation.spec.hospitals if h.name in admission.cohorts]
        spec = federation.spec.model_copy(update={"hospitals": hospitals})
        able = federation.model_copy(update={"spec": spec})
        tracked = (federation.spec.tracking.mlflow_uri or self.settings.mlflow_uri) is not None
        planned = plan(able, admission.cohorts, mlflow=tracked, dashboard=False, executors=True)
        present = present_images(self.watched.children.of(federation.metadata.uid or "", "StatefulSet"))
        claims = {key_of(claim): claim for claim in self.watched.children.all("PersistentVolumeClaim")}
        return Site(able, admission.cohorts, planned, self.settings, basis.stamped, present, claims)

    def _secrets(self, site: Site) -> dict[Key, Data]:
        """The secrets that are there. One that lost its label is still asked for by name: it is never made twice."""
        labels = {UID_LABEL: site.federation.metadata.uid or ""}
        found: dict[Key, Manifest | None] = {key_of(s): s for s in self.cluster.all("Secret", labels=labels)}
        return {
            place: _data(found[place] if place in found else self.cluster.get("Secret", *place))
            for place in secret_names(site)
        }

    def _leave(self, key: Key, uid: str) -> None:
        """The federation is gone, or another one has its name."""
        self._remove(uid)
        self._uids.pop(key, None)
        self._bases.pop(uid, None)

    def _remove(self, uid: str, kinds: Collection[str] = OWN_KINDS, but: Collection[Place] = ()) -> None:
        """Delete a federation's objects but those: a hospital taken out, a grant withdrawn, a federation gone."""
        there = self._applied.labelled(uid) | self.watched.children.places(uid)
        for place in sorted(there - set(but)):
            if place[0] in kinds:
                self.cluster.delete(*place)
                self._applied.forget(place)


def _data(secret: Manifest | None) -> Data:
    return {k: base64.b64decode(v) for k, v in ((secret or {}).get("data") or {}).items()}
