"""Ledgers as hospitals would have left them."""

from pathlib import Path

from consilia.consent import division_of
from consilia.manifest import parse
from consilia.privacy.entries import AnyEntry, Terms, encode
from consilia.privacy.ledger import Answer, Ledger
from consilia.privacy.noise_plan import Kind
from consilia.protocol import PrivacyTerms
from consilia_local.ledgers import NAME, budget_of, name_of

AT = "2026-11-24T12:00:0{}.000Z"
NONCE = "ab" * 32
OTHERS = "cd" * 32


def entries(text: str, runs: int = 1, hospital: str = "north", uid: str = "uid-1") -> list[AnyEntry]:
    """All entries of a hospital's ledger after so many whole runs of a file, one a second."""
    manifest = parse(text, "trial.yaml")
    federation = manifest.federations[0]
    cohort = manifest.cohorts_of(federation)[hospital]
    budget, holdout = budget_of(cohort), cohort.spec.holdout
    assert budget is not None
    ledger = Ledger()
    made: list[AnyEntry] = []

    def add(entry: AnyEntry | None) -> None:
        assert entry is not None
        ledger.append(entry)
        made.append(entry)

    add(ledger.create(name_of(cohort), NONCE, AT.format(0)))
    for run in range(1, runs + 1):
        terms = PrivacyTerms.of(federation.spec, uid, "consortium/trial", run)
        assert terms is not None
        plan = terms.plan(noised_holdout=holdout.metrics == "noised")
        divided = division_of(cohort)
        add(ledger.open_run(uid, "consortium/trial", run, Terms.of(plan, divided), budget, AT.format(1)))
        kinds: list[tuple[Kind, int]] = [("centre", 0)]
        kinds += [("train", number) for number in range(1, federation.spec.rounds + 1)]
        kinds += [("evaluate", federation.spec.rounds)] if plan.evaluate else []
        for kind, number in kinds:
            order = f"{run * 1000 + number:063x}{'e' if kind == 'evaluate' else '0'}"
            answer = Answer(uid, run, number, 1, OTHERS, order, order)
            add(ledger.release(kind, answer, budget, AT.format(2)))
    return made


def write(folder: Path, made: list[AnyEntry]) -> Path:
    """Leave a ledger in its folder; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / NAME
    file.write_bytes(b"".join(encode(entry) for entry in made))
    return file
