"""The face of a hospital: its state in a word and a shape, how bad that is, and what to do about it. Pure."""

from dataclasses import dataclass, replace

from consilia_dashboard.faces import Tone
from consilia_dashboard.seen import Document


@dataclass(frozen=True)
class HospitalFace:
    """``rank`` orders cards: the smallest is the worst. ``advice`` is empty when nothing is to be done; ``share`` is
    how far it has come with what the word says, where that is known."""

    word: str
    shape: str
    tone: Tone
    rank: int
    advice: str = ""
    share: str = ""


FACES = {
    "Refused": HospitalFace(
        "refused",
        "octagon",
        "trouble",
        0,
        "It takes no part. Put right what the reason names: it looks again every half minute. If it stays away, "
        "restart its agent.",
    ),
    "Lost": HospitalFace(
        "lost",
        "cross",
        "trouble",
        1,
        "It is not awaited until it rejoins. Check that its agent runs and reaches the broker.",
    ),
    "Pending": HospitalFace("not joined", "dotted", "wait", 2, "Start its agent, or see why it does not join."),
    "Training": HospitalFace("training", "disc", "busy", 3),
    "Sent": HospitalFace("sent", "sent", "busy", 3),
    "Ready": HospitalFace("ready", "ring", "calm", 3),
}


def hospital_face(hospital: Document, fast: bool = False) -> HospitalFace:
    """The face of a hospital; an unknown phase, from a newer coordinator, is shown as its own word.

    ``problem`` is what a cluster knows to be wrong: why its pod or its cohort is missing. ``reading`` is how much of
    its data it has read, while it reads them.
    ``fast``: rounds are shorter than eyes, so that a hospital at work is "training" and does not flicker.
    """
    phase = str(hospital.get("phase", "Pending"))
    if fast and phase in ("Ready", "Sent"):
        phase = "Training"
    face = FACES.get(phase) or HospitalFace(phase.lower(), "dotted", "wait", 2)
    reading = hospital.get("reading")
    if isinstance(reading, float | int):
        return replace(FACES["Training"], word="reading", share=f"{100 * reading:.0f} %")
    if hospital.get("problem") == "CohortBusy":
        return replace(
            face, word="cohort busy", advice="It joins by itself when that federation lets go of the cohort."
        )
    if hospital.get("problem"):  # its reason says what to do, and the operator sees to the rest
        return replace(face, advice="It joins by itself once this is put right.")
    return face
