"""A cluster by hand, from the top of the repository: PYTHONPATH=tests .venv/bin/python -m cluster.kit up|load|down."""

import argparse
import sys

from cluster.kit import pins
from cluster.kit.binaries import CannotBuild, build
from cluster.kit.node import CannotStart, Node, unmet


def main() -> int:
    """Do what was asked; 2 with a sentence where that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m cluster.kit", description=__doc__)
    parser.add_argument("action", choices=["build", "up", "load", "down"])
    parser.add_argument("images", nargs="*", help="for load: names that buildah has")
    options = parser.parse_args()
    node = Node()
    try:
        if reason := unmet():
            raise CannotStart(f"This machine cannot run a cluster: {reason}")
        if options.action in ("build", "up"):
            build(pins.missing())
        if options.action == "up":
            node.up()
            print(node.usage)  # the answer
        if options.action == "load":
            node.load(options.images)
        if options.action == "down":
            node.down()
    except (CannotBuild, CannotStart) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
