"""What runs for a federation: components, their settings, secrets, ports and volumes, and the links between them.

Two renderers read one plan: ``consilia run`` makes processes of it, the operator makes Kubernetes objects. A setting
whose value only the renderer knows (a path, a host, a port) is a reference. Network policies are the links.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from consilia.pod import Agent, Spark
from consilia.settings import flag
from consilia.spark_settings import PORTS as SPARK_PORTS
from consilia.spark_settings import local_settings, written
from consilia.spec import Cohort, Federation
from consilia.threads import ONE_THREAD

Kind = Literal["broker", "coordinator", "hospital", "executors", "tracking", "mlflow", "dashboard", "kubernetes"]

BROKER, COORDINATOR, TRACKING, MLFLOW, DASHBOARD = "broker", "coordinator", "tracking", "mlflow", "dashboard"
KUBERNETES = "kubernetes"
"""The API server, where executors are pods that a hospital asks it for."""
SPARK_FILE = "spark.conf"
"""The configuration file of a hospital with Spark: a setting of Spark a line, its name, a space and its value."""
LEDGER = "ledger"
"""The volume of a hospital's component that belongs to its cohort."""
XMPP_PORT, HTTPS_PORT, MLFLOW_PORT, DASHBOARD_PORT = 5222, 8443, 5000, 8081
KUBERNETES_PORT = 443


@dataclass(frozen=True)
class SecretFile:
    """The path of one key of a secret, as the component sees it."""

    secret: str
    key: str


@dataclass(frozen=True)
class ConfigFile:
    """The path of one of the component's own configuration files."""

    name: str


@dataclass(frozen=True)
class VolumeFolder:
    """The path of one of the component's volumes."""

    volume: str


@dataclass(frozen=True)
class DataFolder:
    """The folder that relative paths of the component's source start from."""


@dataclass(frozen=True)
class CredentialsFolder:
    """The folder with the files of the component's ``credentials``."""

    secret: str


@dataclass(frozen=True)
class HostOf:
    """The host name by which another component is reached."""

    component: str


@dataclass(frozen=True)
class PortOf:
    """The port number on which another component (or this one) listens."""

    component: str
    port: str


@dataclass(frozen=True)
class UrlOf:
    """The base URL of another component's port."""

    component: str
    port: str
    scheme: Literal["http", "https"]


Setting = str | SecretFile | ConfigFile | VolumeFolder | DataFolder | CredentialsFolder | HostOf | PortOf | UrlOf


@dataclass(frozen=True)
class Component:
    """One thing that runs.

    ``secrets`` are the names of the secrets it may read; ``volumes`` maps a volume's name to why it is there;
    ``hospital`` is the hospital that it is of, if it is one. ``claim`` and ``credentials`` name what the hospital
    itself has put there for it to read: a volume with data, and a secret.
    """

    name: str
    kind: Kind
    namespace: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    hospital: str | None = None
    claim: str | None = None
    credentials: str | None = None


@dataclass(frozen=True)
class Link:
    """``source`` opens connections to ``port`` of ``target``; nothing else may."""

    source: str
    target: str
    port: str


@dataclass(frozen=True)
class Plan:
    """All that runs for one federation, and all the connections it needs."""

    components: tuple[Component, ...]
    links: tuple[Link, ...]

    def component(self, name: str) -> Component:
        """The component called ``name``."""
        return next(component for component in self.components if component.name == name)


def hospital_component(hospital: str) -> str:
    """The name of a hospital's component."""
    return f"hospital-{hospital}"


def executors_component(hospital: str) -> str:
    """The name of the component that the executors of a hospital's Spark are."""
    return f"executors-{hospital}"


def account_secret(account: str) -> str:
    """The secret with one broker account's password, under the key ``password``."""
    return f"account-{account}"


def plan(
    federation: Federation,
    cohorts: Mapping[str, Cohort],
    *,
    mlflow: bool = True,
    dashboard: bool = True,
    executors: bool = False,
    defaults: Mapping[str, str] | None = None,
) -> Plan:
    """Plan ``federation`` with the cohort of each of its hospitals.

    ``executors``: whether a Spark that asks for executors has any, which takes a cluster; else it computes within the
    hospital's own process. ``defaults`` are settings by environment name (``MIN_AGENTS`` ...) for what the spec leaves
    open.
    """
    components = [_broker(federation), _coordinator(federation, defaults or {})]
    for name in federation.spec.hospital_names:
        apart = executors and cohorts[name].spec.executors_apart
        hospital = _hospital(name, cohorts[name], defaults or {})
        components += [replace(hospital, ports=SPARK_PORTS), _executors(hospital)] if apart else [hospital]
    if any(component.kind == "executors" for component in components):
        components.append(_kubernetes())
    if mlflow:
        components += [_mlflow(federation), _tracking(federation)]
    if dashboard:
        components.append(_dashboard(federation))
    return Plan(tuple(components), tuple(_links(components)))


def _links(components: list[Component]) -> list[Link]:
    links = []
    for component in components:
        if component.kind in ("coordinator", "hospital"):
            links.append(Link(component.name, BROKER, "xmpp"))
        if component.kind in ("hospital", "tracking", "dashboard"):
            links.append(Link(component.name, COORDINATOR, "https"))
        if component.kind == "tracking":
            links.append(Link(component.name, MLFLOW, "http"))
        if component.kind == "executors" and component.hospital is not None:
            links += _spark_links(hospital_component(component.hospital), component.name)
    return links


def _spark_links(driver: str, executors: str) -> list[Link]:
    """A hospital asks for its executors, which join it; blocks of data go between all of them."""
    return [
        Link(driver, KUBERNETES, "https"),
        Link(executors, driver, "driver"),
        Link(executors, driver, "blocks"),
        Link(driver, executors, "blocks"),
        Link(executors, executors, "blocks"),
    ]


def _bus_settings(account: str) -> dict[str, Setting]:
    return {
        "XMPP_SERVER": HostOf(BROKER),
        "XMPP_PORT": PortOf(BROKER, "xmpp"),
        "CONSILIA_ACCOUNT": account,
        "CONSILIA_PASSWORD_FILE": SecretFile(account_secret(account), "password"),
        "CONSILIA_CA_FILE": SecretFile("authority", "ca.crt"),
    }


def _broker(federation: Federation) -> Component:
    return Component(
        name=BROKER,
        kind="broker",
        namespace=federation.metadata.namespace,
        settings={"CONSILIA_BROKER_FOLDER": VolumeFolder("broker")},
        secrets=("accounts", "broker-certificate"),
        ports={"xmpp": XMPP_PORT},
        volumes={"broker": "configuration, certificate and accounts of the broker"},
    )


def _coordinator(federation: Federation, defaults: Mapping[str, str]) -> Component:
    metadata = federation.metadata
    settings: dict[str, Setting] = {
        **_bus_settings(COORDINATOR),
        "CONSILIA_STATE": VolumeFolder("journal"),
        "CONSILIA_FEDERATION": f"{metadata.namespace}/{metadata.name}",
        "CONSILIA_FEDERATION_UID": metadata.uid or f"{metadata.namespace}/{metadata.name}",
        "CONSILIA_HTTP_PORT": PortOf(COORDINATOR, "https"),
        "CONSILIA_TLS_CERTIFICATE": SecretFile("coordinator-certificate", "tls.crt"),
        "CONSILIA_TLS_KEY": SecretFile("coordinator-certificate", "tls.key"),
        "CONSILIA_TOKEN_PUBLIC_KEY": SecretFile("token-public-key", "public.pem"),
        **ONE_THREAD,
    }
    if federation.spec.quorum is None and "MIN_AGENTS" in defaults:
        settings["MIN_AGENTS"] = defaults["MIN_AGENTS"]
    return Component(
        name=COORDINATOR,
        kind="coordinator",
        namespace=metadata.namespace,
        settings=settings,
        secrets=(account_secret(COORDINATOR), "authority", "coordinator-certificate", "token-public-key"),
        ports={"https": HTTPS_PORT},
        volumes={"journal": "the journal and the spooled updates"},
    )


def _hospital(hospital: str, cohort: Cohort, defaults: Mapping[str, str]) -> Component:
    source = cohort.spec.source
    spark = cohort.spec.engine == "spark" or flag(defaults, "USE_SPARK")
    settings: dict[str, Setting] = {}
    files = {"cohort.json": _cohort_file(cohort)}
    if source.reads_files:
        settings["CONSILIA_DATA"] = DataFolder()
    if source.credentials is not None:
        settings["CONSILIA_CREDENTIALS"] = CredentialsFolder(source.credentials)
    if spark:
        settings["CONSILIA_SPARK_CONF"] = ConfigFile(SPARK_FILE)
        files[SPARK_FILE] = written(local_settings(cohort.spec.spark or Spark()))
    return Component(
        name=hospital_component(hospital),
        kind="hospital",
        namespace=cohort.metadata.namespace,
        settings={
            **_bus_settings(hospital),
            "USE_SPARK": "true" if spark else "false",
            "CONSILIA_STATE": VolumeFolder("outbox"),
            "CONSILIA_LEDGER": VolumeFolder(LEDGER),
            # A hospital's own cap on what a run may ask for.
            **{name: defaults[name] for name in ("DP_EPSILON",) if name in defaults},
            "CONSILIA_COHORT_FILE": ConfigFile("cohort.json"),
            "CONSILIA_COORDINATOR": COORDINATOR,
            "CONSILIA_COORDINATOR_URL": UrlOf(COORDINATOR, "https", "https"),
            **settings,
            **ONE_THREAD,
        },
        files=files,
        secrets=(account_secret(hospital), "authority"),
        volumes={
            "outbox": "answers already given, to be given again",
            LEDGER: "the cohort's ledger, which outlives every federation",
        },
        hospital=hospital,
        claim=source.claim,
        credentials=source.credentials,
    )


def _executors(hospital: Component) -> Component:
    """They read the same data and know nothing of the federation: neither its secrets nor its broker."""
    return Component(
        name=executors_component(hospital.hospital or ""),
        kind="executors",
        namespace=hospital.namespace,
        ports={"blocks": SPARK_PORTS["blocks"]},
        hospital=hospital.hospital,
        claim=hospital.claim,
    )


def _kubernetes() -> Component:
    return Component(name=KUBERNETES, kind="kubernetes", namespace="default", ports={"https": KUBERNETES_PORT})


def _cohort_file(cohort: Cohort) -> str:
    """What the agent has to know of its cohort: not who else may use it, nor how its own pod is made."""
    spec = cohort.spec.model_copy(update={"grants": None, "agent": Agent(), "egress": []})
    return json.dumps(cohort.model_copy(update={"spec": spec, "status": None}).to_json(), indent=1)


def _tracking(federation: Federation) -> Component:
    return Component(
        name=TRACKING,
        kind="tracking",
        namespace=federation.metadata.namespace,
        settings={
            "CONSILIA_FEDERATION": f"{federation.metadata.namespace}/{federation.metadata.name}",
            "CONSILIA_COORDINATOR_URL": UrlOf(COORDINATOR, "https", "https"),
            "CONSILIA_CA_FILE": SecretFile("authority", "ca.crt"),
            "CONSILIA_TOKEN_FILE": SecretFile("tracking-token", "token"),
            "MLFLOW_TRACKING_URI": UrlOf(MLFLOW, "http", "http"),
        },
        secrets=("authority", "tracking-token"),
    )


def _mlflow(federation: Federation) -> Component:
    return Component(
        name=MLFLOW,
        kind="mlflow",
        namespace=federation.metadata.namespace,
        ports={"http": MLFLOW_PORT},
        volumes={"mlflow": "runs, metrics and models"},
    )


def _dashboard(federation: Federation) -> Component:
    return Component(
        name=DASHBOARD,
        kind="dashboard",
        namespace=federation.metadata.namespace,
        settings={
            "CONSILIA_API_TOKEN_FILE": SecretFile("api-token", "token"),
            "CONSILIA_SIGNING_KEY_FILE": SecretFile("token-signing-key", "private.pem"),
            "CONSILIA_CA_FILE": SecretFile("authority", "ca.crt"),
            "CONSILIA_LOGIN_TOKEN_FILE": SecretFile("login-token", "token"),
            "CONSILIA_HTTP_PORT": PortOf(DASHBOARD, "http"),
        },
        secrets=("api-token", "token-signing-key", "authority", "login-token"),
        ports={"http": DASHBOARD_PORT},
    )
