"""Which versions the cluster is made of, and where its programs and its state are kept."""

import os
from pathlib import Path

KUBERNETES = "1.35.4"
COREDNS = "1.14.7"
HELM = "4.3.1"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "consilia" / "cluster"
"""Built once for every checkout: a folder for each product and version."""

STATE = Path("/var/lib/consilia-cluster")
"""All that the one cluster of this machine writes, gone after it."""

PROGRAMS = {
    "kube-apiserver": f"kubernetes-{KUBERNETES}",
    "kube-controller-manager": f"kubernetes-{KUBERNETES}",
    "kube-scheduler": f"kubernetes-{KUBERNETES}",
    "kube-proxy": f"kubernetes-{KUBERNETES}",
    "kubelet": f"kubernetes-{KUBERNETES}",
    "kubectl": f"kubernetes-{KUBERNETES}",
    "coredns": f"coredns-{COREDNS}",
    "helm": f"helm-{HELM}",
    "pause": "pause-1",
}
"""Every program that is built, and the folder of the cache that it is in."""


def program(name: str) -> Path:
    """Where a built program is, or will be."""
    return CACHE / PROGRAMS[name] / name


def missing() -> list[str]:
    """The programs that have yet to be built."""
    return [name for name in PROGRAMS if not program(name).exists()]
