"""What comes of reconciling one federation."""

from dataclasses import dataclass

from consilia.spec import Federation
from consilia_operator.grants import Admission
from consilia_operator.naming import Manifest
from consilia_operator.problems import Problem


@dataclass(frozen=True)
class Reconciled:
    """What a reconcile found: the federation as it is wished, who may take part, what is wrong with its parts.

    ``unfinished``: the API server refused an object, which is to be tried again. ``mlflow_page``: where a browser
    reaches the MLflow in which its runs are.
    """

    federation: Federation
    observed: Manifest
    admission: Admission
    pod_problems: list[Problem]
    authority: bytes
    unfinished: bool = False
    mlflow_page: str | None = None


@dataclass(frozen=True)
class Refused:
    """A federation whose spec this version cannot run; only an API server without our rules lets one in."""

    observed: Manifest
    reason: str
