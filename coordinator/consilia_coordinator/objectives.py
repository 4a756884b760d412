"""Which objective a run has: noise or none, a model or statistics, as its spec says."""

from collections.abc import Callable

from consilia.protocol import PrivacyTerms
from consilia.spec import FederationSpec
from consilia_coordinator.identity import Identity
from consilia_coordinator.objective import Objective, SpecObjective
from consilia_coordinator.private_objective import PrivateObjective
from consilia_coordinator.statistics_objective import StatisticsObjective

ObjectiveOf = Callable[[FederationSpec, int], Objective]
"""The objective of the run that starts with a spec, and its number."""


def objectives_of(identity: Identity) -> ObjectiveOf:
    """The objectives of one federation's runs; a private run's terms name the federation."""

    def objective_of(spec: FederationSpec, run: int) -> Objective:
        terms = PrivacyTerms.of(spec, identity.uid, identity.federation, run)
        if spec.task == "Statistics":
            return StatisticsObjective(spec, terms)
        return SpecObjective(spec) if terms is None else PrivateObjective(spec, terms)

    return objective_of
