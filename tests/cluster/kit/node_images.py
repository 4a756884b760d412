"""Images for a node that never pulls one: its own two, and those that buildah holds."""

import subprocess
import tempfile
from pathlib import Path

from cluster.kit.pins import COREDNS, program

BUILDAH = ("buildah", "--storage-driver", "overlay")


def system_images(socket: Path) -> None:
    """Make and load what runs before anything of ours: pods' sandboxes and names."""
    tags = {"pause": "localhost/pause:1", "coredns": f"localhost/coredns:{COREDNS}"}
    for name, tag in tags.items():
        container = _output(*BUILDAH, "from", "scratch").strip()
        _output(*BUILDAH, "copy", "--quiet", container, str(program(name)), f"/{name}")
        _output(*BUILDAH, "config", "--entrypoint", f'["/{name}"]', container)
        _output(*BUILDAH, "commit", "--quiet", "--rm", container, tag)
    load(socket, list(tags.values()))


def load(socket: Path, images: list[str]) -> None:
    """Take images from buildah's store into containerd's."""
    with tempfile.TemporaryDirectory(prefix="consilia-images-") as folder:
        for image in images:
            archive = Path(folder) / "image.tar"
            _output(*BUILDAH, "push", "--quiet", image, f"docker-archive:{archive}:{image}")
            _output("ctr", f"--address={socket}", "--namespace=k8s.io", "images", "import", str(archive))
            archive.unlink()


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
