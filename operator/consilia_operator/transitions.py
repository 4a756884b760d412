"""Which Events a change of status calls for: each transition once, and nothing for a state that stays. Pure.

What was told is known from the status that was written last, so that another process tells nothing again. What the
coordinator tells itself (Started, HospitalLost, Completed ...) is not told here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from consilia.wording import counted
from consilia_operator.naming import Manifest
from consilia_operator.reasons import OF_A_COHORT, Reason
from consilia_operator.standing import RESTING

MOST_ALIKE = 5
"""Hospitals with the same reason that are told one by one; more at once are told together."""


@dataclass(frozen=True)
class Telling:
    """One Event, without its time."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def transitions(before: Manifest, after: Manifest, told: Collection[str] = ()) -> list[Telling]:
    """What to tell when the status ``before`` ({} where there was none) is followed by ``after``; both as written.

    ``told`` are the hospitals of whose problem the coordinator has told.
    """
    return [
        *_created(before, after),
        *_invalid(before, after),
        *_ignored_run(before, after),
        *_parts(before, after),
        *_hospitals(before, after, told),
    ]


def _created(before: Manifest, after: Manifest) -> list[Telling]:
    if any(value is not None for value in before.values()) or _invalidity(after) is not None:
        return []
    named = counted(sum((after.get("hospitalCounts") or {}).values()), "hospital")
    return [Telling("Normal", Reason.CREATED.value, f"its broker, its coordinator and {named} are started")]


def _invalid(before: Manifest, after: Manifest) -> list[Telling]:
    said = _invalidity(after)
    if said is None or said == _invalidity(before):
        return []
    return [Telling("Warning", Reason.INVALID_SPEC.value, said)]


def _invalidity(status: Manifest) -> str | None:
    """What is wrong with the spec that a status is about."""
    ready = next((each for each in status.get("conditions") or [] if each["type"] == "Ready"), None)
    return ready["message"] if ready is not None and ready["reason"] == Reason.INVALID_SPEC else None


def _ignored_run(before: Manifest, after: Manifest) -> list[Telling]:
    ignored = after.get("ignoredRun")
    if ignored is None or ignored == before.get("ignoredRun"):
        return []
    current = after.get("run") or 0
    message = (
        f"spec.run {ignored} is below the current run {current} and is ignored: set spec.run to {current + 1} for a "
        "new run, or leave it out"
    )
    return [Telling("Warning", Reason.RUN_IGNORED.value, message)]


def _parts(before: Manifest, after: Manifest) -> list[Telling]:
    """Of the federation's own parts; one that waits for its turn to start is no news."""
    was, now = _told_parts(before), _told_parts(after)
    told = [
        Telling("Warning", problem["reason"], f"{name}: {problem['message']}")
        for name, problem in now.items()
        if name not in was or was[name]["reason"] != problem["reason"]
    ]
    over = [problem for name, problem in was.items() if name not in now]
    return told + [
        Telling("Normal", Reason.PART_RECOVERED.value, f"{each['component']}: no longer {each['reason']}")
        for each in over
    ]


def _told_parts(status: Manifest) -> dict[str, Manifest]:
    problems = status.get("problems") or []
    return {each["component"]: each for each in problems if each["reason"] != Reason.STARTING}


def _hospitals(before: Manifest, after: Manifest, by_coordinator: Collection[str]) -> list[Telling]:
    """A problem that appears, or is followed by another, or goes away. Of a spec that is invalid none is looked for."""
    if _invalidity(after) is not None:
        return []
    was = {hospital["name"]: hospital for hospital in before.get("hospitals") or []}
    unlisted = _cut_short(before)
    appeared: dict[str, list[Manifest]] = {}
    told: list[Telling] = []
    for hospital in after.get("hospitals") or []:
        former = was.get(hospital["name"], {}).get("problem")
        current = hospital.get("problem")
        if current == former or (hospital["name"] not in was and unlisted):
            continue
        if former is not None:
            told += _gone(hospital, former, current)
        if current is not None and hospital["name"] not in by_coordinator:
            appeared.setdefault(current, []).append(hospital)
    for reason, hospitals in appeared.items():
        told += _appeared(reason, hospitals, after)
    return told


def _cut_short(status: Manifest) -> bool:
    """Whether hospitals with problems may be left out of the list: of those nothing is known, and all was told."""
    hospitals = status.get("hospitals") or []
    everyone = sum((status.get("hospitalCounts") or {}).values())
    return len(hospitals) < everyone and all(hospital.get("problem") for hospital in hospitals)


def _gone(hospital: Manifest, former: str, current: str | None) -> list[Telling]:
    if former in OF_A_COHORT and current not in OF_A_COHORT:
        message = f"{hospital['name']}: its cohort can be used now"
        return [Telling("Normal", Reason.HOSPITAL_ADMITTED.value, message)]
    if current is None:
        return [Telling("Normal", Reason.HOSPITAL_RECOVERED.value, f"{hospital['name']}: no longer {former}")]
    return []


def _appeared(reason: str, hospitals: list[Manifest], after: Manifest) -> list[Telling]:
    kind: Literal["Normal", "Warning"] = "Warning"
    if reason == Reason.COHORT_BUSY and after.get("phase") in RESTING:
        kind = "Normal"
    word = Reason.HOSPITAL_LOST.value if reason == Reason.POD_RESTARTED else reason
    ending = _ending(after)
    if len(hospitals) <= MOST_ALIKE:
        return [Telling(kind, word, f"{each['name']}: {each['reason']}{ending}") for each in hospitals]
    first = hospitals[0]
    others = ", ".join(each["name"] for each in hospitals[1:MOST_ALIKE])
    more = f"{others} and {len(hospitals) - MOST_ALIKE} more"
    return [Telling(kind, word, f"{first['name']}: {first['reason']}; the same of {more}{ending}")]


def _ending(after: Manifest) -> str:
    """What that means for the rounds."""
    quorum = after.get("quorum") or 0
    goes_on = after.get("phase") == "Training" and (after.get("connected") or 0) >= quorum
    return f"; rounds go on with quorum {quorum}" if goes_on else ""
