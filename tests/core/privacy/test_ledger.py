"""The ledger's rules: what is admitted, what is spent, and that nobody can spend more."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia.errors import BudgetExceeded, DamagedLedger, IllegalEvent, InvalidPrivacy
from consilia.privacy.accounting import GaussianRelease, Loss
from consilia.privacy.entries import AnyEntry, Released, Terms, decode, encode
from consilia.privacy.gaussian import epsilon_of, mu_of
from consilia.privacy.ledger import Answer, Budget, Ledger, Witness
from consilia.privacy.noise_plan import Ask, Kind, NoisePlan

AT = "2026-11-24T12:00:00.000Z"
COHORT = "north/north-2024"
SOURCE = "ledger of north-2024"
DELTA = 1e-5
BUDGET = Budget(4.0, DELTA)
ASK = Ask(epsilon=1.0, delta=DELTA, clip=1.0, rounds=3, hospitals=2, nominal_rows=400)
DIVISION = "north/north-2024 0.2"
DIGEST = "ab" * 32


def terms(division: str = DIVISION, **changes: object) -> Terms:
    return Terms.of(NoisePlan.of(replace(ASK, **changes)), division)  # type: ignore[arg-type]


def fresh() -> Ledger:
    ledger = Ledger()
    ledger.append(ledger.create(COHORT, DIGEST, AT))
    return ledger


def opened(ledger: Ledger, run: int = 1, budget: Budget = BUDGET, federation: str = "uid-1", **changes: object) -> None:
    entry = ledger.open_run(federation, "tumours", run, terms(**changes), budget, AT)  # type: ignore[arg-type]
    if entry is not None:
        ledger.append(entry)


def answer(run: int = 1, number: int = 1, federation: str = "uid-1") -> Answer:
    return Answer(federation, run, number, 1, DIGEST, f"{number:064x}", f"{number + 4096:064x}")


def released(
    ledger: Ledger,
    kind: Kind = "train",
    times: int = 1,
    run: int = 1,
    budget: Budget = BUDGET,
    federation: str = "uid-1",
) -> None:
    for number in range(times):
        ledger.append(ledger.release(kind, answer(run, number, federation), budget, AT))


def trained(ledger: Ledger, run: int = 1, budget: Budget = BUDGET) -> None:
    """Everything that a run of these terms sends of its training patients: a centre, and 3 + 2 sums."""
    released(ledger, "centre", run=run, budget=budget)
    released(ledger, times=5, run=run, budget=budget)


def a_whole_run(ledger: Ledger, run: int = 1, **changes: object) -> None:
    opened(ledger, run, **changes)
    trained(ledger, run)
    if changes.get("noised_holdout", True):
        released(ledger, "evaluate", run=run)


def test_a_run_spends_what_it_asked_for_when_all_of_its_plan_was_sent() -> None:
    ledger = fresh()
    a_whole_run(ledger)
    assert ledger.spent(DELTA) == pytest.approx(1.0, rel=1e-9)
    assert ledger.spent(DELTA) <= 1.0
    assert ledger.spent_replacing(DELTA) == pytest.approx(2.1547, abs=1e-4)


def test_admission_and_the_rest_of_a_plan_spend_nothing() -> None:
    ledger = fresh()
    opened(ledger)
    assert ledger.spent(DELTA) == 0.0
    released(ledger, times=2)
    assert ledger.spent(DELTA) == pytest.approx(epsilon_of(mu_of(1.0, DELTA) * (0.9 * 2 / 5) ** 0.5, DELTA), rel=1e-9)


def test_a_budget_of_one_run_holds_one_run_and_no_second() -> None:
    ledger, budget = fresh(), Budget(1.0, DELTA)
    opened(ledger, budget=budget)
    trained(ledger, budget=budget)
    released(ledger, "evaluate", budget=budget)
    with pytest.raises(BudgetExceeded, match="run 2 of federation tumours asks for epsilon 1"):
        opened(ledger, run=2, budget=budget)


def test_release_t_plus_r_plus_one_is_refused() -> None:
    ledger = fresh()
    opened(ledger)
    released(ledger, times=3 + 2)
    with pytest.raises(BudgetExceeded, match="run 1 of federation tumours has made 5 train releases and"):
        released(ledger)
    assert ledger.spent(DELTA) <= 1.0


def test_a_second_evaluation_and_a_centre_that_was_not_planned_are_refused() -> None:
    ledger = fresh()
    opened(ledger, epsilon=0.5)
    released(ledger, "evaluate")
    with pytest.raises(BudgetExceeded, match="has made 1 evaluate release and"):
        released(ledger, "evaluate")
    with pytest.raises(BudgetExceeded, match="has made 0 centre releases and"):
        released(ledger, "centre")


def test_more_rounds_of_a_run_that_began_are_refused_and_the_same_ones_are_not() -> None:
    ledger = fresh()
    opened(ledger)
    assert ledger.open_run("uid-1", "tumours", 1, terms(), BUDGET, AT) is None
    with pytest.raises(BudgetExceeded, match=r"5 x train.*calibrated for that; for .* 12 x train.* start a new run"):
        opened(ledger, rounds=10)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"run": 2}, id="a new run"),
        pytest.param({"federation": "uid-2"}, id="a federation made again, or renamed"),
    ],
)
def test_whatever_asks_draws_on_the_same_budget(change: dict[str, object]) -> None:
    ledger, budget = fresh(), Budget(1.2, DELTA)
    opened(ledger, budget=budget)
    trained(ledger, budget=budget)
    with pytest.raises(BudgetExceeded, match=r"epsilon 1.2 at delta 1e-5, for its whole life. 1 is spent"):
        opened(ledger, budget=budget, **change)  # type: ignore[arg-type]


def test_the_refusal_says_what_still_fits_and_that_is_admitted() -> None:
    ledger, budget = fresh(), Budget(1.2, DELTA)
    opened(ledger, budget=budget)
    trained(ledger, budget=budget)
    with pytest.raises(
        BudgetExceeded, match=r"ask for epsilon 0\.[0-9]+ or less, or have the hospital raise"
    ) as refusal:
        opened(ledger, run=2, budget=budget)
    fits = float(str(refusal.value).split("ask for epsilon ")[1].split(" ")[0])
    assert 0.5 < fits < 1.0, "losses compose to less than their sum: more than 0.2 is left"
    opened(ledger, run=2, budget=budget, epsilon=fits)
    with pytest.raises(BudgetExceeded):
        opened(ledger, run=3, budget=budget, epsilon=fits * 1.01)


def test_nothing_is_left_of_a_budget_that_is_spent() -> None:
    ledger = fresh()
    opened(ledger, epsilon=1.0)
    trained(ledger)
    assert ledger.remaining(Budget(1.0, DELTA), DELTA) == pytest.approx(0.0, abs=1e-4)
    assert ledger.remaining(Budget(0.5, DELTA), DELTA) == 0.0
    with pytest.raises(BudgetExceeded, match="fits: have the hospital raise the cohort's budget"):
        opened(ledger, run=2, budget=Budget(0.5, DELTA))


def test_a_release_is_refused_where_another_run_has_spent_what_it_needs() -> None:
    """Two runs that fit one by one and not together: the later releases are refused, and never overspend."""
    ledger, budget = fresh(), Budget(1.2, DELTA)
    opened(ledger, budget=budget)
    opened(ledger, run=2, budget=budget)
    trained(ledger, budget=budget)
    with pytest.raises(BudgetExceeded, match=r"of kind [a-z]+ of run 2 of federation tumours"):
        trained(ledger, run=2, budget=budget)
    assert ledger.spent(DELTA) <= 1.2


def test_a_patient_pays_for_training_or_for_the_holdout_and_not_for_both() -> None:
    ledger = fresh()
    a_whole_run(ledger)
    assert ledger.spent(DELTA) == max(ledger.training.epsilon(DELTA), ledger.holdout.epsilon(DELTA))


def test_a_patient_who_may_have_changed_sides_pays_for_both() -> None:
    ledger = fresh()
    a_whole_run(ledger)
    opened(ledger, run=2, division="north/north-2024 0.3")
    assert ledger.spent(DELTA) == pytest.approx((ledger.training + ledger.holdout).epsilon(DELTA))
    assert ledger.spent(DELTA) > 1.3


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False)], ids=["exact first", "noised first"])
def test_patients_scored_exactly_are_never_moved_into_training(first: bool, second: bool) -> None:
    ledger = fresh()
    opened(ledger, noised_holdout=first)
    with pytest.raises(InvalidPrivacy, match="keep its holdout, its kind of source and"):
        opened(ledger, run=2, division="north/north-2024 0.3", noised_holdout=second)


@given(
    st.lists(st.tuples(st.floats(0.05, 3), st.integers(1, 10), st.booleans(), st.sampled_from(["a", "b"])), max_size=8),
    st.floats(0.5, 5),
)
def test_no_order_of_runs_overspends(runs: list[tuple[float, int, bool, str]], epsilon: float) -> None:
    ledger, budget = fresh(), Budget(epsilon, DELTA)
    for number, (asked, rounds, laplace, division) in enumerate(runs, start=1):
        mechanism = "Laplace" if laplace else "Gaussian"
        try:
            opened(ledger, number, budget, epsilon=asked, rounds=rounds, mechanism=mechanism, division=division)
            for kind, planned in ledger.runs["uid-1", number].opened.terms.planned.items():
                released(ledger, kind, planned.times + 1, number, budget)
        except BudgetExceeded:
            pass
    assert ledger.spent(DELTA) <= epsilon * (1 + 1e-9)


def test_the_budgets_delta_decides_whatever_delta_a_run_asks_with() -> None:
    ledger = fresh()
    opened(ledger, delta=1e-9)
    trained(ledger)
    mu = mu_of(1.0, 1e-9)
    assert ledger.spent(DELTA) == pytest.approx(epsilon_of(mu, DELTA), rel=1e-9)


def test_a_release_of_a_run_that_was_not_admitted_is_refused() -> None:
    with pytest.raises(IllegalEvent, match="run 1 of federation uid-1 is not in the ledger"):
        released(fresh())


def test_nothing_is_admitted_before_the_first_line() -> None:
    with pytest.raises(IllegalEvent, match="create it first"):
        opened(Ledger())
    with pytest.raises(IllegalEvent, match="there already"):
        fresh().create(COHORT, DIGEST, AT)


def test_asking_changes_nothing_until_the_line_is_on_the_disk() -> None:
    ledger = fresh()
    opened(ledger)
    entry = ledger.release("train", answer(), BUDGET, AT)
    assert ledger.spent(DELTA) == 0.0
    assert ledger.release("train", answer(), BUDGET, AT) == entry


def test_the_same_order_finds_the_bytes_that_may_be_sent_again() -> None:
    ledger = fresh()
    opened(ledger)
    assert ledger.release_of(answer().order) is None
    ledger.append(ledger.release("train", answer(), BUDGET, AT))
    found = ledger.release_of(answer().order)
    assert found is not None
    assert found.message == answer().message


def test_an_entry_written_twice_or_for_another_place_is_refused() -> None:
    ledger = fresh()
    opened(ledger)
    entry = ledger.release("train", answer(), BUDGET, AT)
    ledger.append(entry)
    with pytest.raises(DamagedLedger, match="does not follow"):
        ledger.append(entry)


# The file


def entries() -> list[AnyEntry]:
    ledger = Ledger()
    found: list[AnyEntry] = []

    def add(entry: AnyEntry | None) -> None:
        assert entry is not None
        ledger.append(entry)
        found.append(entry)

    add(ledger.create(COHORT, DIGEST, AT))
    add(ledger.open_run("uid-1", "tumours", 1, terms(), BUDGET, AT))
    for number in range(3):
        add(ledger.release("train", answer(number=number), BUDGET, AT))
    add(ledger.release("evaluate", answer(number=9), BUDGET, AT))
    return found


ENTRIES = entries()
LINES = [encode(entry) for entry in ENTRIES]
WHOLE = b"".join(LINES)
LAST = Witness(len(LINES) - 1, ENTRIES[-1].hash)


def read(lines: bytes | None, witness: Witness | None = LAST, cohort: str = COHORT) -> Ledger:
    return Ledger.read(lines, SOURCE, cohort, witness)


def test_a_ledger_comes_back_as_it_was_written() -> None:
    assert decode(WHOLE, SOURCE) == ENTRIES
    ledger = read(WHOLE)
    assert ledger.witness == LAST
    assert ledger.runs["uid-1", 1].made == {"train": 3, "evaluate": 1}


def test_a_line_says_everything_about_a_release() -> None:
    release = ENTRIES[-1]
    assert isinstance(release, Released)
    assert LINES[-1].count(b"\n") == 1
    for name in ("sequence", "previous", "hash", "at", "federation", "run", "round", "attempt", "kind", "mechanism"):
        assert f'"{name}":'.encode() in LINES[-1]
    for name in ("sensitivity", "scale", "relation", "participants", "order", "message", "share"):
        assert f'"{name}":'.encode() in LINES[-1]


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, by: int) -> None:
    edited = bytearray(WHOLE)
    edited[at] ^= by
    with pytest.raises(DamagedLedger, match=SOURCE):
        read(bytes(edited))


@given(st.integers(1, len(WHOLE) - 1))
def test_a_file_cut_anywhere_is_refused(end: int) -> None:
    with pytest.raises(DamagedLedger, match=r"is torn|was rolled back"):
        read(WHOLE[:end])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(WHOLE[:-1], "line 6 is torn", id="the last line without its end"),
        pytest.param(WHOLE + b'{"at":', "line 7 is torn", id="killed while writing"),
        pytest.param(WHOLE + b"\n", "line 7 is edited", id="an empty line"),
        pytest.param(WHOLE.replace(b'"round":1', b'"round":2'), "line 4 is edited", id="a number changed"),
        pytest.param(b"".join(LINES[:2] + LINES[3:]), "line 3 has sequence 3, where 2 is due", id="a line removed"),
        pytest.param(b"".join(LINES[1:]), "line 1 has sequence 1, where 0 is due", id="the first line removed"),
        pytest.param(b"".join([*LINES, LINES[-1]]), "line 7 does not follow", id="a line written twice"),
        pytest.param(b"".join([LINES[0], LINES[0]]), "line 2 does not follow", id="two first lines"),
        pytest.param(WHOLE.replace(b"\n", b" \n"), "line 1 is edited", id="written otherwise"),
    ],
)
def test_damage_is_told_by_its_line(lines: bytes, said: str) -> None:
    with pytest.raises(DamagedLedger, match=said):
        read(lines, None)


def test_a_line_put_in_for_another_with_a_right_hash_of_its_own_is_told_by_the_next() -> None:
    forged = encode(ENTRIES[3].model_copy(update={"at": "2020-01-01T00:00:00.000Z"}))
    with pytest.raises(DamagedLedger, match="line 5 does not follow the line before it"):
        read(b"".join([*LINES[:3], forged, *LINES[4:]]), None)


def test_an_entry_of_a_newer_version_is_refused_and_never_skipped() -> None:
    entry = ENTRIES[-1]
    assert isinstance(entry, Released)
    line = encode(entry.model_copy(update={"relation": "replace-one"}))
    with pytest.raises(DamagedLedger, match="line 6 holds an entry that this version does not know"):
        read(b"".join([*LINES[:-1], line]))


def test_whole_lines_missing_from_the_end_are_told_by_the_witness() -> None:
    rolled_back = b"".join(LINES[:-1])
    assert read(rolled_back, None).witness.sequence == 4
    with pytest.raises(
        DamagedLedger, match="ends with entry 4, and entry 5 of it was seen elsewhere: it was rolled back"
    ):
        read(rolled_back)


def test_a_ledger_rolled_back_that_went_on_is_told_by_the_witness() -> None:
    ledger = read(b"".join(LINES[:-1]), None)
    other = ledger.release("train", answer(number=77), BUDGET, AT)
    with pytest.raises(DamagedLedger, match="has another entry 5 than was seen elsewhere"):
        read(b"".join([*LINES[:-1], encode(other)]))


def test_a_ledger_ahead_of_its_witness_is_the_newest_and_used() -> None:
    assert read(WHOLE, Witness(2, ENTRIES[2].hash)).witness == LAST


def test_a_missing_ledger_that_was_seen_is_refused_and_one_never_seen_is_begun() -> None:
    with pytest.raises(DamagedLedger, match="is missing, and entry 5 of it was seen elsewhere"):
        read(None)
    assert read(None, None).create(COHORT, DIGEST, AT).sequence == 0


def test_the_ledger_of_another_cohort_is_refused() -> None:
    with pytest.raises(DamagedLedger, match="is of cohort north/north-2024, not of south/south-2024"):
        read(WHOLE, None, "south/south-2024")


def test_a_torn_end_that_is_removed_leaves_the_ledger_that_was_seen() -> None:
    """Nothing of a torn line was sent, so the witness is never in it."""
    torn = WHOLE + encode(read(WHOLE).release("train", answer(number=50), BUDGET, AT))[:40]
    with pytest.raises(DamagedLedger, match="line 7 is torn"):
        read(torn)
    assert read(torn[: torn.rindex(b"\n") + 1]).witness == LAST


def test_totals_are_computed_from_what_the_file_says() -> None:
    train = terms().planned["train"]
    assert read(WHOLE).training == Loss.sum([Loss.of(GaussianRelease(1.0, train.noise.scale))] * 3)
