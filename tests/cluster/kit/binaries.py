"""Building the cluster's programs from their Go modules: about ten minutes on two cores, once a version.

The modules' versions and hashes are in ``programs/*/go.mod`` and ``go.sum``; nothing is resolved when building.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from cluster.kit.pins import CACHE, COREDNS, HELM, KUBERNETES, PROGRAMS, program

MODULES = Path(__file__).parent / "programs"

SOURCES = {
    **{name: ("kubernetes", f"k8s.io/kubernetes/cmd/{name}") for name in PROGRAMS if name.startswith("kube")},
    "coredns": ("tools", "github.com/coredns/coredns"),
    "helm": ("tools", "helm.sh/helm/v4/cmd/helm"),
    "pause": ("pause", "."),
}
"""Each program's module here, and its package."""

VERSION_FLAGS = f"-s -w -X k8s.io/component-base/version.gitVersion=v{KUBERNETES}"


class CannotBuild(RuntimeError):
    """What is missing, and what to do."""


def build(names: list[str]) -> None:
    """Build these programs into the cache; each appears there whole or not at all."""
    if not names:
        return
    if shutil.which("go") is None:
        raise CannotBuild(f"{', '.join(names)} are built with Go 1.26 or later, which is not on this machine")
    _require_pins()
    sys.stderr.write(f"Building {', '.join(names)} (ten minutes for all of them, once)\n")
    for name in names:
        module, package = SOURCES[name]
        target = program(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        _go(module, "build", "-trimpath", "-ldflags", VERSION_FLAGS, "-o", str(unfinished), package)
        unfinished.rename(target)


def _require_pins() -> None:
    """A version that was raised here and not there, or the other way round, is told before ten minutes have passed."""
    pinned = {"k8s.io/kubernetes": KUBERNETES, "github.com/coredns/coredns": COREDNS, "helm.sh/helm/v4": HELM}
    found = {}
    for module in ("kubernetes", "tools"):
        required = json.loads(_go(module, "mod", "edit", "-json"))["Require"]
        found.update({each["Path"]: each["Version"].removeprefix("v") for each in required})
    differing = {name: found.get(name) for name, version in pinned.items() if found.get(name) != version}
    if differing:
        raise CannotBuild(f"go.mod under {MODULES} has {differing}, and pins.py has {pinned}; make them agree")


def _go(module: str, *arguments: str) -> str:
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        ["go", *arguments], cwd=MODULES / module, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotBuild(f"go {arguments[0]} of {module} failed:\n{done.stderr[-2000:]}\n(the cache is {CACHE})")
    return done.stdout
