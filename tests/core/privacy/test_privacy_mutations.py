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
    pytest.param("entries.py", "or entry.previous != place.previous", "", "ledger", id="a line put in for another"),
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
            f"tests/core/privacy/test_{tests}.py",
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "core"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout[-2000:]
