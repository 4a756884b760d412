"""What the environment of ``consilia run`` says where the file and the command line are silent."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from consilia import settings
from consilia.errors import InvalidSetting
from consilia.spec import Cohort, Federation, FederationSpec
from consilia.wording import counted

# Names that a plan gives to each process; the command's own values of them are not passed on by accident.
PLANNED = ("MIN_AGENTS", "DP_EPSILON", "DP_CLIP_NORM", "USE_SPARK", "XMPP_SERVER", "XMPP_PORT", "MLFLOW_TRACKING_URI")
PLANNED_PREFIX = "CONSILIA_"


@dataclass(frozen=True)
class Surroundings:
    """``defaults`` for the plan, by environment name; ``domain``, the broker's host name; ``rest``, passed on.

    ``cap``: the most that a run may ask of any hospital here, 0 where nothing is said; ``clip_norm``: where the file
    gives none; ``credentials``: the folder with a folder for each secret that a cohort's source names.
    """

    domain: str = "localhost"
    cap: float = 0.0
    clip_norm: float | None = None
    credentials: Path | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, str] = field(default_factory=dict)


def read(environment: Mapping[str, str], spec: FederationSpec) -> Surroundings:
    """Read ``environment``; raise :class:`InvalidSetting` for the first value that cannot be."""
    settings.require_supported(environment)
    defaults = {name: environment[name] for name in ("MIN_AGENTS", "DP_EPSILON", "USE_SPARK") if environment.get(name)}
    quorum, hospitals = settings.min_agents(environment), len(spec.hospitals)
    if spec.quorum is None and quorum is not None and quorum > hospitals:
        raise InvalidSetting(
            f"MIN_AGENTS is {quorum}, more than the {counted(hospitals, 'hospital')}: lower it, or set spec.quorum"
        )
    rest = {
        name: value
        for name, value in environment.items()
        if name not in PLANNED and not name.startswith(PLANNED_PREFIX)
    }
    return Surroundings(
        _domain(environment.get("XMPP_SERVER") or "localhost"),
        settings.epsilon_cap(environment),
        settings.clip_norm(environment),
        settings.optional_file(environment, "CONSILIA_CREDENTIALS"),
        defaults,
        rest,
    )


def completed(federation: Federation, surroundings: Surroundings) -> Federation:
    """``federation`` with the clip norm of the environment, where it gives none itself."""
    spec = federation.spec
    if surroundings.clip_norm is None or "clip_norm" in spec.privacy.model_fields_set:
        return federation
    privacy = spec.privacy.model_copy(update={"clip_norm": surroundings.clip_norm})
    return federation.model_copy(update={"spec": spec.model_copy(update={"privacy": privacy})})


def require_credentials(cohorts: Iterable[Cohort], folder: Path | None) -> None:
    """Refuse cohorts whose sources name secrets that are not there: each is a folder under ``CONSILIA_CREDENTIALS``."""
    for cohort in cohorts:
        secret = cohort.spec.source.credentials
        if secret is None:
            continue
        whose = f'Cohort {cohort.metadata.namespace}/{cohort.metadata.name}: its source names credentials "{secret}"'
        if folder is None:
            raise InvalidSetting(
                f"{whose}, and CONSILIA_CREDENTIALS is not set: set it to a folder with a folder {secret} in it, which "
                "has a file for each part, such as username and password"
            )
        if not (folder / secret).is_dir():
            raise InvalidSetting(
                f"{whose}, and {folder / secret} is no folder: make it, with a file for each part, such as username "
                "and password"
            )


def _domain(name: str) -> str:
    """``XMPP_SERVER`` as the name under which the broker of this run is reached: it listens on loopback only."""
    try:
        found = {str(address[4][0]) for address in socket.getaddrinfo(name, None)}
    except OSError:
        found = set()
    if not found or not all(ip_address(address).is_loopback for address in found):
        raise InvalidSetting(
            f'XMPP_SERVER is "{name}", which is not a name of this machine\'s loopback: `consilia run` brings its own '
            "broker and never listens elsewhere; unset it, or use localhost"
        )
    return name
