"""The tests of privacy can fail: each of these mistakes, made in a copy of the code, makes one of them fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MUTATIONS = [
    # The mechanism
    pytest.param("releases.py", "total + planned.noise.draw(total.size, words)", "total", "releases", id="no noise"),
    pytest.param(
        "releases.py",
        "planned.noise.draw(total.size, words)",
        "planned.noise.draw(1, words)",
        "releases",
        id="one noise for all values",
    ),
    pytest.param(
        "releases.py",
        "planned.noise.draw(total.size, words)",
        "planned.noise.draw(total.size, words) // 2",
        "releases",
        id="half the noise",
    ),
    pytest.param(
        "releases.py",
        "patient * int(np.count_nonzero(cell))",
        "round(int(np.count_nonzero(cell)) / grid)",
        "releases",
        id="counts rounded to a coarse grid",
    ),
    pytest.param("noise.py", "self.scale / self.grid)", "self.scale / self.grid * 0.98)", "noise", id="2 % less noise"),
    pytest.param("noise.py", "magnitude ^ -negative", "magnitude * (1 - 2 * negative)", "noise", id="zero twice"),
    pytest.param("noise.py", "CELL_BITS - bits - 1 - further", "-1 - further", "noise", id="too light a tail"),
    pytest.param(
        "noise.py", "np.minimum(likely, _BELOW_1)", "np.minimum(likely * 1e9, _BELOW_1)", "noise", id="nothing rejected"
    ),
    pytest.param(
        "keystream.py", "secrets.token_bytes(KEY_BYTES)", "bytes(KEY_BYTES)", "noise", id="a key that is known"
    ),
    pytest.param(
        "clipping.py", "np.minimum(1.0, bound", "np.minimum(1e9, bound", "clipping", id="short records made long"
    ),
    pytest.param("clipping.py", "bound * (1 - MARGIN) / length)", "np.inf)", "clipping", id="no clipping"),
    pytest.param("clipping.py", "(1 - MARGIN)", "(1 + MARGIN)", "clipping", id="clipping past the bound"),
    pytest.param("clipping.py", "parts[~counts] = 0.0", "pass", "clipping", id="NaN spoils the sum"),
    pytest.param("clipping.py", "family.target(y[rows])", "y[rows]", "clipping", id="any label"),
    pytest.param(
        "clipping.py",
        "_norms_of_factors(factor, norm)) * size",
        "np.abs(factor).max(axis=1)) * size",
        "clipping",
        id="each class clipped by itself",
    ),
    pytest.param(
        "clipping.py",
        "largest * _norms(factor / largest[:, None], norm)",
        "_norms(factor, norm)",
        "clipping",
        id="squares of small factors vanish",
    ),
    pytest.param(
        "clipping.py", "np.trunc(parts, out=parts)", "np.rint(parts, out=parts)", "clipping", id="rounding up"
    ),
    # Models beside logistic regression
    pytest.param(
        "clipping.py",
        "np.clip(residual, -LARGEST_RESIDUAL, LARGEST_RESIDUAL, out=residual)",
        "pass",
        "clipping",
        id="a number's residual without limit",
    ),
    pytest.param(
        "clipping.py",
        "_sum_of_multiples(z, one / grid, _counts(size, length))",
        "_sum_of_multiples(z, one / grid, np.ones(size.shape, np.bool_))",
        "clipping",
        id="a record that counts whatever it holds",
    ),
    pytest.param(
        "cells.py",
        "np.clip(losses(y, prediction, family), 0.0, Evaluation.of(family).largest_loss)",
        "losses(y, prediction, family)",
        "releases",
        id="a loss of any size",
    ),
    pytest.param(
        "releases.py", "return LOSS_WEIGHT / Evaluation", "return 8 / Evaluation", "releases", id="a dear loss"
    ),
    pytest.param("cells.py", "return [right, ~right]", "return [right, right | ~right]", "releases", id="in two cells"),
    pytest.param(
        "scores.py",
        "evaluation.largest_loss / LOSS_WEIGHT",
        "4.0 / LOSS_WEIGHT",
        "scores",
        id="losses of one model's unit in all bars",
    ),
    pytest.param(
        "cells.py", "told & ~np.isnan(family.target(y))", "told", "releases", id="a label of no class is scored"
    ),
    # The accounting
    pytest.param(
        "noise_plan.py", "sensitivity * sqrt(times) / mu", "sensitivity / mu", "noise_plan", id="no composition"
    ),
    pytest.param("noise_plan.py", "ask.rounds + ask.reserve", "ask.rounds", "noise_plan", id="no reserve"),
    pytest.param("noise_plan.py", "mu * sqrt(1 - share)", "mu", "noise_plan", id="a centre for nothing"),
    pytest.param(
        "noise_plan.py", "times * sensitivity / epsilon", "sensitivity / epsilon", "noise_plan", id="Laplace once"
    ),
    pytest.param("noise_plan.py", 'else "L1"', 'else "L2"', "noise_plan", id="Laplace noise on an L2 clip"),
    pytest.param(
        "gaussian.py", "gap = _mills(t) - _mills(t + mu)", "gap = _mills(t) / 2", "gaussian", id="a wrong delta"
    ),
    pytest.param("accounting.py", "times * event.mu**2", "times * event.mu", "accounting", id="mu added, not squares"),
    pytest.param(
        "accounting.py", "gaussian=times * event.mu**2", "gaussian=event.mu**2", "accounting", id="counted once"
    ),
    pytest.param("accounting.py", "4 * self.gaussian", "2 * self.gaussian", "accounting", id="replacing is too cheap"),
    pytest.param(
        "accounting.py", "self.pure + other.pure,", "self.pure,", "accounting", id="Laplace releases forgotten"
    ),
    # The ledger
    pytest.param("ledger.py", "run.made[kind] >= planned.times", "False", "ledger", id="release T + r + 1"),
    pytest.param("ledger.py", "known.opened.terms != terms", "False", "ledger", id="more rounds of a run"),
    pytest.param(
        "ledger.py",
        "if all(loss.within(budget.epsilon, budget.delta) for loss in totals):\n            return",
        "return",
        "ledger",
        id="no budget",
    ),
    pytest.param(
        "ledger.py", "            self.training += loss\n", "            pass\n", "ledger", id="training is free"
    ),
    pytest.param("ledger.py", "self.holdout += loss", "pass", "ledger", id="evaluations are free"),
    pytest.param("ledger.py", "if len(set(divisions)) < 2", "if True", "ledger", id="changing sides is free"),
    pytest.param(
        "ledger.py", "        self._require_no_exact_patient_is_moved(terms)\n", "", "ledger", id="exact, then trained"
    ),
    pytest.param("ledger.py", "last < witness.sequence", "False and last < 0", "ledger", id="rolled back"),
    pytest.param("ledger.py", "!= witness.head", '== "never"', "ledger", id="another ledger than was seen"),
    pytest.param(
        "ledger.py",
        "if not self.hashes:\n            raise DamagedLedger",
        "if False:\n            raise DamagedLedger",
        "ledger",
        id="a missing ledger",
    ),
    pytest.param("ledger.py", "ledger.cohort != cohort", "False", "ledger", id="another cohort's ledger"),
    pytest.param("entries.py", "    if rest:\n", "    if False:\n", "ledger", id="a torn line"),
    pytest.param("entries.py", "    if edited:\n", "    if False:\n", "ledger", id="an edited line"),
    pytest.param("entries.py", "entry.sequence > place.sequence", "False", "ledger", id="a missing line is not told"),
    pytest.param(
        "entries.py",
        "(self.sequence, self.previous) == (place.sequence, place.previous)",
        "self.sequence == place.sequence",
        "ledger",
        id="a line put in for another",
    ),
    # Statistics
    pytest.param(
        "statistics_release.py",
        'noised_sum("statistics", total, planned, words)',
        "total * planned.noise.grid",
        "statistics_release",
        id="statistics without noise",
    ),
    pytest.param(
        "statistics_release.py",
        "part.first * (weights.first / grid)",
        "part.first * (2 * weights.first / grid)",
        "statistics_release",
        id="a sum past its weight",
    ),
    pytest.param(
        "statistics_release.py",
        " / _by_value(Weights.of(axes.features), axes)",
        "",
        "statistics_release",
        id="statistics in another unit",
    ),
    pytest.param(
        "statistics_release.py",
        "planned.sensitivity < Weights.of(axes.features).sensitivity(axes.features, planned.norm)",
        "False",
        "statistics_release",
        id="more features than were paid for",
    ),
    pytest.param(
        "statistics_plan.py", " + self.bin**2)", ")", "statistics_release", id="a histogram that is not paid for"
    ),
    pytest.param(
        "statistics_plan.py",
        'weights.sensitivity(features, "L1")',
        'weights.sensitivity(features, "L2")',
        "statistics_release",
        id="Laplace noise on statistics' L2 norm",
    ),
    pytest.param(
        "statistics_release.py",
        'return noised_sum("statistics", total, planned, words) /',
        'noised, bins = noised_sum("statistics", total, planned, words), 1 + 2 * axes.features\n'
        "    noised[bins:] = total[bins:] * planned.noise.grid\n"
        "    return noised /",
        "statistics_release",
        id="a histogram without noise",
    ),
    pytest.param(
        "statistics_release.py",
        'return noised_sum("statistics", total, planned, words) /',
        'noised = noised_sum("statistics", total, planned, words)\n'
        "    noised[0] = total[0] * planned.noise.grid\n"
        "    return noised /",
        "statistics_release",
        id="a count without noise",
    ),
    pytest.param(
        "statistics_release.py",
        "int(weights.count / grid)",
        "int(2 * weights.count / grid)",
        "statistics_release",
        id="a count past its weight",
    ),
    pytest.param(
        "statistics_release.py",
        "sensitivity(axes.features, planned.norm)",
        'sensitivity(axes.features, "L2")',
        "statistics_release",
        id="Laplace noise for fewer features",
    ),
    pytest.param(
        "statistics_plan.py",
        "self.count**2 + features * (",
        "self.count**2 + (features - 1) * (",
        "statistics_release",
        id="one feature is free",
    ),
    pytest.param(
        "statistics_plan.py",
        "sqrt(self.count**2 + features",
        "sqrt(features",
        "statistics_release",
        id="a count that is not paid for",
    ),
    pytest.param(
        "statistics_plan.py",
        "self.count + features * (",
        "self.count + (",
        "statistics_release",
        id="Laplace noise for one feature",
    ),
    pytest.param(
        "noise_plan.py",
        'if each.kind != "evaluate")',
        'if each.kind in ("centre", "train"))',
        "statistics_release",
        id="statistics are free",
    ),
    pytest.param(
        "../statistics_sums.py",
        "np.bincount(np.clip(at, 0, self.bins - 1), minlength=self.bins)",
        "sum(np.bincount(np.clip(at - b, 0, self.bins - 1), minlength=self.bins) for b in (0, 1))",
        "statistics_release",
        id="a record in two bins",
    ),
    pytest.param(
        "../statistics_sums.py",
        "rows[np.logical_and.reduce(np.isfinite(rows), axis=1)]",
        "rows",
        "statistics_release",
        id="NaN in one feature spoils the others",
    ),
    pytest.param(
        "../statistics_sums.py",
        "np.logical_and.reduce",
        "np.logical_or.reduce",
        "statistics_release",
        id="a record with NaN counts in part",
    ),
    pytest.param(
        "../statistics_sums.py", "2.0 * np.square(v) - 1.0", "2.0 * np.square(v)", "statistics_release", id="up to 2"
    ),
    pytest.param(
        "../statistics_sums.py",
        "v = np.clip(2.0 * ((clipped - low) / (high - low)) - 1.0, -1.0, 1.0)",
        "v = 2.0 * ((rows - low) / (high - low)) - 1.0",
        "statistics_release",
        id="values beyond the bounds",
    ),
    pytest.param("../statistics.py", "* sqrt(hospitals)", "", "statistics", id="one hospital's noise in all bars"),
    pytest.param(
        "../statistics.py", "(1 if gaussian else sqrt(2))", "1", "statistics", id="Laplace noise in short bars"
    ),
    pytest.param(
        "../statistics.py",
        "np.sqrt((1 - q) ** 2 * k + q**2 * (bins - k))",
        "np.sqrt(q * (1 - q))",
        "statistics",
        id="quantiles of one bin's noise",
    ),
    # What the coordinator makes of it
    pytest.param(
        "dp_fedsgd.py",
        "[:, :-1] += l2 * w.reshape(family.outputs, -1)[:, :-1]",
        "[:] += l2 * w.reshape(family.outputs, -1)",
        "dp_fedsgd",
        id="intercept penalised",
    ),
    pytest.param("clipping.py", "(length > 0) & (size <= LARGEST)", "(length > 0)", "clipping", id="rows of any size"),
    pytest.param("dp_fedsgd.py", "iterates[len(iterates) // 2 :]", "list(iterates)", "dp_fedsgd", id="all iterates"),
    pytest.param("dp_fedsgd.py", "z[:, -1:] * np.asarray", "np.asarray", "dp_fedsgd", id="a centre that does not fold"),
    pytest.param("dp_fedsgd.py", "z[~usable] = np.nan", "pass", "dp_fedsgd", id="unusable rows as zeros"),
]


@pytest.mark.real
@pytest.mark.parametrize(("module", "right", "wrong", "tests"), MUTATIONS)
def test_a_mistake_is_caught(
    module: str, right: str, wrong: str, tests: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    root = pytestconfig.rootpath
    shutil.copytree(root / "core", tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__"))
    mutated = tmp_path / "core" / "consilia" / "privacy" / module
    text = mutated.read_text("utf-8")
    assert text.count(right) == 1, "the code has changed: so must this mutation"
    mutated.write_text(text.replace(right, wrong), "utf-8")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not real",
            *(str(path) for path in (root / "tests" / "core").rglob(f"test_{tests}.py")),
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "core"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout[-2000:]
