"""A plan as processes of one machine: what the operator renders as pods, here are commands and environments.

Pure but for asking the state folder for paths.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from consilia.plan import (
    BROKER,
    LEDGER,
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
from consilia_local.folder import StateFolder
from consilia_local.launcher import ProcessSpec
from consilia_local.mlflow_server import mlflow_server
from consilia_local.ports import LOOPBACK

# Rounds come first: what only shows them yields. MLflow's server and the tracking process do so by themselves.
NICE = {"dashboard": 5}
FORKED = {
    "broker": "consilia_local.broker.__main__",
    "coordinator": "consilia_coordinator.__main__",
    "hospital": "consilia_agents.__main__",
}
EXECUTED = {"tracking": "consilia_coordinator.tracking", "dashboard": "consilia_dashboard"}
QUIET = {"PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Site:
    """Where the processes of a plan find one another on this machine.

    ``uid``, the federation's, which a file does not have; ``ports`` by (component, port name); ``domain``, the
    broker's host name; ``api_url``, the object API's address; ``environment``, what every process inherits;
    ``broker``, which one: ``embedded`` or ``prosody``; ``cohorts``, (namespace, name) by hospital: a ledger is theirs;
    ``data``, the folder that sources' paths start from; ``credentials``, that with a folder for each of their secrets.
    """

    folder: StateFolder
    uid: str
    ports: Mapping[tuple[str, str], int]
    domain: str
    api_url: str
    environment: Mapping[str, str]
    broker: str = "embedded"
    cohorts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    data: Path = Path()
    credentials: Path = Path()

    def url(self, component: str, port: str, scheme: str) -> str:
        """The address of a component's port."""
        return f"{scheme}://localhost:{self.ports[component, port]}"


def render(plan: Plan, site: Site) -> list[ProcessSpec]:
    """The processes of ``plan``, in its order."""
    return [_process(component, site) for component in plan.components]


def config_files(plan: Plan, site: Site) -> dict[str, str]:
    """The text of every configuration file, by its path."""
    return {
        str(site.folder.config(component.name, name)): text
        for component in plan.components
        for name, text in component.files.items()
    }


def _process(component: Component, site: Site) -> ProcessSpec:
    environment = dict(site.environment) | QUIET
    environment |= {name: _value(setting, component, site) for name, setting in component.settings.items()}
    environment |= _local_settings(component, site)
    if component.kind == "mlflow":
        server = mlflow_server(site.folder.volume(component.name, "mlflow"), site.ports[component.name, "http"])
        return ProcessSpec(
            component.name, site.folder.log(component.name), environment | server.environment, command=server.command
        )
    executed = EXECUTED.get(component.kind)
    return ProcessSpec(
        name=component.name,
        log=site.folder.log(component.name),
        environment=environment,
        module=FORKED.get(component.kind),
        command=(sys.executable, "-m", executed) if executed else (),
        arguments=(site.broker, environment["CONSILIA_BROKER_FOLDER"]) if component.kind == "broker" else (),
        nice=NICE.get(component.kind, 0),
    )


def _local_settings(component: Component, site: Site) -> dict[str, str]:
    if component.kind == "coordinator":
        return {"CONSILIA_HTTP_HOST": LOOPBACK, "CONSILIA_FEDERATION_UID": site.uid}
    if component.kind == "dashboard":
        return {"CONSILIA_HTTP_HOST": LOOPBACK, "CONSILIA_API_URL": site.api_url}
    return {}


def _value(setting: Setting, component: Component, site: Site) -> str:  # noqa: PLR0911 - one line a kind
    match setting:
        case str(text):
            return text
        case SecretFile(secret, key):
            return str(site.folder.secret(secret, key))
        case ConfigFile(name):
            return str(site.folder.config(component.name, name))
        case VolumeFolder(volume) if volume == LEDGER and component.hospital is not None:
            return str(site.folder.ledger(*site.cohorts[component.hospital]))
        case VolumeFolder(volume):
            return str(site.folder.volume(component.name, volume))
        case DataFolder():
            return str(site.data)
        case CredentialsFolder(secret):
            return str(site.credentials / secret)
        case HostOf(name):
            return site.domain if name == BROKER else "localhost"
        case PortOf(name, port):
            return str(site.ports[name, port])
        case UrlOf(name, port, scheme):
            return site.url(name, port, scheme)
