"""A federation's secrets and pods as a cluster would have them, one step at a time, for tests of rotations.

A pod mounts its secrets when it is made and sees them change later, or not at all; what a process reads once it has as
it was at its pod's start. An operator writes object by object and may be gone after any of them.
"""

import base64
from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import yaml
from cryptography import x509

from consilia.plan import BROKER, COORDINATOR, account_secret, plan
from consilia.spec import Cohort, Federation
from consilia.tokens import generate_keypair
from consilia_operator.naming import COMPONENT_LABEL, HOSPITAL_LABEL, Manifest, object_name
from consilia_operator.resources.certificates import RENEW_DAYS, SERVERS, certificate_secret, split
from consilia_operator.resources.everything import everything, waiting
from consilia_operator.resources.passwords import ROTATION
from consilia_operator.resources.rotation import confirmed_revisions
from consilia_operator.resources.secrets import Data, SigningKey, secret_names
from consilia_operator.resources.site import SECRETS, Site
from consilia_operator.resources.workloads import REVISION
from consilia_operator.settings import Settings
from sites import NAMESPACE, settings

EXAMPLE = Path(__file__).parents[1] / "examples" / "breast-cancer-non-private.yaml"
START = datetime(2026, 11, 24, tzinfo=UTC)
KEY = SigningKey(*generate_keypair())
SETTINGS = settings()
Place = tuple[str, str]


@dataclass
class Pod:
    """One pod: what its process has read once, and what it reads at each use."""

    manifest: Manifest
    started: dict[str, Data]
    """By the plan's name of a secret, as it was at the pod's start."""
    mounted: dict[str, Data]
    """As the files are now."""

    def passwords(self, account: str) -> set[bytes]:
        """What its process may log in with."""
        return {known[account_secret(account)]["password"] for known in (self.started, self.mounted)}


@dataclass
class Rotating:
    """The example's federation, each hospital in a namespace of its own."""

    hospitals: tuple[str, ...] = ("north", "riverside")
    settings: Settings = SETTINGS
    now: datetime = START
    key: SigningKey = KEY
    secrets: dict[Place, Data] = field(default_factory=dict)
    templates: dict[str, Manifest] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    """The namespace of each component's StatefulSet."""
    pods: dict[str, Pod] = field(default_factory=dict)
    others: dict[tuple[str, str, str], Manifest] = field(default_factory=dict)
    seen: Callable[[], None] = lambda: None
    """Called after every single write and every pod's start."""

    @property
    def site(self) -> Site:
        federation, cohorts = _documents()
        hospitals = [h for h in federation.spec.hospitals if h.name in self.hospitals]
        spec = federation.spec.model_copy(update={"hospitals": hospitals, "quorum": None})
        able = federation.model_copy(update={"spec": spec})
        chosen = {name: cohorts[name] for name in self.hospitals}
        return Site(able, chosen, plan(able, chosen, mlflow=True, dashboard=False), self.settings)

    # What an operator does.

    def wished(self) -> list[Manifest]:
        """What an operator that reads everything now would write, in its order."""
        site = self.site
        existing = {place: self.secrets.get(place, {}) for place in secret_names(site)}
        return everything(
            site, existing, self.key, self.now, confirmed_revisions(p.manifest for p in self.pods.values())
        )

    def waiting(self) -> dict[str, str]:
        site = self.site
        return waiting(site, {place: self.secrets.get(place, {}) for place in secret_names(site)})

    def write(self, manifest: Manifest) -> None:
        described = manifest["metadata"]
        place = described["namespace"], described["name"]
        if manifest["kind"] == "Secret":
            if "data" in manifest or place not in self.secrets:
                data = manifest.get("data") or {}
                self.secrets[place] = {name: base64.b64decode(value) for name, value in data.items()}
        elif manifest["kind"] == "StatefulSet":
            self.templates[component_of(manifest)] = deepcopy(manifest["spec"]["template"])
            self.homes[component_of(manifest)] = described["namespace"]
        else:
            self.others[manifest["kind"], *place] = manifest
        self.seen()

    def reconcile(self) -> None:
        """A whole reconcile, with the pruning of what is not wished."""
        manifests = self.wished()
        for manifest in manifests:
            self.write(manifest)
        self.prune(manifests)

    def prune(self, manifests: list[Manifest]) -> None:
        wished = {(m["metadata"]["namespace"], m["metadata"]["name"]) for m in manifests if m["kind"] == "Secret"}
        self.secrets = {place: data for place, data in self.secrets.items() if place in wished}
        there = {component_of(m) for m in manifests if m["kind"] == "StatefulSet"}
        self.templates = {name: template for name, template in self.templates.items() if name in there}
        self.pods = {name: pod for name, pod in self.pods.items() if name in there}

    # What the cluster does.

    def mounts(self, component: str) -> dict[str, Data] | None:
        """What a pod that starts now mounts; None where it waits for a secret."""
        namespace = self.homes[component]
        container = self.templates[component]["spec"]["containers"][0]
        volumes = {
            v["name"]: v["secret"]["secretName"] for v in self.templates[component]["spec"]["volumes"] if "secret" in v
        }
        found = {}
        for mount in container["volumeMounts"]:
            if mount["name"] in volumes:
                place = namespace, volumes[mount["name"]]
                if not self.secrets.get(place):
                    return None
                found[mount["mountPath"].removeprefix(f"{SECRETS}/")] = dict(self.secrets[place])
        return found

    def start(self, component: str) -> None:
        """A pod is made from the template, in place of the one that was there; it is not ready yet."""
        mounts = self.mounts(component)
        if mounts is None:
            self.pods.pop(component, None)
            return
        template = self.templates[component]
        manifest = {"kind": "Pod", "metadata": {"name": component, **deepcopy(template["metadata"])}, "status": {}}
        self.pods[component] = Pod(manifest, mounts, dict(mounts))
        self.seen()

    def outdated(self, component: str) -> bool:
        """Whether the StatefulSet has to replace its pod."""
        pod = self.pods.get(component)
        return (
            pod is None
            or pod.manifest["metadata"]["annotations"] != self.templates[component]["metadata"]["annotations"]
        )

    def ready(self, component: str, now: bool = True) -> None:
        status = {"conditions": [{"type": "Ready", "status": "True" if now else "False"}]}
        self.pods[component].manifest["status"] = status

    def sync(self, component: str) -> None:
        """The kubelet brings a running pod's files up to date."""
        mounts = self.mounts(component)
        if mounts is not None:
            self.pods[component].mounted = mounts

    def roll(self, which: Collection[str] | None = None) -> None:
        """StatefulSets replace what is out of date, and their pods become ready: all, or some."""
        for component in sorted(self.templates.keys() if which is None else which):
            if self.outdated(component):
                self.start(component)
            if component in self.pods:
                self.ready(component)

    def unfinished(self) -> bool:
        """Whether there is something to do: a pod behind its template, two passwords, two authorities, a renewal."""
        behind = any(self.outdated(component) for component in self.templates)
        accounts = [data.split() for name, data in self.data("accounts").items() if name != ROTATION]
        shown = [self.data(certificate_secret(server)) for server in SERVERS]
        due = any(self.now >= valid_from(data["tls.crt"]) + timedelta(days=RENEW_DAYS) for data in shown)
        trusted = split(self.data("authority")["ca.crt"])
        return behind or due or any(len(lines) > 1 for lines in accounts) or {*trusted} != {d["ca.crt"] for d in shown}

    def settle(self, most: int = 12) -> int:
        """Reconcile and roll until nothing changes; how many times something did."""
        for changes in range(most):
            before = deepcopy(self.secrets), deepcopy(self.templates), deepcopy(self.pods)
            self.reconcile()
            self.roll()
            if before == (self.secrets, self.templates, self.pods):
                return changes
        raise AssertionError(f"after {most} reconciles there is still something to do")

    # What people do, and what one sees.

    def place(self, secret: str) -> Place:
        site = self.site
        namespace = next((c.namespace for c in site.components if secret in c.secrets), NAMESPACE)
        return namespace, object_name(site.federation, secret, namespace)

    def data(self, secret: str) -> Data:
        return self.secrets.get(self.place(secret), {})

    def lose(self, secret: str) -> None:
        """Somebody deletes a secret, all its copies."""
        for namespace in {c.namespace for c in self.site.components} | {NAMESPACE}:
            self.secrets.pop((namespace, object_name(self.site.federation, secret, namespace)), None)

    def days(self, number: float) -> None:
        self.now += timedelta(days=number)

    def lines(self, account: str) -> list[bytes]:
        return self.data("accounts")[account].split()

    def password(self, account: str) -> bytes:
        return self.data(account_secret(account))["password"]

    def revision(self, component: str) -> str:
        revision: str = self.templates[component]["metadata"]["annotations"][REVISION]
        return revision

    def locked_out(self) -> list[str]:
        """Who could not log in, or would not trust what is shown, were everybody to connect anew now."""
        found = []
        accepted = self.pods[BROKER].mounted["accounts"] if BROKER in self.pods else {}
        for name, pod in self.pods.items():
            if name == BROKER:
                continue
            account = pod.manifest["metadata"]["labels"].get(HOSPITAL_LABEL, name)
            # An account that the broker has not heard of yet cannot be let in; nor has it ever been.
            if account in accepted and not pod.passwords(account) <= set(accepted[account].split()):
                found.append(f"{account}: its password")
            found += [f"{name}: the {server}'s certificate" for server in self._shown_to(name, pod)]
        return found

    def _shown_to(self, name: str, pod: Pod) -> list[str]:
        servers = [
            s for s in (BROKER, COORDINATOR) if s in self.pods and s != name and (s, name) != (BROKER, "tracking")
        ]
        authority = {s: self.pods[s].started[f"{s}-certificate"]["ca.crt"] for s in servers}
        return [
            server
            for server in servers
            for trusted in (pod.started, pod.mounted)
            if not set(split(authority[server])) <= set(split(trusted["authority"]["ca.crt"]))
        ]


def valid_from(certificate: bytes) -> datetime:
    return x509.load_pem_x509_certificate(certificate).not_valid_before_utc


def component_of(manifest: Manifest) -> str:
    labels = manifest["metadata"]["labels"]
    hospital = labels.get(HOSPITAL_LABEL)
    name: str = f"hospital-{hospital}" if hospital else labels[COMPONENT_LABEL]
    return name


@cache
def _documents() -> tuple[Federation, dict[str, Cohort]]:
    documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
    for document in documents:
        namespace = document["spec"].get("hospital", NAMESPACE)
        document["metadata"] |= {"namespace": namespace, "uid": f"uid-{document['metadata']['name']}"}
    cohorts = [Cohort.model_validate(document) for document in documents if document["kind"] == "Cohort"]
    (federation,) = [Federation.model_validate(d) for d in documents if d["kind"] == "Federation"]
    return federation, {cohort.spec.hospital: cohort for cohort in cohorts}
