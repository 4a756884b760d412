"""Looks at hospitals' tables by hand, in a process of the hospitals' own package, which this one does not import."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilia.errors import InvalidSetting, Unavailable
from consilia.manifest import Manifest, only_federation
from consilia.spec import Cohort, FederationSpec
from consilia.threads import ONE_THREAD
from consilia_local import environment

MODULE = "consilia_agents.data_check"
Reading = Callable[[str, float | None], None]
"""Told a hospital and the share of its table that was read; None once it was."""


@dataclass(frozen=True)
class Checked:
    """What a look at a hospital's table found: its report, a sentence of refusal, or both."""

    hospital: str
    cohort: Cohort
    private: bool
    report: dict[str, Any] | None = None
    refusal: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the table is good for the run; a private one would go on without what is wrong with it."""
        return self.refusal is None and self.report is not None and bool(self.report["accepted"])


def check(
    manifest: Manifest, source: Path, hospital: str | None, environ: Mapping[str, str], reading: Reading
) -> list[Checked]:
    """Look at the tables of the hospitals of the one Federation in ``source``, or of one of them, in their order there.

    Raises a Refusal where the file or the environment is wrong, and :class:`Unavailable` where the process ends early.
    """
    federation = only_federation(manifest, str(source))
    surroundings = environment.read(environ, federation.spec)
    cohorts = manifest.cohorts_of(federation)
    if hospital is not None and hospital not in cohorts:
        raise InvalidSetting(
            f'--hospital is "{hospital}", and {federation.metadata.name} has {", ".join(sorted(cohorts))}: name one'
        )
    chosen = {name: cohort for name, cohort in cohorts.items() if hospital in (None, name)}
    environment.require_credentials(chosen.values(), surroundings.credentials)
    spark = surroundings.defaults.get("USE_SPARK") == "true"
    asked = _asked(federation.spec, chosen, source.parent.absolute(), surroundings.credentials, spark)
    told = _answers(asked, surroundings.rest, reading)
    return [
        Checked(name, cohort, federation.spec.privacy.private, told[name].get("report"), told[name].get("refusal"))
        for name, cohort in chosen.items()
    ]


def _asked(
    spec: FederationSpec, cohorts: Mapping[str, Cohort], data: Path, credentials: Path | None, spark: bool
) -> dict[str, Any]:
    return {
        "features": spec.used_features.to_json(),
        "model": spec.model.to_json() if spec.task == "Training" else None,
        "private": spec.privacy.private,
        "hospitals": [
            {
                "cohort": cohort.to_json(),
                "data": str(data),
                "credentials": str(credentials) if credentials is not None else None,
                "spark": spark or cohort.spec.engine == "spark",
            }
            for cohort in cohorts.values()
        ],
    }


def _answers(asked: dict[str, Any], surroundings: Mapping[str, str], reading: Reading) -> dict[str, dict[str, Any]]:
    answers: dict[str, dict[str, Any]] = {}
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-u", "-m", MODULE],
        env=os.environ | dict(surroundings) | ONE_THREAD,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise Unavailable("a look at the tables could not be started")
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        for line in process.stdout:
            if not line.startswith("{"):  # a library's own word
                continue
            told = json.loads(line)
            name = told.pop("hospital")
            reading(name, told.get("reading"))
            if "reading" not in told:
                answers[name] = told
    wanted = [hospital["cohort"]["spec"]["hospital"] for hospital in asked["hospitals"]]
    missing = [name for name in wanted if name not in answers]
    if missing:
        raise Unavailable(
            f"the look at the table of hospital {missing[0]} ended before it had an answer (exit code "
            f"{process.returncode}): what it printed says why"
        )
    return answers
