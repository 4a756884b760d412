"""A federation on a cluster, as the operator's pure manifests see it: small, and a test names only what it is about."""

from collections.abc import Mapping
from typing import Any

from builders import HOSPITALS, cohort_document, federation_document
from consilia.plan import plan
from consilia.spec import Cohort, Federation
from consilia_operator.resources.site import Site
from consilia_operator.settings import COMPONENTS, Settings

NAMESPACE = "consortium"
UID = "5d0c1c0e-0000-4000-8000-00000000f00d"
IMAGES = {name: f"registry.example:5000/consilia-{name}:1.0" for name in COMPONENTS}
MLFLOW = "http://consilia-mlflow.consilia-system.svc:5000"


def settings(**changes: Any) -> Settings:
    """The operator's settings."""
    fields: dict[str, Any] = {
        "namespace": "consilia-system",
        "identity": "operator-1",
        "images": IMAGES,
        "mlflow_uri": MLFLOW,
        "storage_class": None,
        "port": 8080,
    }
    return Settings(**fields | changes)


def site(
    name: str = "breast-cancer",
    hospitals: tuple[str, ...] = HOSPITALS,
    namespaces: Mapping[str, str] | None = None,
    agents: Mapping[str, Any] | None = None,
    specs: Mapping[str, Any] | None = None,
    installation: Settings | None = None,
    namespace: str = NAMESPACE,
    uid: str = UID,
    spec: Mapping[str, Any] | None = None,
    **more: Any,
) -> Site:
    """A federation of ``hospitals``, each in the federation's namespace or its own of ``namespaces``.

    ``agents``: the cohorts' ``spec.agent`` by hospital, ``specs``: more of their ``spec``. ``spec`` sets fields of the
    federation's spec, ``more`` others.
    """
    document = federation_document(hospitals, **spec or {})
    document["metadata"] = {"name": name, "namespace": namespace, "uid": uid}
    cohorts = {}
    for shard, hospital in enumerate(document["spec"]["hospitals"]):
        of = hospital["name"]
        place = (namespaces or {}).get(of, namespace)
        hospital["cohort"]["namespace"] = place
        written = cohort_document(of, shard, len(hospitals), agent=(agents or {}).get(of, {}))
        written["spec"] |= (specs or {}).get(of, {})
        written["metadata"] |= {"namespace": place, "uid": f"uid-of-{of}"}
        cohorts[of] = Cohort.model_validate(written)
    federation = Federation.model_validate(document)
    chosen = installation or settings()
    mlflow = (federation.spec.tracking.mlflow_uri or chosen.mlflow_uri) is not None
    planned = plan(federation, cohorts, mlflow=mlflow, dashboard=False, executors=True)
    return Site(federation, cohorts, planned, chosen, **more)
