"""Which image a component's pod runs, and who may choose it. Pure.

Whoever writes a spec with an image has the operator run a pod of it, which they may not be allowed to do themselves:
only images that the cluster's administrator allows are taken, and of any other no pod is made. The installation's own
images are replaced between runs, never in mid-run; an image that a spec names is followed at once.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from consilia.plan import SPARK_FILE, Component
from consilia_operator.naming import Manifest, component_of
from consilia_operator.problems import Problem
from consilia_operator.resources.site import Choice, Site
from consilia_operator.settings import Settings

CHOSEN_BY = "consilia.health/image-chosen-by"
"""Annotation of a StatefulSet: who chose its image."""
INSTALLATION, SPEC = "installation", "spec"
NOT_ALLOWED = "ImageNotAllowed"
"""Reason of a problem: no pod is made."""
KEPT = "ImageKept"
"""Reason of a problem that hinders nothing: the pod goes on with the image that it has."""
_RUNNING = ("Training", "Stopping")
_WHERE = {"broker": "spec.broker", "coordinator": "spec.coordinator", "tracking": "spec.tracking"}


def allowed_prefixes(settings: Settings) -> tuple[str, ...]:
    """What an image may begin with: the administrator's list, else the repositories of the installation's own."""
    return settings.allowed_images or tuple(sorted({_repository(image) for image in settings.images.values()}))


def allowed(image: str, prefixes: Iterable[str]) -> bool:
    """Whether ``image`` is in one of these registries or repositories; a name is never matched by half of it."""
    return any(image == prefix or image.startswith(tuple(f"{prefix}{end}" for end in "/:@")) for prefix in prefixes)


def stamped_images(sets: Iterable[Manifest], status: Mapping[str, Any]) -> dict[str, str]:
    """The installation's images that a run in progress keeps, by component: those that its StatefulSets have now.

    ``status`` is the federation's. Between runs nothing is kept. A run that lost its quorum is still in progress.
    """
    phase = status.get("phase")
    if phase not in _RUNNING and not (phase == "Registration" and (status.get("round") or 0) > 0):
        return {}
    found = present_images(sets)
    return {name: choice.image for name, choice in found.items() if choice.chosen_by == INSTALLATION}


def present_images(sets: Iterable[Manifest]) -> dict[str, Choice]:
    """The image that each component's StatefulSet has now."""
    found = {}
    for each in sets:
        described = each["metadata"]
        name = component_of(described.get("labels") or {})
        (container,) = each["spec"]["template"]["spec"]["containers"]
        if name is not None:
            chosen_by = (described.get("annotations") or {}).get(CHOSEN_BY, INSTALLATION)
            found[name] = Choice(container["image"], chosen_by)
    return found


def image_of(site: Site, component: Component) -> Choice | None:
    """The image that the component is to run; None where none may be run.

    A spec's image that is not allowed changes nothing: what runs goes on, if that is allowed.
    """
    wished = site.pod(component).image
    if wished is None:
        return Choice(_own_image(site, component), INSTALLATION)
    prefixes = allowed_prefixes(site.settings)
    if allowed(wished, prefixes):
        return Choice(wished, SPEC)
    present = site.present.get(component.name)
    if present is not None and (present.chosen_by == INSTALLATION or allowed(present.image, prefixes)):
        return present
    return None


def _own_image(site: Site, component: Component) -> str:
    """The installation's; in mid-run the one that is there, unless the cohort's engine became another meanwhile."""
    own = site.settings.images["spark" if SPARK_FILE in component.files else component.kind]
    kept = site.stamped.get(component.name)
    return kept if kept is not None and _name(kept) == _name(own) else own


def image_problems(site: Site) -> list[Problem]:
    """A sentence for every image that a spec asks for and may not have."""
    prefixes = allowed_prefixes(site.settings)
    problems = []
    for component in site.components:
        image = site.pod(component).image
        if image is not None and not allowed(image, prefixes):
            message = (
                f'{_place(site, component)}: image "{image}" is not one that the administrator allows: take one of '
                f"{' or '.join(prefixes)}, or have the administrator add it to the allowed images of the installation "
                "(image.allowed of the chart)"
            )
            kept = image_of(site, component)
            if kept is not None:
                message += f"; until then the pod keeps {kept.image}"
            reason = NOT_ALLOWED if kept is None else KEPT
            problems.append(Problem(component.name, component.hospital, reason, message))
    return problems


def _place(site: Site, component: Component) -> str:
    """Whose field it is."""
    if component.hospital is None:
        owner = site.federation
        return f"Federation {owner.metadata.namespace}/{owner.metadata.name}, {_WHERE[component.kind]}.image"
    cohort = site.cohorts[component.hospital].metadata
    return f"Cohort {cohort.namespace}/{cohort.name}, spec.agent.image"


def _name(image: str) -> str:
    """What is in it, as its name says: the last part of its repository."""
    return _repository(image).rpartition("/")[2]


def _repository(image: str) -> str:
    """Without tag and digest; the colon of a registry's port is no tag's."""
    name = image.partition("@")[0]
    path, _, last = name.rpartition("/")
    return f"{path}/{last.partition(':')[0]}" if path else last.partition(":")[0]
