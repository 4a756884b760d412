"""What is wrong with a component, and the words in which it is said: the object as kind and namespace/name. Pure."""

from dataclasses import dataclass
from datetime import datetime

from consilia_operator.naming import HOSPITAL_LABEL, Manifest, component_of
from consilia_operator.reasons import Reason


@dataclass(frozen=True)
class Problem:
    """Why a component does not work. ``at``: when its container ended, where it runs again since."""

    component: str
    hospital: str | None
    reason: str
    message: str
    at: datetime | None = None

    @property
    def sentence(self) -> str:
        """Whom it is about, what is wrong, and what to do."""
        return f"{self.hospital or self.component}: {self.message}"


def made(about: Manifest, reason: Reason, message: str, at: datetime | None = None) -> Problem:
    """A problem of the component whose pod or workload this is."""
    labels = about["metadata"].get("labels") or {}
    return Problem(component_of(labels) or "?", labels.get(HOSPITAL_LABEL), reason.value, message, at)


def where(manifest: Manifest) -> str:
    """An object as it is named in a sentence."""
    return f"{manifest.get('kind') or 'Pod'} {manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def named(pod: Manifest, kind: str, name: str) -> str:
    """Another object of the pod's namespace."""
    return f"{kind} {pod['metadata']['namespace']}/{name}"


def plain(text: str) -> str:
    """Somebody else's words as a part of our sentence."""
    return " ".join(text.split()).rstrip(".: ")


def time_of(text: str) -> datetime:
    """A time as Kubernetes and the coordinator write it."""
    return datetime.fromisoformat(text)
