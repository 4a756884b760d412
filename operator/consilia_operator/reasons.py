"""The words that conditions and Events carry as their reason, each with what it means. People's scripts wait for them.

Those of the coordinator (``QuorumReached``, ``HospitalLost`` ...) are told beside these in docs/interfaces.md.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something is as it is, in one word."""

    # A federation or a cohort as a whole.
    INVALID_SPEC = "InvalidSpec"
    """This version cannot run the spec; an API server with our rules refuses it."""
    RUNNING = "Running"
    """The federation's own parts work, and the quorum can be reached."""
    STARTING = "Starting"
    """Its coordinator has not answered yet."""
    COORDINATOR_SILENT = "CoordinatorSilent"
    """Its coordinator answered, and does not answer now."""
    QUORUM_UNREACHABLE = "QuorumUnreachable"
    """So many hospitals cannot take part, each for its own reason, that no round can commit."""
    HOSPITALS_MISSING = "HospitalsMissing"
    """Rounds go on without some hospitals, which have several reasons."""
    ALL_PRESENT = "AllPresent"
    """No hospital and no part is missing."""
    MORE_WANTED = "MoreWanted"
    """The spec asks for another run, or for more rounds, than the coordinator has taken up."""
    RUN_IGNORED = "RunIgnored"
    """spec.run is below the current run."""

    # A hospital's cohort.
    COHORT_MISSING = "CohortMissing"
    """There is no such Cohort."""
    COHORT_INVALID = "CohortInvalid"
    """The Cohort's own spec cannot be used."""
    COHORT_OF_ANOTHER = "CohortOfAnotherHospital"
    """The Cohort belongs to another hospital than the one that is said to bring it."""
    COHORT_NOT_GRANTED = "CohortNotGranted"
    """The hospital does not let this federation use its Cohort."""
    BUDGET_EXCEEDED = "BudgetExceeded"
    """The run would cost the cohort's patients more than its budget allows, for this run or at all."""
    PRIVACY_REQUIRED = "PrivacyRequired"
    """The run is NON-PRIVATE, and the hospital allows its Cohort in private runs alone."""
    CLAIM_UNNAMED = "ClaimUnnamed"
    """The Cohort's data are files, and no PersistentVolumeClaim is said to hold them."""
    COHORT_BUSY = "CohortBusy"
    """Another federation uses the Cohort: one at a time."""

    SOURCE_UNAVAILABLE = "SourceUnavailable"
    """The cohort's source does not answer, or what it asks for is wrong: it is tried again every half minute."""
    DISK_UNWRITABLE = "DiskUnwritable"
    """The hospital's own files cannot be written, as when its disk is full: it tries again every half minute."""
    LEDGER_DAMAGED = "LedgerDamaged"
    """The cohort's ledger is torn, edited, missing or behind what was seen of it: nothing is sent."""

    # A component's pod.
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod."""
    CLAIM_MISSING = "ClaimMissing"
    """The pod mounts a PersistentVolumeClaim that is not there."""
    CLAIM_PENDING = "ClaimPending"
    """The pod mounts a PersistentVolumeClaim that gets no volume."""
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    """The node cannot get the container's image."""
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a word, no secret
    """The pod needs a Secret, or a key of one, that is not there."""
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    """The pod needs a ConfigMap, or a key of one, that is not there."""
    CONTAINER_REFUSED = "ContainerRefused"
    """The node cannot make or start the container as it is described."""
    MOUNT_FAILED = "MountFailed"
    """A volume of the pod cannot be mounted."""
    OUT_OF_MEMORY = "OutOfMemory"
    """The container was ended at its memory limit, again and again."""
    CRASHING = "Crashing"
    """The container ends again and again."""
    POD_RESTARTED = "PodRestarted"
    """The container ended and was started again."""
    POD_REFUSED = "PodRefused"
    """The API server refuses the pod: a quota, a pod security level, a policy."""

    EXECUTOR_MISSING = "ExecutorMissing"
    """An executor of the hospital's Spark does not run: it computes with those that do, or waits for the first."""

    # A cohort's conditions.
    IN_USE = "InUse"
    """A federation uses the Cohort now."""
    AVAILABLE = "Available"
    """The Cohort can be used, and nobody does."""
    NOT_TRIED = "NotTried"
    """No federation has read the Cohort's data yet."""
    DATA_ACCEPTED = "DataAccepted"
    """The federation that uses the Cohort could use its data."""
    DATA_REFUSED = "DataRefused"
    """The data cannot be used as they are, or the hospital declined."""
    BUDGET_SPENT = "BudgetSpent"
    """The Cohort's patients have lost all that its budget allows, for good."""

    # Of a federation's privacy.
    NOT_PRIVATE = "NotPrivate"
    """The run is NON-PRIVATE, and costs no budget."""

    # Events only.
    CREATED = "Created"
    """The operator starts the federation's parts."""
    HOSPITAL_LOST = "HospitalLost"
    """A hospital is gone."""
    HOSPITAL_ADMITTED = "HospitalAdmitted"
    """A Cohort that could not be used can be."""
    HOSPITAL_RECOVERED = "HospitalRecovered"
    """What was wrong with a hospital's pod is over."""
    PART_RECOVERED = "PartRecovered"
    """What was wrong with a part of the federation is over."""


OF_A_COHORT = frozenset(
    {
        Reason.COHORT_MISSING,
        Reason.COHORT_INVALID,
        Reason.COHORT_OF_ANOTHER,
        Reason.COHORT_NOT_GRANTED,
        Reason.BUDGET_EXCEEDED,
        Reason.PRIVACY_REQUIRED,
        Reason.CLAIM_UNNAMED,
        Reason.COHORT_BUSY,
    }
)
"""Why a hospital may not take part, whatever its pod does: no pod is made."""


OF_A_HOSPITAL = frozenset(
    {
        Reason.BUDGET_EXCEEDED,
        Reason.LEDGER_DAMAGED,
        Reason.COHORT_BUSY,
        Reason.DISK_UNWRITABLE,
        Reason.SOURCE_UNAVAILABLE,
    }
)
"""Why a hospital itself declines, where its data are not refused; its coordinator tells it."""
