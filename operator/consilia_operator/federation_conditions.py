"""The conditions of a federation: those of its coordinator, completed with what only the cluster can tell. Pure."""

from consilia.status import Condition
from consilia.wording import NON_PRIVATE, counted
from consilia_operator.conditions import condition
from consilia_operator.reasons import Reason
from consilia_operator.standing import KEPT, Standing, Trouble, common_reason, listed

BROKER_LOST = "BrokerLost"
"""The coordinator's reason where it cannot reach the broker."""
STILL = (BROKER_LOST, Reason.COORDINATOR_SILENT, Reason.STARTING)
"""Why it was not ready, which stays so until the coordinator is heard of again."""


def conditions_of(standing: Standing) -> list[Condition]:
    """All of them, without times."""
    return [
        _ready(standing),
        _hospitals_connected(standing),
        _data_accepted(standing),
        _privacy_budget(standing),
        _training(standing),
        _complete(standing),
        _degraded(standing),
    ]


def _said(standing: Standing, kind: str) -> Condition | None:
    """What the coordinator said last of a condition."""
    return next((each for each in standing.base.conditions if each.type == kind), None)


def _ready(standing: Standing) -> Condition:
    """The federation's own parts work, and its quorum can be reached."""
    said = _said(standing, "Ready")
    if standing.essential:
        sentences = "; ".join(problem.sentence for problem in standing.essential)
        return condition("Ready", False, standing.essential[0].reason, sentences)
    if standing.phase == "Blocked" and standing.below_quorum:
        reason = common_reason(standing.troubles, Reason.QUORUM_UNREACHABLE)
        return condition("Ready", False, reason, standing.message)
    if standing.silence is not None or not standing.heard:
        reason = Reason.COORDINATOR_SILENT if standing.heard else Reason.STARTING
        return condition("Ready", False, reason, standing.silence or standing.message)
    if said is not None and said.reason in STILL:
        return said
    return condition("Ready", True, Reason.RUNNING)


def _hospitals_connected(standing: Standing) -> Condition:
    """As many hospitals as the quorum asks for are connected."""
    connected, named = standing.base.connected, counted(len(standing.hospitals), "hospital")
    message = f"{connected} of {named} connected; the quorum is {standing.quorum}"
    if connected >= standing.quorum:
        return condition("HospitalsConnected", True, "QuorumReached", message)
    problems = listed(trouble.sentence for trouble in standing.troubles)
    return condition("HospitalsConnected", False, "WaitingForQuorum", "; ".join(filter(None, [message, problems])))


def _data_accepted(standing: Standing) -> Condition:
    """Every hospital that was asked could use its data."""
    refs = {hospital.name: hospital for hospital in standing.federation.spec.hospitals}
    refused = [
        f"{hospital.name} (Cohort {'/'.join(standing.federation.cohort_key(refs[hospital.name]))}): {hospital.reason}"
        for hospital in standing.hospitals
        if hospital.phase == "Refused" and hospital.problem is None
    ]
    if refused:
        return condition("DataAccepted", False, Reason.DATA_REFUSED, listed(refused))
    away = [f"{each.name}: {each.reason}" for each in standing.hospitals if each.problem == Reason.SOURCE_UNAVAILABLE]
    if away:
        return condition("DataAccepted", None, Reason.SOURCE_UNAVAILABLE, listed(away))
    said = _said(standing, "DataAccepted")
    if said is None or said.status == "False" or said.reason == Reason.SOURCE_UNAVAILABLE:
        return condition("DataAccepted", None, Reason.NOT_TRIED, "no hospital has looked at its data yet")
    return said


def _privacy_budget(standing: Standing) -> Condition:
    """Every hospital's cohort has what the run would cost its patients."""
    kind, said = "PrivacyBudgetAvailable", _said(standing, "PrivacyBudgetAvailable")
    lacking = [
        Trouble(problem.reason, problem.sentence)
        for hospital in standing.hospitals
        if (problem := standing.of_cohort(hospital)) is not None
        and problem.reason in (Reason.BUDGET_EXCEEDED, Reason.PRIVACY_REQUIRED)
    ]
    if lacking:
        sentences = [each.sentence for each in lacking]
        told = [said.message] if said is not None and said.status == "False" else []
        return condition(kind, False, common_reason(lacking, Reason.BUDGET_EXCEEDED), listed([*sentences, *told]))
    if said is not None and standing.heard:
        return said
    if not standing.private:
        message = f"{NON_PRIVATE}: nothing is promised to patients, and nothing is drawn from a budget"
        return condition(kind, None, Reason.NOT_PRIVATE, message)
    return condition(kind, None, Reason.NOT_TRIED, "no hospital has looked at its ledger yet")


def _training(standing: Standing) -> Condition:
    """A round is in flight."""
    said = _said(standing, "Training")
    if said is not None and said.status == "True" and standing.silence is not None:
        return condition("Training", None, Reason.COORDINATOR_SILENT, standing.silence)
    if said is not None and said.status == "True":
        return said
    return condition("Training", False, "NotTraining", standing.message)


def _complete(standing: Standing) -> Condition:
    """The run that the spec asks for has its rounds."""
    said = _said(standing, "Complete")
    if said is None or said.status != "True":
        return condition("Complete", False, "NotComplete", standing.message)
    if standing.more_is_wished:
        return condition("Complete", False, Reason.MORE_WANTED, standing.message)
    return condition("Complete", True, "TargetReached", standing.base.message)


def _degraded(standing: Standing) -> Condition:
    """Somebody or something is missing; whether rounds go on nevertheless is in the message."""
    parts = [Trouble(problem.reason, problem.sentence) for problem in standing.parts if problem.reason not in KEPT]
    troubles = [*standing.troubles, *parts]
    if not troubles:
        return condition("Degraded", False, Reason.ALL_PRESENT)
    reason = common_reason(troubles, Reason.HOSPITALS_MISSING)
    goes_on = standing.phase in ("Training", "Stopping") and standing.base.connected >= standing.quorum
    prefix = f"rounds go on with quorum {standing.quorum}; " if goes_on else ""
    return condition("Degraded", True, reason, prefix + listed(trouble.sentence for trouble in troubles))
