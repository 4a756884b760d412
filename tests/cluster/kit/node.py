"""A cluster of one node on this machine, from its own programs: no Docker, no image registry, real in all else.

It is etcd, the API server, controller manager, scheduler, kubelet, kube-proxy, CoreDNS, containerd and runc, with RBAC,
Services, names, volumes and Pod Security. Network policies are accepted and not enforced. A machine has one at a time.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from cluster.kit import pins, remains
from cluster.kit.credentials import Credentials
from cluster.kit.daemons import Daemons
from cluster.kit.node_files import ADDRESS, API, ETCD, NETWORK_PLUGINS, PODS, SERVICES, write_node_files
from cluster.kit.node_images import NodeImages
from cluster.kit.volumes import volumes
from deadline import eventually

LINK = "consilia-node"
NEEDED = ("etcd", "containerd", "ctr", "runc", "buildah", "ip", "nft", "conntrack")
NAME = "node1"


class CannotStart(RuntimeError):
    """Why there is no cluster, in a sentence."""


class Node:
    """The cluster whose files are under ``state``."""

    def __init__(self, state: Path = pins.STATE) -> None:
        self.state = state
        self.kubeconfig = state / "admin.kubeconfig"
        self.daemons = Daemons(state)
        self.socket = state / "containerd" / "containerd.sock"
        self.images = NodeImages(self.socket)
        self._began = state / "began.json"

    @property
    def is_up(self) -> bool:
        """Whether it runs now."""
        return self.daemons.running("apiserver") is not None

    def up(self, owner: int | None = None) -> None:
        """Bring it up and wait until pods can run. ``owner`` is the process with whose end its right to exist ends."""
        if self.is_up and not self._is_abandoned():
            raise CannotStart(f"a cluster is up already; use it: {self.usage}; or end it: make cluster DOWN=1")
        self.down()
        self.state.mkdir(parents=True)
        self.state.chmod(0o755)
        forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        self._began.write_text(json.dumps({"owner": owner, "forwarding": forwarding.read_text()}))
        forwarding.write_text("1")
        self._link()
        self._credentials()
        write_node_files(self.state)
        self._control_plane()
        self._start("containerd", "containerd", "--config", "containerd/config.toml")
        self._wait("containerd", lambda: self._ctr("version"))
        self.images.load_system()
        self._workers()
        self._settle()

    @property
    def usage(self) -> str:
        """The words that make kubectl use it."""
        folders = dict.fromkeys(str(pins.program(name).parent) for name in ("kubectl", "helm"))
        return f"export KUBECONFIG={self.kubeconfig} PATH={':'.join(folders)}:$PATH"

    def down(self) -> None:
        """End all of it and leave nothing behind; what was never started is well."""
        if not self.state.exists():
            return
        for name in ("proxy", "kubelet", "scheduler", "controller-manager", "apiserver", "etcd"):
            self.daemons.kill(name)
        networks = remains.network_namespaces(self.state)
        remains.end_pods(self.socket)
        self.daemons.kill("containerd")
        remains.unmount(self.state)
        for network in networks:
            remains.quietly("ip", "netns", "delete", network)
        for family in ("ip", "ip6"):
            remains.quietly("nft", "delete", "table", family, "kube-proxy")
        remains.quietly("ip", "link", "delete", LINK)
        remains.unlink_logs(self.state)
        remains.remove_control_groups()
        with contextlib.suppress(OSError, ValueError):
            Path("/proc/sys/net/ipv4/ip_forward").write_text(json.loads(self._began.read_text())["forwarding"])
        shutil.rmtree(self.state)

    def _is_abandoned(self) -> bool:
        try:
            owner = json.loads(self._began.read_text())["owner"]
        except (OSError, ValueError):
            return True
        return owner is not None and not Path(f"/proc/{owner}").exists()

    def _link(self) -> None:
        # A bridge, since a kernel may lack the dummy device: all that it does is to have the node's address.
        _run("ip", "link", "add", LINK, "type", "bridge")
        _run("ip", "address", "add", f"{ADDRESS}/32", "dev", LINK)
        _run("ip", "link", "set", LINK, "up")

    def _credentials(self) -> None:
        credentials = Credentials(self.state / "pki")
        credentials.keypair("service-accounts")
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
        credentials.issue("apiserver", "kube-apiserver", "kubernetes", [*names, "10.96.0.1", ADDRESS, "127.0.0.1"])
        credentials.issue("kubelet", f"system:node:{NAME}", "system:nodes", [NAME, ADDRESS])
        credentials.issue("admin", "kubernetes-admin", "system:masters")
        credentials.issue("controller-manager", "system:kube-controller-manager", "system:controllers")
        credentials.issue("scheduler", "system:kube-scheduler", "system:schedulers")
        credentials.issue("proxy", "system:kube-proxy", "system:node-proxiers")
        for name in ("admin", "kubelet", "controller-manager", "scheduler", "proxy"):
            credentials.kubeconfig(self.state / f"{name}.kubeconfig", name, API)

    def _control_plane(self) -> None:
        peers = "http://127.0.0.1:12380"
        self._start(
            "etcd", "etcd", f"--data-dir={self.state / 'etcd'}", "--unsafe-no-fsync", "--logger=zap",
            f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}", f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}",
        )  # fmt: skip
        self._start(
            "apiserver", pins.program("kube-apiserver"), f"--etcd-servers={ETCD}", f"--bind-address={ADDRESS}",
            f"--service-cluster-ip-range={SERVICES}", "--client-ca-file=pki/ca.crt", "--allow-privileged=true",
            "--tls-cert-file=pki/apiserver.crt", "--tls-private-key-file=pki/apiserver.key",
            "--service-account-key-file=pki/service-accounts.key",
            "--service-account-signing-key-file=pki/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            "--kubelet-client-certificate=pki/admin.crt", "--kubelet-client-key=pki/admin.key",
            "--kubelet-certificate-authority=pki/ca.crt", "--kubelet-preferred-address-types=InternalIP",
            "--audit-policy-file=audit.yaml", "--audit-log-path=logs/audit.log",
            # Spark's client asks for lists as watches, which take an etcd that tells its progress: not Debian 12's.
            "--feature-gates=WatchList=false",
        )  # fmt: skip
        self._wait("apiserver", lambda: self.kubectl("get", "--raw", "/readyz"))
        self._start(
            "controller-manager", pins.program("kube-controller-manager"), "--kubeconfig=controller-manager.kubeconfig",
            "--service-account-private-key-file=pki/service-accounts.key", "--root-ca-file=pki/ca.crt",
            "--use-service-account-credentials", "--leader-elect=false", "--allocate-node-cidrs",
            f"--cluster-cidr={PODS}", "--bind-address=127.0.0.1",
        )  # fmt: skip
        self._start(
            "scheduler", pins.program("kube-scheduler"), "--kubeconfig=scheduler.kubeconfig", "--leader-elect=false",
            "--bind-address=127.0.0.1",
        )  # fmt: skip

    def _workers(self) -> None:
        self._start(
            "kubelet", pins.program("kubelet"), "--config=kubelet.yaml", "--kubeconfig=kubelet.kubeconfig",
            f"--hostname-override={NAME}", f"--node-ip={ADDRESS}", f"--root-dir={self.state / 'kubelet'}",
        )  # fmt: skip
        self._start(
            "proxy", pins.program("kube-proxy"), "--kubeconfig=proxy.kubeconfig", f"--hostname-override={NAME}",
            "--proxy-mode=nftables", f"--cluster-cidr={PODS}", "--conntrack-max-per-core=0",
        )  # fmt: skip

    def _settle(self) -> None:
        system = (Path(__file__).parent / "system.yaml").read_text().replace("COREDNS_VERSION", pins.COREDNS)
        self.kubectl("apply", "-f", "-", stdin=system)
        self.kubectl("create", "-f", "-", stdin=json.dumps(volumes(self.state / "volumes")))
        self._wait("kubelet", lambda: self.kubectl("get", "node", NAME))
        self.kubectl("wait", "--for=condition=Ready", f"node/{NAME}", "--timeout=60s")
        self.kubectl("--namespace=kube-system", "rollout", "status", "deployment/coredns", "--timeout=90s")

    def _start(self, name: str, command: str | Path, *arguments: str) -> None:
        self.daemons.start(name, [command, *arguments])

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl says, as the cluster's administrator; raises :class:`CannotStart` with its error."""
        return _run(pins.program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments, stdin=stdin)

    def _ctr(self, *arguments: str) -> str:
        return _run("ctr", f"--address={self.socket}", "--namespace=k8s.io", *arguments)

    def _wait(self, name: str, probe: Callable[[], str], within: float = 60.0) -> None:
        """Wait until a probe no longer fails; when its daemon has ended or time is up, say what that wrote last."""

        def works() -> bool:
            if self.daemons.running(name) is None:
                raise CannotStart(f"{name} ended at its start:\n{self.daemons.tail(name)}")
            try:
                probe()
            except CannotStart:
                return False
            return True

        try:
            eventually(works, within, pause=0.1)
        except AssertionError as late:
            raise CannotStart(f"{name} does not answer:\n{self.daemons.tail(name)}") from late


def unmet() -> str | None:
    """Why this machine cannot have such a cluster, or nothing."""
    if os.uname().sysname != "Linux":
        return f"a cluster of its own needs Linux, and this is {os.uname().sysname}"
    if os.geteuid() != 0:
        return "a cluster of its own needs root"
    absent = [each for each in NEEDED if shutil.which(each) is None]
    if absent or not NETWORK_PLUGINS.is_dir():
        return f"these are missing: {', '.join(absent) or NETWORK_PLUGINS}; as root on Debian: setup/debian cluster"
    if pins.missing() and shutil.which("go") is None:
        return f"{', '.join(pins.missing())} have yet to be built, and there is no Go on this machine"
    return None


def _run(*command: str | Path, stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise CannotStart(f"{Path(command[0]).name} {' '.join(map(str, command[1:]))}: {done.stderr.strip()}")
    return done.stdout
