"""Where a plan's references point on a cluster: paths in a pod, hosts and ports of Services."""

from dataclasses import dataclass

from consilia.plan import (
    MLFLOW,
    Component,
    ConfigFile,
    HostOf,
    Plan,
    PortOf,
    SecretFile,
    Setting,
    UrlOf,
    VolumeFolder,
)
from consilia.spec import Cohort, Federation
from consilia_operator.naming import Owner, host_of
from consilia_operator.settings import Settings

SECRETS = "/etc/consilia/secrets"
CONFIG = "/etc/consilia/config"
VOLUMES = "/var/lib/consilia"


@dataclass(frozen=True)
class Site:
    """One federation on one cluster."""

    federation: Federation
    cohorts: dict[str, Cohort]
    plan: Plan
    settings: Settings

    def owner(self, component: Component) -> Owner:
        """Who owns a component's objects: the federation, or the cohort whose namespace they are in."""
        if component.kind != "hospital":
            return Owner.of(self.federation)
        return Owner.of(self.cohorts[component.name.removeprefix("hospital-")])

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
            case HostOf(component):
                return host_of(self.federation, component)
            case PortOf(component, port):
                return str(self.plan.component(component).ports[port])
            case UrlOf(component, port, scheme):
                if component == MLFLOW:
                    return self.settings.mlflow_uri or ""
                number = self.plan.component(component).ports[port]
                return f"{scheme}://{host_of(self.federation, component)}:{number}"
