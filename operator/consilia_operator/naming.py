"""What the operator's objects are called, how they are labelled, and whose they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consilia.object_paths import API_VERSION
from consilia.plan import Component
from consilia.spec import Cohort, Federation

FIELD_MANAGER = "consilia-operator"
FEDERATION_LABEL = "consilia.health/federation"
UID_LABEL = "consilia.health/federation-uid"
HOSPITAL_LABEL = "consilia.health/hospital"
COMPONENT_LABEL = "app.kubernetes.io/component"

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """The object that a manifest goes away with."""

    kind: str
    name: str
    uid: str

    @classmethod
    def of(cls, document: Federation | Cohort) -> "Owner":
        """The owner that a Federation or a Cohort is."""
        return cls(document.kind, document.metadata.name, document.metadata.uid or "")

    @property
    def reference(self) -> Manifest:
        """As metav1.OwnerReference; deletion never waits for the operator."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }


def object_name(federation: Federation, part: str) -> str:
    """The name of a federation's object: ``<federation>-<part>``."""
    return f"{federation.metadata.name}-{part}"


def host_of(federation: Federation, component: str) -> str:
    """The host name of a component's Service."""
    return f"{object_name(federation, component)}.{federation.metadata.namespace}.svc"


def selector(federation: Federation, component: Component) -> dict[str, str]:
    """The labels that select a component's pods."""
    labels = {UID_LABEL: federation.metadata.uid or "", COMPONENT_LABEL: component.kind}
    if component.kind == "hospital":
        labels[HOSPITAL_LABEL] = component.name.removeprefix("hospital-")
    return labels


def metadata(
    federation: Federation, name: str, namespace: str, owner: Owner | None, more: Mapping[str, str] | None = None
) -> Manifest:
    """The metadata of an object of ``federation``."""
    labels = {
        "app.kubernetes.io/name": "consilia",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        FEDERATION_LABEL: federation.metadata.name,
        UID_LABEL: federation.metadata.uid or "",
        **(more or {}),
    }
    made: Manifest = {"name": name, "namespace": namespace, "labels": labels}
    if owner is not None:
        made["ownerReferences"] = [owner.reference]
    return made
