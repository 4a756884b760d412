"""What a hospital needs to have its Spark's executors as pods: the right to make them, and what they are to look like.

Without executors there is nothing of this, and the hospital's pod has no token of the cluster. An executor is owned by
the hospital's pod, as Spark records it, and goes with it.
"""

import json

from consilia.plan import SPARK_FILE, Component
from consilia.pod import Spark
from consilia.spark_settings import Driver, cluster_settings, written
from consilia_operator.images import image_of
from consilia_operator.naming import Manifest, metadata, object_name, selector
from consilia_operator.resources.pod_shape import CONTAINER_SECURITY, data_mounts, data_volumes, placement, pod_security
from consilia_operator.resources.site import CONFIG, Site

ROLE = "consilia-spark-driver"
"""The ClusterRole, of the installation, that is bound in a cohort's namespace; the operator may bind no other."""
TEMPLATE = "executor.json"
CONTAINER = "executor"


def driver_rights(site: Site, component: Component) -> list[Manifest]:
    """An account of its own and its rights in the cohort's namespace, for a hospital with executors; else none."""
    if not site.is_driver(component):
        return []
    name = object_name(site.federation, component.name, component.namespace)
    described = metadata(
        site.federation, name, component.namespace, site.owner(component), selector(site.federation, component)
    )
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": described,
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": described,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": component.namespace}],
        },
    ]


def spark_files(site: Site, component: Component) -> dict[str, str]:
    """Spark's settings and the executors' template, for a hospital with executors; else none."""
    executors = next((each for each in site.executors if each.hospital == component.hospital), None)
    choice = image_of(site, component)
    if executors is None or choice is None or component.hospital is None:
        return {}
    name = object_name(site.federation, component.name, component.namespace)
    driver = Driver(
        namespace=component.namespace,
        pod=f"{name}-0",
        host=f"{name}.{component.namespace}.svc",
        image=choice.image,
        template=f"{CONFIG}/{TEMPLATE}",
        container=CONTAINER,
    )
    settings = cluster_settings(site.cohorts[component.hospital].spec.spark or Spark(), driver)
    return {SPARK_FILE: written(settings), TEMPLATE: json.dumps(_template(site, executors), indent=1)}


def _template(site: Site, executors: Component) -> Manifest:
    """As restricted as a hospital's pod, beside its data, and without a token; Spark adds the rest."""
    described = metadata(site.federation, "", executors.namespace, None, selector(site.federation, executors))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": described["labels"]},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 10,
            "securityContext": pod_security(),
            "containers": [
                {
                    "name": CONTAINER,
                    "command": ["python", "-m", "consilia_agents.executor"],
                    "securityContext": CONTAINER_SECURITY,
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
                        *data_mounts(executors),
                    ],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, *data_volumes(executors)],
        }
        | placement(site, executors),
    }
