"""From a federation's spec to what MLflow shows beside its metrics: parameters and tags. Pure."""

from consilia.model import family_of
from consilia.privacy.dp_fedsgd import step_size
from consilia.privacy.gaussian import mu_of
from consilia.protocol import PrivacyTerms
from consilia.spec import FederationSpec

PREFIX = "consilia."
UID, FEDERATION, RUN, ROUNDS, SETTLED, REASON, ROUND, PRIVACY = (
    PREFIX + name for name in ("uid", "federation", "run", "rounds", "settled", "reason", "round", "privacy")
)
"""Our tags. ``consilia.uid`` and ``consilia.run`` identify a run; ``consilia.settled`` is where logging resumes;
``consilia.privacy`` is ``NON-PRIVATE``, or ``epsilon 1``."""

NAMES_SHOWN = 20


def parameters_of(spec: FederationSpec, quorum: int, terms: PrivacyTerms | None = None) -> dict[str, str]:
    """What was asked of a run, as MLflow parameters (text); ``quorum`` is the one that holds, ``terms`` those on which
    a private run began."""
    if spec.task == "Statistics":
        return _statistics(spec, quorum, terms)
    return {
        "rounds": str(spec.rounds),
        "quorum": str(quorum),
        "hospitals": _names(spec.hospital_names),
        "roundTimeout": spec.round_timeout,
        "seed": str(spec.seed),
        "model": spec.model.kind,
        **_label(spec),
        "l2": f"{spec.model.l2:g}",
        **(_averaging(spec) if terms is None else _noise(spec, terms)),
        "label": spec.features.label,
        "features": str(len(spec.features.codebook)),
        "scaling": spec.features.scaling,
        "private": spec.privacy.label,
        "epsilon": f"{spec.privacy.epsilon:g}",
    }


def _label(spec: FederationSpec) -> dict[str, str]:
    """What the model needs to know of its label, besides its name."""
    outcome = spec.features.outcome
    if outcome is not None:
        return {"outcomeMin": f"{outcome.min:g}", "outcomeMax": f"{outcome.max:g}"}
    return {} if spec.model.classes is None else {"classes": str(spec.model.classes)}


def _statistics(spec: FederationSpec, quorum: int, terms: PrivacyTerms | None) -> dict[str, str]:
    """Those of a statistics run. ``sigma`` (with Laplace noise its scale) is that of the vector of weighted sums."""
    asked, used = spec.asked_statistics, spec.used_features
    parameters = {
        "task": spec.task,
        "quorum": str(quorum),
        "hospitals": _names(spec.hospital_names),
        "roundTimeout": spec.round_timeout,
        "statistics": _names(used.names),
        "features": str(len(used.codebook)),
        "bins": str(asked.bins),
        "quantiles": ", ".join(f"{quantile:g}" for quantile in asked.quantiles),
        "private": spec.privacy.label,
        "epsilon": f"{spec.privacy.epsilon:g}",
    }
    if terms is None:
        return parameters
    planned = terms.statistics_plan().statistics
    gaussian = terms.mechanism == "Gaussian"
    return parameters | {
        "delta": f"{terms.delta:g}",
        "mechanism": terms.mechanism,
        "sensitivity": f"{planned.sensitivity:.6g}",
        "sigma" if gaussian else "scale": f"{planned.noise.scale:.6g}",
        **({"mu": f"{mu_of(terms.epsilon, terms.delta):.6g}"} if gaussian else {}),
    }


def _averaging(spec: FederationSpec) -> dict[str, str]:
    fed_avg = spec.fed_avg
    return {
        "algorithm": "fedAvg",
        "localEpochs": str(fed_avg.local_epochs),
        "learningRate": f"{fed_avg.learning_rate:g}",
    }


def _noise(spec: FederationSpec, terms: PrivacyTerms) -> dict[str, str]:
    """The promise, and the noise that keeps it: ``sigma`` (with Laplace noise its scale) of each gradient sum, and
    ``mu`` of the whole run, which only Gaussian noise has."""
    plan = terms.plan(noised_holdout=True)
    gaussian = terms.mechanism == "Gaussian"
    return {
        "algorithm": "dpFedSGD",
        "learningRate": f"{step_size(plan, family_of(spec.model, spec.features)):.6g}",
        "delta": f"{terms.delta:g}",
        "clipNorm": f"{terms.clip_norm:g}",
        "mechanism": terms.mechanism,
        "reserve": str(terms.reserve),
        "nominalRows": str(terms.nominal_rows),
        "sigma" if gaussian else "scale": f"{plan.train.noise.scale:.6g}",
        **({"mu": f"{mu_of(terms.epsilon, terms.delta):.6g}"} if gaussian else {}),
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
