"""What the other verbs of ``consilia`` do: validate a file; show, start and stop a federation that runs here."""

from collections.abc import Mapping
from pathlib import Path

from consilia import edits
from consilia.errors import InvalidSetting
from consilia.manifest import Manifest
from consilia.spec import Federation
from consilia.status import FederationStatus
from consilia.wording import counted, privacy_of, privacy_word
from consilia_local import environment
from consilia_local.admission import require_consents
from consilia_local.control import Control, find, read_control
from consilia_local.folder import DEFAULT_PARENT, StateFolder
from consilia_local.held_federation import load


def validate(manifest: Manifest, environ: Mapping[str, str]) -> list[str]:
    """What each Federation of a file would run, a line each; raises a Refusal where the environment is wrong."""
    lines = []
    for federation in manifest.federations:
        surroundings = environment.read(environ, federation.spec)
        require_consents(federation, manifest.cohorts_of(federation), surroundings.cap)
        lines.append(_would_run(federation, surroundings.defaults))
    told = [f"{counted(len(manifest.cohorts), 'Cohort')}, each valid"] if not lines else []
    return lines + told


def find_control(name: str | None, state: Path | None) -> Control:
    """The running command: of the state folder ``state``, or of the federation ``name`` below this folder."""
    if state is None:
        return find(name)
    control = read_control(StateFolder(state).control)
    if control is None:
        raise InvalidSetting(f"no `consilia run` is running with the state folder {state}: start it first")
    return control


def status(name: str | None, state: Path | None) -> tuple[str, FederationStatus]:
    """A federation's headline and status: from the command that runs it, or what its last run left."""
    try:
        document = find_control(name, state).get()
    except InvalidSetting:
        folder = _left(name, state)
        saved = load(folder) if folder else None
        if saved is None:
            raise
        return f"{folder.root.name if folder else name} is not running; this is what its last run left", saved.status
    found = FederationStatus.model_validate(document.get("status", {}))
    return f"{document['metadata']['name']} · {found.phase} · {privacy_word(found.private)} · {found.message}", found


def start(name: str | None, state: Path | None, rounds: int | None) -> str:
    """Start a federation, or resume it, or run it again; the sentence for whoever asked."""
    control = find_control(name, state)
    before = control.get()
    spec = control.patch(edits.start(before["spec"], before.get("status", {}), rounds))["spec"]
    edited = {key: spec.get(key) for key in edits.COMMANDED}
    if edited == {key: before["spec"].get(key) for key in edited}:
        return f"{control.name} is running already: nothing to start"
    epsilon = spec.get("privacy", {}).get("epsilon", 0.0)
    return f"{control.name}: starting, {counted(spec['rounds'], 'round')}, {privacy_of(epsilon)}"


def stop(name: str | None, state: Path | None) -> str:
    """Stop a federation after the round that is under way; the sentence for whoever asked."""
    control = find_control(name, state)
    phase = control.patch(edits.stop()).get("status", {}).get("phase")
    if phase == "Complete":
        return f"{control.name} is complete: nothing to stop"
    return f"{control.name}: stopping after the round under way; `consilia start` resumes it"


def _left(name: str | None, state: Path | None) -> StateFolder | None:
    if state is not None:
        return StateFolder(state)
    folders = sorted(path.parent for path in DEFAULT_PARENT.glob("*/federation.json"))
    chosen = [folder for folder in folders if name in (None, folder.name)]
    return StateFolder(chosen[0]) if len(chosen) == 1 else None


def _would_run(federation: Federation, defaults: Mapping[str, str]) -> str:
    spec = federation.spec
    quorum = spec.effective_quorum(int(defaults["MIN_AGENTS"]) if "MIN_AGENTS" in defaults else None)
    return " · ".join(
        [
            f"{federation.metadata.name} is valid",
            f"{counted(len(spec.hospitals), 'hospital')} ({', '.join(spec.hospital_names)})",
            counted(spec.rounds, "round"),
            f"quorum {quorum}",
            spec.privacy.label,
        ]
    )
