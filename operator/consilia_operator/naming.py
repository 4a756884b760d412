"""What the operator's objects are called, how they are labelled, and whose they are.

A name is made from a federation and a part and never taken apart again: what an object is for is in its labels.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consilia.object_paths import API_VERSION
from consilia.plan import COORDINATOR, HTTPS_PORT, Component, executors_component, hospital_component
from consilia.spec import Cohort, Federation

FIELD_MANAGER = "consilia-operator"
FEDERATION_LABEL = "consilia.health/federation"
UID_LABEL = "consilia.health/federation-uid"
HOSPITAL_LABEL = "consilia.health/hospital"
COMPONENT_LABEL = "app.kubernetes.io/component"
EXECUTORS = "executors"
"""What :data:`COMPONENT_LABEL` says of the pods that a hospital's Spark makes itself."""
FILLED_LABEL = "consilia.health/filled-by"
"""Of a secret that the operator makes and somebody else fills: what they write calls for a reconcile."""

LONGEST_NAME = 52
"""Of an object: a StatefulSet labels its pods with its name and a hash of eleven characters, and a label has 63."""
LONGEST_LABEL = 63
"""Of a label's value, and of the name of a volume or of a container (RFC 1123)."""
_DIGEST = 10
_PARTS_OF_PEOPLE = re.compile(r"-(hospital|account)(-|$)")
_HASHED = re.compile(rf"-[0-9a-f]{{{_DIGEST}}}$")

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


def object_name(federation: Federation, part: str, namespace: str | None = None) -> str:
    """The name of a federation's object: ``<federation>-<part>``, at most 52 characters.

    ``namespace`` is where the object is; by default the federation's own. Two objects of one kind in one namespace
    never share a name: a hash of the whole ends it where it would be too long, where it could be another federation's
    (``a-hospital-b`` with its coordinator, ``a`` with its hospital ``b-coordinator``), and in a cohort's namespace,
    where federations of one name may meet. A name that merely looks hashed is hashed.
    """
    own = federation.metadata
    plain = f"{own.name}-{part}"
    at_home = namespace in (None, own.namespace)
    if at_home and len(plain) <= LONGEST_NAME and not _PARTS_OF_PEOPLE.search(own.name) and not _HASHED.search(plain):
        return plain
    return _hashed(_both(own.name, part), LONGEST_NAME, f"{'' if at_home else own.namespace}/{own.name}/{part}")


def volume_name(wanted: str) -> str:
    """The name of a pod's volume: ``wanted``, or what fits of it and a hash."""
    return wanted if len(wanted) <= LONGEST_LABEL else _hashed(wanted, LONGEST_LABEL, wanted)


def _both(federation: str, part: str) -> str:
    """Something of each, where there is no room for all."""
    room = LONGEST_NAME - _DIGEST - 2
    kept = part[: max(room // 2, room - len(federation))]
    return f"{federation[: room - len(kept)].rstrip('-')}-{kept}"


def _hashed(text: str, length: int, whole: str) -> str:
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST]
    return f"{text[: length - _DIGEST - 1].rstrip('-')}-{digest}"


def host_of(federation: Federation, component: str) -> str:
    """The host name of a component's Service, in the federation's namespace: at most 120 characters."""
    return f"{object_name(federation, component)}.{federation.metadata.namespace}.svc"


def coordinator_url(federation: Federation) -> str:
    """The base URL of a federation's coordinator, inside the cluster."""
    return f"https://{host_of(federation, COORDINATOR)}:{HTTPS_PORT}"


def selector(federation: Federation, component: Component) -> dict[str, str]:
    """The labels that select a component's pods."""
    labels = {UID_LABEL: federation.metadata.uid or "", COMPONENT_LABEL: component.kind}
    if component.hospital is not None:
        labels[HOSPITAL_LABEL] = component.hospital
    return labels


def component_of(labels: Mapping[str, str]) -> str | None:
    """The name of the component that an object with these labels is of; None for what belongs to none."""
    hospital, kind = labels.get(HOSPITAL_LABEL), labels.get(COMPONENT_LABEL)
    if hospital is None:
        return kind
    return executors_component(hospital) if kind == EXECUTORS else hospital_component(hospital)


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
