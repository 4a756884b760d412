"""Where a plan's references point on a cluster: paths in a pod, hosts and ports of Services."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consilia.plan import (
    BROKER,
    COORDINATOR,
    MLFLOW,
    TRACKING,
    Component,
    ConfigFile,
    CredentialsFolder,
    DataFolder,
    HostOf,
    Plan,
    PortOf,
    SecretFile,
    Setting,
    UrlOf,
    VolumeFolder,
)
from consilia.pod import Pod
from consilia.spec import Cohort, Federation
from consilia_operator.naming import EXECUTORS, Manifest, Owner, host_of
from consilia_operator.settings import Settings

SECRETS = "/etc/consilia/secrets"
CONFIG = "/etc/consilia/config"
VOLUMES = "/var/lib/consilia"
DATA, CREDENTIALS = "/var/lib/consilia-data", "/etc/consilia/credentials"
"""What a hospital itself has put there, and is mounted read-only."""


OWN = ("broker", "coordinator", "hospital", "tracking")


@dataclass(frozen=True)
class Choice:
    """The image of a component's pod, and who chose it: ``installation`` or ``spec``."""

    image: str
    chosen_by: str


@dataclass(frozen=True)
class Site:
    """One federation on one cluster.

    ``present`` is the image of each component's StatefulSet, ``stamped`` those that a run in progress keeps; ``claims``
    are the claims that are there, by namespace and name, the cohorts' ledgers among them.
    """

    federation: Federation
    cohorts: dict[str, Cohort]
    plan: Plan
    settings: Settings
    stamped: Mapping[str, str] = field(default_factory=dict)
    present: Mapping[str, Choice] = field(default_factory=dict)
    claims: Mapping[tuple[str, str], Manifest] = field(default_factory=dict)

    @property
    def components(self) -> list[Component]:
        """What the operator makes pods of: not what is the installation's or the cluster's, nor Spark's executors."""
        return [component for component in self.plan.components if component.kind in OWN]

    @property
    def executors(self) -> list[Component]:
        """What hospitals' Sparks make pods of, within the bounds that the operator sets."""
        return [component for component in self.plan.components if component.kind == EXECUTORS]

    def is_driver(self, component: Component) -> bool:
        """Whether a hospital asks the cluster for executors."""
        return any(executors.hospital == component.hospital for executors in self.executors)

    @property
    def mlflow_uri(self) -> str | None:
        """Where this federation's runs are recorded."""
        return self.federation.spec.tracking.mlflow_uri or self.settings.mlflow_uri

    @property
    def mlflow_page(self) -> str | None:
        """Where a browser reaches that MLflow; a server of the federation's own is taken at its word."""
        return self.federation.spec.tracking.mlflow_uri or self.settings.mlflow_page

    def pod(self, component: Component) -> Pod:
        """What is said of a component's pod: by the hospital of its agent, by the federation's owner of the others."""
        if component.hospital is not None:
            return self.cohorts[component.hospital].spec.agent
        spec = self.federation.spec
        return {BROKER: spec.broker, COORDINATOR: spec.coordinator, TRACKING: spec.tracking}[component.name]

    def owner(self, component: Component) -> Owner:
        """Who owns a component's objects: the federation, or the cohort whose namespace they are in."""
        return Owner.of(self.federation if component.hospital is None else self.cohorts[component.hospital])

    def environment(self, component: Component) -> dict[str, str]:
        """A component's settings with every reference resolved."""
        resolved = {name: self._resolve(value) for name, value in component.settings.items()}
        if component.kind == "coordinator":
            resolved["CONSILIA_HTTP_HOST"] = "0.0.0.0"  # noqa: S104 - a pod listens for other pods
        return resolved

    def _resolve(self, value: Setting) -> str:  # noqa: PLR0911 - one line a kind of reference
        match value:
            case str():
                return value
            case SecretFile(secret, key):
                return f"{SECRETS}/{secret}/{key}"
            case ConfigFile(name):
                return f"{CONFIG}/{name}"
            case VolumeFolder(volume):
                return f"{VOLUMES}/{volume}"
            case DataFolder():
                return DATA
            case CredentialsFolder():
                return CREDENTIALS
            case HostOf(component):
                return host_of(self.federation, component)
            case PortOf(component, port):
                return str(self.plan.component(component).ports[port])
            case UrlOf(component, port, scheme):
                if component == MLFLOW:
                    return self.mlflow_uri or ""
                number = self.plan.component(component).ports[port]
                return f"{scheme}://{host_of(self.federation, component)}:{number}"
