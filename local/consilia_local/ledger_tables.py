"""A cohort's ledger as rich draws it, for whoever answers for its patients. Pure."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consilia.epsilons import asked, remaining, rounded_down, small, spent
from consilia.privacy.entries import AnyEntry, Created, Opened, Released
from consilia.privacy.ledger import Budget, Ledger, Witness
from consilia.wording import counted
from consilia_local.ledgers import FoundLedger
from consilia_local.tables import inert

USUAL_DELTA = 1e-5
"""Of a ledger that says of none, and whose budget is not known."""
COLUMNS = (("#", "right"), ("when", "left"), ("federation", "left"), ("run", "right"), ("round", "right"))
LAST_COLUMNS = (("kind", "left"), ("mechanism", "left"), ("sigma", "right"), ("epsilon so far", "right"))


def ledger_view(found: FoundLedger) -> RenderableType:
    """Every entry, with what the patients had lost by then, and what is left."""
    delta = delta_of(found)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, side in (*COLUMNS, *LAST_COLUMNS):
        # Where there is no room, it is the name that goes on in the next line.
        folds = name == "federation"
        table.add_column(
            name,
            justify="right" if side == "right" else "left",
            no_wrap=not folds,
            overflow="fold",
            min_width=None if folds else len(name),
        )
    ledger = Ledger()
    for entry in found.entries:
        ledger.append(entry)
        table.add_row(*(inert(cell) for cell in _cells(entry, ledger, delta)))
    return Group(inert(f"Ledger of cohort {found.cohort}", "bold"), Text(), table, Text(), _total(found, delta))


def verified_line(found: FoundLedger, witness: Witness | None) -> str:
    """That a ledger is whole, in one line: what it says, and who else has seen it."""
    ledger, delta = found.ledger, delta_of(found)
    seen = (
        f"it holds entry {witness.sequence}, which was seen elsewhere"
        if witness is not None
        else "no witness was given, so that missing entries at its end cannot be told"
    )
    return (
        f"{found.cohort}: {counted(len(found.entries), 'entry').replace('entrys', 'entries')}, each in its place; the "
        f"last is {ledger.witness.sequence}:{ledger.witness.head}; epsilon {spent(ledger.spent(delta))} at delta "
        f"{small(delta)} is spent; {seen}"
    )


def delta_of(found: FoundLedger) -> float:
    """The budget's delta; where it is not known, that of the newest run."""
    if found.budget is not None:
        return found.budget.delta
    return next((entry.terms.delta for entry in reversed(found.entries) if isinstance(entry, Opened)), USUAL_DELTA)


def _cells(entry: AnyEntry, ledger: Ledger, delta: float) -> tuple[str, ...]:
    first = (str(entry.sequence), entry.at[:19].replace("T", " "))
    so_far = spent(ledger.spent(delta))
    match entry:
        case Created():
            return (*first, "", "", "", "begun", "", "", so_far)
        case Opened():
            kind = f"admitted for {asked(entry.terms.epsilon)}"
            return (*first, entry.name, str(entry.run), "", kind, "", "", so_far)
        case Released():
            name = ledger.runs[entry.federation, entry.run].opened.name
            noise = (entry.kind, entry.mechanism, f"{entry.scale:.4g}")
            return (*first, name, str(entry.run), str(entry.round), *noise, so_far)


def _total(found: FoundLedger, delta: float) -> Text:
    told = f"epsilon {spent(found.ledger.spent(delta))} at delta {small(delta)} is spent"
    if found.budget is None:
        return inert(f"{told}; give --manifest FILE to see what remains of the budget in it")
    return inert(f"{told} of {asked(found.budget.epsilon)}; {_left(found.ledger, found.budget)}")


def _left(ledger: Ledger, budget: Budget) -> str:
    left = ledger.remaining(budget, budget.delta)
    if left == 0:
        return "nothing remains: no further release is possible"
    told = remaining(left)
    return f"a run may still ask for epsilon {told if told != remaining(0) else f'{rounded_down(left, 2):g}'}"
