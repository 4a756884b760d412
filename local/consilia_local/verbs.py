"""What the other verbs of ``consilia`` do: validate a file; show, start and stop a federation that runs here; show what
a run will cost patients, and what runs have cost them."""

import re
from collections.abc import Mapping
from pathlib import Path

from rich.console import RenderableType

from consilia import edits
from consilia.consent import require_consent
from consilia.epsilons import asked, spent
from consilia.errors import InvalidPrivacy, InvalidSetting
from consilia.experiment import Privacy
from consilia.manifest import Manifest, only_federation
from consilia.patterns import DIGEST
from consilia.privacy.ledger import Budget, Ledger, Witness
from consilia.spec import Cohort, Federation
from consilia.status import FederationStatus, PrivacyStatus
from consilia.wording import counted, privacy_word
from consilia_local import environment
from consilia_local.admission import admissions, require_consents, terms_of
from consilia_local.control import Control, find, read_control
from consilia_local.folder import DEFAULT_PARENT, StateFolder
from consilia_local.held_federation import hold, load
from consilia_local.ledger_tables import ledger_view, verified_line
from consilia_local.ledgers import budget_of, find_ledger, name_of
from consilia_local.privacy_tables import plan_view
from consilia_local.wording import promise


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
    told = privacy_word(found.private) if found.privacy is None else _told(found.privacy)
    return f"{document['metadata']['name']} · {found.phase} · {told} · {found.message}", found


def _told(privacy: PrivacyStatus) -> str:
    return f"private: epsilon {spent(privacy.epsilon_spent)} of {asked(privacy.epsilon)} spent"


def start(name: str | None, state: Path | None, rounds: int | None) -> str:
    """Start a federation, or resume it, or run it again; the sentence for whoever asked."""
    control = find_control(name, state)
    before = control.get()
    spec = control.patch(edits.start(before["spec"], before.get("status", {}), rounds))["spec"]
    edited = {key: spec.get(key) for key in edits.COMMANDED}
    if edited == {key: before["spec"].get(key) for key in edited}:
        return f"{control.name} is running already: nothing to start"
    asks = promise(Privacy.model_validate(spec.get("privacy", {})))
    what = "statistics" if spec.get("task") == edits.STATISTICS else counted(spec["rounds"], "round")
    return f"{control.name}: starting, {what}, {asks}"


def stop(name: str | None, state: Path | None) -> str:
    """Stop a federation after the round that is under way; the sentence for whoever asked."""
    control = find_control(name, state)
    phase = control.patch(edits.stop()).get("status", {}).get("phase")
    if phase == "Complete":
        return f"{control.name} is complete: nothing to stop"
    return f"{control.name}: stopping after the round under way; `consilia start` resumes it"


def privacy_plan(manifest: Manifest, source: str, state: Path | None, environ: Mapping[str, str]) -> RenderableType:
    """What the run that a file asks for promises, costs and leaves; raises a Refusal where the file cannot be run."""
    federation = only_federation(manifest, source)
    surroundings = environment.read(environ, federation.spec)
    federation = environment.completed(federation, surroundings)
    folder = StateFolder(state or DEFAULT_PARENT / federation.metadata.name)
    held = hold(federation, folder)
    terms = terms_of(federation, held.uid, held.desired_run)
    cohorts = sorted(manifest.cohorts_of(federation).items())
    if terms is None:
        return plan_view(federation.spec, None, _unwilling(cohorts, surroundings.cap), [])
    return plan_view(federation.spec, terms, {}, admissions(terms, cohorts, folder, surroundings.cap))


def ledger_show(given: str, state: Path | None, manifest: Manifest | None) -> RenderableType:
    """A ledger's entries; raises :class:`DamagedLedger` where it does not hold."""
    return ledger_view(find_ledger(given, state, _budgets(manifest)))


def ledger_verify(given: str, state: Path | None, manifest: Manifest | None, witness: Witness | None) -> str:
    """The sentence for a ledger that holds, and that ``witness``, or the state folder's coordinator, saw as it is."""
    found = find_ledger(given, state, _budgets(manifest))
    seen = witness or found.witness
    Ledger.read(found.path.read_bytes(), str(found.path), found.cohort, seen)
    return verified_line(found, seen)


def read_witness(text: str) -> Witness:
    """``SEQUENCE:HASH``; raises :class:`InvalidSetting`."""
    sequence, _, head = text.partition(":")
    if not (sequence.isascii() and sequence.isdigit() and re.fullmatch(DIGEST, head)):
        raise InvalidSetting(
            f'--witness is "{text}"; it must be the number of an entry, a colon, and its hash in 64 hexadecimal digits'
        )
    return Witness(int(sequence), head)


def _budgets(manifest: Manifest | None) -> dict[str, Budget]:
    cohorts = manifest.cohorts.values() if manifest else ()
    return {name_of(cohort): budget for cohort in cohorts if (budget := budget_of(cohort)) is not None}


def _unwilling(cohorts: list[tuple[str, Cohort]], cap: float) -> dict[str, str]:
    refusals = {}
    for name, cohort in cohorts:
        try:
            require_consent(cohort, None, cap)
        except InvalidPrivacy as refusal:
            refusals[name] = str(refusal)
    return refusals


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
            spec.work,
            f"quorum {quorum}",
            promise(spec.privacy),
        ]
    )
