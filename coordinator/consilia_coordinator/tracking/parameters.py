"""From a federation's spec to what MLflow shows beside its metrics: parameters and tags. Pure."""

from consilia.spec import FederationSpec

PREFIX = "consilia."
UID, FEDERATION, RUN, ROUNDS, SETTLED, REASON, ROUND = (
    PREFIX + name for name in ("uid", "federation", "run", "rounds", "settled", "reason", "round")
)
"""Our tags. ``consilia.uid`` and ``consilia.run`` identify a run; ``consilia.settled`` is where logging resumes."""

NAMES_SHOWN = 20


def parameters_of(spec: FederationSpec, quorum: int) -> dict[str, str]:
    """What was asked of a run, as MLflow parameters (text); ``quorum`` is the one that holds."""
    fed_avg = spec.fed_avg
    return {
        "rounds": str(spec.rounds),
        "quorum": str(quorum),
        "hospitals": _names(spec.hospital_names),
        "roundTimeout": spec.round_timeout,
        "seed": str(spec.seed),
        "model": spec.model.kind,
        "l2": f"{spec.model.l2:g}",
        "algorithm": "fedAvg",
        "localEpochs": str(fed_avg.local_epochs),
        "learningRate": f"{fed_avg.learning_rate:g}",
        "label": spec.features.label,
        "features": str(len(spec.features.codebook)),
        "scaling": spec.features.scaling,
        "private": spec.privacy.label,
        **{name: f"{value}" for name, value in spec.privacy.to_json().items() if name != "epsilon"},
        "epsilon": f"{spec.privacy.epsilon:g}",
    }


def _names(hospitals: list[str]) -> str:
    """The names, as many as are read at a glance."""
    shown = ", ".join(hospitals[:NAMES_SHOWN])
    return shown if len(hospitals) <= NAMES_SHOWN else f"{shown} and {len(hospitals) - NAMES_SHOWN} more"


def tags_of(federation: str, uid: str, run: int) -> dict[str, str]:
    """What identifies run ``run`` of ``federation`` ("namespace/name") among all the runs of an MLflow server."""
    return {
        UID: uid,
        FEDERATION: federation,
        RUN: str(run),
        "mlflow.user": "consilia",
        "mlflow.source.name": "consilia",
        "mlflow.source.type": "JOB",
    }
