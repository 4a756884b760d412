"""``python tests/dashboard/demo_upstream.py``: a dashboard before the fake upstream, to look at while building it."""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from upstream import Upstream, write_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--every", type=float, default=0.5, help="seconds a round")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--epsilon", type=float, default=1.0, help="what a run asks for; 0: NON-PRIVATE")
    parser.add_argument("--holdout", choices=("exact", "noised", "banded"), default="exact", help="how scores leave")
    arguments = parser.parse_args()
    upstream = Upstream()
    upstream.spec["rounds"] = arguments.rounds
    if arguments.epsilon:
        upstream.protect(arguments.epsilon, arguments.holdout)
    folder = Path(tempfile.mkdtemp())
    token = secrets.token_hex(16)
    environment = {**os.environ, **write_settings(upstream, folder, arguments.port, token)}
    sys.stdout.write(f"http://localhost:{arguments.port}/?token={token}\n")
    sys.stdout.flush()
    with upstream.training(arguments.every):
        subprocess.run([sys.executable, "-m", "consilia_dashboard"], env=environment, check=False)


if __name__ == "__main__":
    main()
