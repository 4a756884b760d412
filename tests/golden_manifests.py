"""The golden manifests: every object that the operator makes of one federation, a file a kind, to be read and compared.

``PYTHONPATH=tests .venv/bin/python -m golden_manifests`` writes them; read the difference before it is committed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from consilia.tokens import generate_keypair
from consilia_operator.naming import Manifest
from consilia_operator.resources.everything import everything
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.resources.workloads import REVISION
from sites import site

FOLDER = Path(__file__).parent / "operator" / "golden"
MADE = "(made anew each time)"
SPEC = {
    "coordinator": {
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}},
        "storage": {"size": "5Gi", "className": "fast"},
    },
    "tracking": {"image": "registry.example:5000/consilia-tracking:1.1"},
}
AGENTS = {
    "south": {
        "resources": {"requests": {"memory": "2Gi"}},
        "storage": {"size": "2Gi"},
        "nodeSelector": {"example.com/pool": "records"},
        "tolerations": [{"key": "dedicated", "value": "records", "effect": "NoSchedule"}],
    }
}

SPECS = {
    "west": {
        "engine": "spark",
        "spark": {"executors": 2, "maxExecutors": 4, "executorMemory": "2Gi", "executorCores": 2},
        "source": {"parquet": {"path": "biopsies", "claim": "exports"}, "credentials": "warehouse"},
        "egress": [
            {"cidr": "10.20.0.0/16", "ports": [5432]},
            {"namespace": "storage", "ports": [9000, 9001]},
        ],
    }
}


def golden() -> dict[str, str]:
    """The text of each file, by its name.

    Hospital north is in the federation's namespace, south in its own; west's Spark has executors.
    """
    made = site(
        hospitals=("north", "south", "west"), namespaces={"south": "clinic"}, agents=AGENTS, specs=SPECS, spec=SPEC
    )
    manifests = everything(made, {}, SigningKey(*generate_keypair()), datetime(2026, 11, 24, tzinfo=UTC))
    kinds = sorted({manifest["kind"] for manifest in manifests})
    return {f"{kind}.yaml": _text(m for m in manifests if m["kind"] == kind) for kind in kinds}


def _text(manifests: Iterable[Manifest]) -> str:
    ordered = sorted(manifests, key=lambda m: (m["metadata"]["namespace"], m["metadata"]["name"]))
    return "---\n".join(
        yaml.dump(_without_chance(manifest), Dumper=_Dumper, sort_keys=False, width=120) for manifest in ordered
    )


def _without_chance(manifest: Manifest) -> Manifest:
    """What is made by chance, and what is told from it, is not compared."""
    if manifest["kind"] == "Secret":
        return manifest | {"data": dict.fromkeys(manifest["data"], MADE)}
    if manifest["kind"] == "StatefulSet":
        template = manifest["spec"]["template"]
        annotations = template["metadata"]["annotations"] | {REVISION: MADE}
        described = template["metadata"] | {"annotations": annotations}
        return manifest | {"spec": manifest["spec"] | {"template": template | {"metadata": described}}}
    return manifest


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and equal parts out each time."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def main() -> None:
    """Write every file, and take away what no kind has any more."""
    FOLDER.mkdir(exist_ok=True)
    texts = golden()
    for path in FOLDER.glob("*.yaml"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
