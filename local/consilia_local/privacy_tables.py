"""What a run promises, costs and leaves, as rich draws it before anything runs. Pure."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from consilia.epsilons import asked, remaining, rounded_up, small, spent
from consilia.model import Family, family_of
from consilia.privacy.accounting import Loss
from consilia.privacy.dp_fedsgd import step_size
from consilia.privacy.noise_plan import NoisePlan, Plan, Planned
from consilia.privacy.scores import expected_bar
from consilia.privacy.statistics_plan import StatisticsPlan
from consilia.protocol import PrivacyTerms
from consilia.spec import FederationSpec
from consilia.statistics import NOISIEST_MEAN, Deviations, middle_mean_error
from consilia.wording import NON_PRIVATE, counted
from consilia_local.admission import Admission
from consilia_local.tables import inert
from consilia_local.wording import ABSENT, HIDDEN

PATIENTS = (20, 50, 100, 500)
"""Sizes of a holdout for which the noise's part in its first score is told."""
SURVEYED = (500, 5_000, 50_000, 500_000)
"""Patients of all hospitals together, for whom the noise's part in statistics is told."""
TYPICAL = 0.95
"""The accuracy at which error bars are told beforehand."""
COMPOSED = (
    "Remaining: the most that one more run may ask for. Epsilons of several runs compose to less than their sum, so "
    "that more remains than the difference."
)


def plan_view(
    spec: FederationSpec, terms: PrivacyTerms | None, refusals: Mapping[str, str], admissions: Sequence[Admission]
) -> RenderableType:
    """The promise, each kind of release, what scores will be worth, and every hospital's budget.

    ``terms`` are None for a NON-PRIVATE run, in which ``refusals`` are the sentences of those who take no part.
    """
    if terms is None:
        return _non_private(spec, refusals)
    if terms.statistics is not None:
        return _statistics_view(terms.statistics_plan(), terms, admissions)
    noised = [each.hospital for each in admissions if not each.exact]
    exact = [each.hospital for each in admissions if each.exact]
    plan, family = terms.plan(noised_holdout=bool(noised)), family_of(spec.model, spec.features)
    parts: list[RenderableType] = [_promise(plan), Text(), _releases(plan), Text(), _step(plan, family), Text()]
    if plan.evaluate is not None:
        told = f"Scores of holdout patients leave once, at the end, with noise: {', '.join(noised)}."
        parts += [_paragraph(told), Text(), _error_bars(plan.evaluate, family), Text()]
    if exact:
        told = (
            f"Scores of holdout patients leave exact, outside of the promise: {', '.join(exact)}. There the promise "
            "covers the training patients only."
        )
        parts += [_paragraph(told), Text()]
    return Group(*parts, _budgets(terms, admissions), Text(), _paragraph(COMPOSED), *_refusals(admissions))


def _statistics_view(plan: StatisticsPlan, terms: PrivacyTerms, admissions: Sequence[Admission]) -> RenderableType:
    told = (
        "One release a hospital, of the sums over its training patients: their number, and of each feature two moments "
        "and a histogram. A retry gets the same bytes, for nothing."
    )
    parts = [_promise(plan), Text(), _releases(plan), Text(), _paragraph(told), Text()]
    parts += [_statistics_bars(Deviations.of(plan.statistics, terms.statistics or 1, terms.hospitals)), Text()]
    return Group(*parts, _budgets(terms, admissions), Text(), _paragraph(COMPOSED), *_refusals(admissions))


def _statistics_bars(noise: Deviations) -> Table:
    """What the noise will do, for so many patients in all hospitals together."""
    table = _table("training patients of all", *(f"{patients:,}" for patients in SURVEYED))
    bar = noise.quantile
    table.add_row("  count, 95 % of the time", *(f"± {bar * noise.count:.0f}" for _ in SURVEYED))
    table.add_row("  a bin of a histogram", *(f"± {bar * noise.bin:.0f}" for _ in SURVEYED))
    errors = [middle_mean_error(noise, patients) for patients in SURVEYED]
    table.add_row("  a mean, of its bounds' width", *(f"± {100 * error:.2g} %" for error in errors))
    table.add_row("  which is", *("told" if error <= NOISIEST_MEAN else HIDDEN for error in errors))
    return table


def _non_private(spec: FederationSpec, refusals: Mapping[str, str]) -> RenderableType:
    table = _table("hospital", "cohort", "takes part")
    for hospital in sorted(spec.hospitals, key=lambda each: each.name):
        table.add_row(
            inert(f"  {hospital.name}"), inert(str(hospital.cohort)), "no" if hospital.name in refusals else "yes"
        )
    return Group(
        _paragraph(
            f"{NON_PRIVATE}: nothing that hospitals send carries noise, and it can tell about single patients. Nothing "
            "is promised to them, and nothing is drawn from a budget."
        ),
        Text(),
        table,
        *(_told(name, sentence) for name, sentence in refusals.items()),
    )


def _promise(plan: Plan) -> RenderableType:
    ask = plan.ask
    return _paragraph(
        f"Whatever a hospital sends in this run tells of any one patient no more than epsilon {asked(ask.epsilon)} at "
        f"delta {small(ask.delta)} allows: with that record, or without it. For a record that is replaced by another "
        f"one, epsilon is {_cost(plan.replacing)}."
    )


def _releases(plan: Plan) -> Table:
    scale = "sigma" if plan.ask.mechanism == "Gaussian" else "scale"
    table = _table("release", "at most", "sensitivity", scale, "mu each", "mu in all", "epsilon", "if replaced")
    delta = plan.ask.delta
    for planned in plan.planned.values():
        if planned.kind != "evaluate":
            _add_release(table, planned, delta)
    _add_total(table, "a training patient", plan.training_loss, delta)
    evaluate = plan.planned.get("evaluate")
    if evaluate is not None:
        _add_release(table, evaluate, delta)
        _add_total(table, "a holdout patient", plan.holdout_loss, delta)
    return table


def _add_release(table: Table, planned: Planned, delta: float) -> None:
    each, loss = Loss.of(planned.event), planned.loss
    table.add_row(
        f"  {planned.kind}",
        str(planned.times),
        f"{planned.sensitivity:.4g}",
        f"{planned.noise.scale:.4g}",
        _mu(each),
        _mu(loss),
        _cost(loss.epsilon(delta)),
        _cost(loss.replacing(delta)),
    )


def _add_total(table: Table, who: str, loss: Loss, delta: float) -> None:
    told = (_mu(loss), _cost(loss.epsilon(delta)), _cost(loss.replacing(delta)))
    table.add_row(f"  {who}", "", "", "", "", *told, style="bold")


def _mu(loss: Loss) -> str:
    return f"{loss.mu:.4g}" if loss.pure == 0 else ABSENT


def _cost(epsilon: float) -> str:
    """What a loss is, to three digits, never too little; infinite above 10,000."""
    return f"{rounded_up(epsilon, 3):g}"


def _step(plan: NoisePlan, family: Family) -> RenderableType:
    ask = plan.ask
    return _paragraph(
        f"Step size {step_size(plan, family):.3g}, of public numbers alone: "
        f"{counted(ask.nominal_rows, 'nominal row')}, {counted(ask.rounds, 'round')} and {ask.reserve} in reserve, "
        f"{counted(ask.hospitals, 'hospital')}, clip norm {ask.clip:g}."
    )


def _error_bars(evaluate: Planned, family: Family) -> Table:
    table = _table("patients in the holdout", *(str(patients) for patients in PATIENTS))
    bars = [expected_bar(evaluate, patients, TYPICAL, family) for patients in PATIENTS]
    shown = [f"± {100 * bar.error:.0f} %" if bar.score == "accuracy" else f"± {bar.error:.2g}" for bar in bars]
    table.add_row(f"  {bars[0].score}, 95 % of the time", *shown)
    table.add_row("  which is", *("told" if bar.told else HIDDEN for bar in bars))
    return table


def _budgets(terms: PrivacyTerms, admissions: Sequence[Admission]) -> Table:
    table = _table("hospital", "cohort", "budget", "spent", "remaining", "after this run", "admitted")
    for each in admissions:
        budget = each.budget
        at = "" if budget is None or budget.delta == terms.delta else f" (delta {small(budget.delta)})"
        table.add_row(
            inert(f"  {each.hospital}"),
            inert(each.cohort),
            ABSENT if budget is None else f"{asked(budget.epsilon)}{at}",
            ABSENT if each.spent is None else spent(each.spent),
            ABSENT if each.remaining is None else remaining(each.remaining),
            ABSENT if each.after is None else remaining(each.after),
            "yes" if each.refusal is None else "no",
        )
    return table


def _refusals(admissions: Sequence[Admission]) -> list[RenderableType]:
    return [_told(each.hospital, each.refusal) for each in admissions if each.refusal is not None]


def _told(hospital: str, sentence: str) -> RenderableType:
    return _paragraph(f"{hospital}: {sentence}", "yellow")


def _paragraph(text: str, style: str = "") -> RenderableType:
    return Padding(inert(text, style), (0, 0, 0, 2))


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(f"  {first}", no_wrap=True)
    for name in others:
        table.add_column(
            name, justify="left" if name in ("cohort", "admitted", "takes part") else "right", no_wrap=True
        )
    return table
