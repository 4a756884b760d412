"""A cluster by hand, from the top of the repository: PYTHONPATH=tests .venv/bin/python -m cluster.kit up|load|down.

``ready`` is for the tests: what they need is built before the first of them, where this machine can have a cluster.
"""

import argparse
import sys

from cluster.kit import pins
from cluster.kit.binaries import CannotBuild, build
from cluster.kit.node import CannotStart, Node, unmet
from cluster.kit.provision import provided_elsewhere


def main() -> int:
    """Do what was asked; 2 with a sentence where that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m cluster.kit", description=__doc__)
    parser.add_argument("action", choices=["ready", "build", "up", "load", "down"])
    parser.add_argument("images", nargs="*", help="for load: names that buildah has")
    options = parser.parse_args()
    reason = unmet()
    if options.action == "ready" and (reason or provided_elsewhere()):
        sys.stderr.write(f"The tests of a cluster of this machine's own are skipped: {reason}\n" if reason else "")
        return 0
    if reason:
        sys.stderr.write(f"This machine cannot run a cluster: {reason}\n")
        return 2
    try:
        act(options.action, options.images)
    except (CannotBuild, CannotStart) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


def act(action: str, images: list[str]) -> None:
    """One of the actions; ``up`` leaves a cluster that is up as it is."""
    node = Node()
    if action in ("ready", "build", "up"):
        build(pins.missing())
    if action == "up":
        if not node.is_up:
            node.up()
        print(node.usage)
    if action == "load":
        node.images.load(images)
    if action == "down":
        node.down()


if __name__ == "__main__":
    sys.exit(main())
