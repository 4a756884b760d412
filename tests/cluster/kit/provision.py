"""Which cluster the tests run on: the one that was named, kind's, or one of this machine's own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.kit import kind, pins
from cluster.kit.binaries import build
from cluster.kit.cluster import Cluster
from cluster.kit.node import Node, unmet


class NoCluster(Exception):
    """Why there can be none here, and what would change that."""


@contextmanager
def provide(folder: Path) -> Iterator[Cluster]:
    """Yield a cluster that is up. Raises :class:`NoCluster` on a machine that cannot have one."""
    if _is_named():
        yield _named(Path(os.environ["KUBECONFIG"]))
    elif kind.is_possible():
        kubeconfig = folder / "kind.kubeconfig"
        with kind.kind_cluster(kubeconfig):
            yield Cluster(kubeconfig, Path(str(shutil.which("kubectl"))), kind.load, enforces_policies=True)
    elif reason := unmet():
        raise NoCluster(f"no Docker with kind answers, and {reason}; or set KUBECONFIG and CONSILIA_E2E=1")
    else:
        build(pins.missing())
        node = Node()
        try:
            node.up(owner=os.getpid())
            yield _of(node)
        finally:
            node.down()


def provided_elsewhere() -> bool:
    """Whether the tests have a cluster without this machine making one of its own programs."""
    return _is_named() or kind.is_possible()


def _is_named() -> bool:
    return os.environ.get("CONSILIA_E2E") == "1" and bool(os.environ.get("KUBECONFIG"))


def _named(kubeconfig: Path) -> Cluster:
    node = Node()
    if kubeconfig.resolve() == node.kubeconfig:
        return _of(node)
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise NoCluster("KUBECONFIG names a cluster, and there is no kubectl on this machine; install it")
    # Its images are its owner's business: they are pushed to where its nodes pull from.
    return Cluster(kubeconfig, Path(kubectl), lambda _images: None, enforces_policies=True)


def _of(node: Node) -> Cluster:
    return Cluster(
        node.kubeconfig,
        pins.program("kubectl"),
        node.images.load,
        enforces_policies=False,
        audit_log=node.daemons.logs / "audit.log",
    )
