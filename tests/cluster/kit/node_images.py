"""Images for a node that never pulls one: its own two, and those that buildah holds."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from cluster.kit.pins import COREDNS, program

BUILDAH = ("buildah", "--storage-driver", "overlay")


class NodeImages:
    """What a node's containerd was given. ``loaded.json`` beside its socket says which image by which name."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._record = socket.parent / "loaded.json"

    def load(self, images: list[str]) -> None:
        """Take these from buildah's store, those that are not there already; layers that they share travel once."""
        known: dict[str, str] = json.loads(self._record.read_text()) if self._record.exists() else {}
        held = {
            image: _output(*BUILDAH, "inspect", "--type=image", "--format={{.FromImageID}}", image) for image in images
        }
        if new := [image for image in images if known.get(image) != held[image]]:
            with tempfile.TemporaryDirectory(prefix="consilia-images-") as folder:
                for image in new:
                    compression = ("--compression-format=zstd", "--compression-level=1")
                    _output(*BUILDAH, "push", "--quiet", *compression, image, f"oci:{folder}:{image}")
                self._import(folder)
        self._record.write_text(json.dumps(known | held))

    def load_system(self) -> None:
        """Make and load what runs before anything of ours: pods' sandboxes, and names."""
        tags = {"pause": "localhost/pause:1", "coredns": f"localhost/coredns:{COREDNS}"}
        for name, tag in tags.items():
            container = _output(*BUILDAH, "from", "scratch")
            _output(*BUILDAH, "copy", "--quiet", container, str(program(name)), f"/{name}")
            _output(*BUILDAH, "config", "--entrypoint", f'["/{name}"]', container)
            _output(*BUILDAH, "commit", "--quiet", "--rm", container, tag)
        self.load(list(tags.values()))

    def _import(self, layout: str) -> None:
        with subprocess.Popen(["tar", "-cf", "-", "-C", layout, "."], stdout=subprocess.PIPE) as archive:
            _output(
                "ctr", f"--address={self._socket}", "--namespace=k8s.io", "images", "import", "-", stdin=archive.stdout
            )


def _output(*command: str, stdin: IO[bytes] | None = None) -> str:
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()
