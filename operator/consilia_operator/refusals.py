"""What becomes of an object that the API server refuses: a quota, a policy, a claim that cannot grow. Pure.

The federation's other objects go on without it, and it is tried again later each time. Two things wait for more than
themselves: secrets, which are written in an order that leaves nobody out, and a pod, which is not made where its claims
or its network policy could not be.
"""

from consilia.errors import Refusal
from consilia_operator.naming import HOSPITAL_LABEL, Manifest, component_of
from consilia_operator.problems import Problem, plain, where
from consilia_operator.resources.site import Site
from consilia_operator.resources.storage import KEPT

OBJECT_REFUSED = "ObjectRefused"
"""Reason of the problem."""
IN_ORDER = ("Secret", "Certificate", "Issuer")
"""Kinds of no component, of which none may be left out before the next is written or one is removed."""


def part_of(manifest: Manifest) -> str:
    """The component that an object is of; of no component, its kind."""
    return component_of(manifest["metadata"].get("labels") or {}) or str(manifest["kind"])


def refusal(site: Site, manifest: Manifest, error: Refusal) -> Problem:
    """The problem of an object that was refused; a claim that is there goes on as it is."""
    hospital = (manifest["metadata"].get("labels") or {}).get(HOSPITAL_LABEL)
    place, said = where(manifest), plain(str(error))
    held = site.claims.get((manifest["metadata"]["namespace"], manifest["metadata"]["name"]))
    if manifest["kind"] == "PersistentVolumeClaim" and held is not None:
        size = held["spec"]["resources"]["requests"]["storage"]
        message = f"{place} keeps {size}: {said}: set storage.size to {size}, or have its StorageClass allow expansion"
        return Problem(part_of(manifest), hospital, KEPT, message)
    message = f"{place}: {said}: mend what the API server names; it is tried again"
    return Problem(part_of(manifest), hospital, OBJECT_REFUSED, message)
