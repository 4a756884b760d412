"""The text that Prometheus reads (format 0.0.4), read here by the format's own grammar."""

import re

import pytest

from consilia.status import (
    FeatureStatistics,
    FederationStatus,
    HospitalStatus,
    LedgerState,
    MetricErrors,
    Metrics,
    PrivacyStatus,
    StatisticErrors,
)
from consilia_coordinator.exposition import exposition

STATUS = FederationStatus(
    run=2,
    round=3,
    rounds=10,
    quorum=2,
    connected=1,
    seconds_per_round=0.0123,
    metrics=Metrics(accuracy=0.97, loss=0.08, precision=0.9, recall=0.95, auc=0.99),
    hospitals=[HospitalStatus(name="north", accuracy=1.0, loss=1e-7), HospitalStatus(name="south")],
)
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="[^"\\\n]*",?)*)\} (\S+)')


def read(text: str) -> dict[tuple[str, str], float]:
    """Value by (name, labels); fails on anything that is not the format."""
    samples: dict[tuple[str, str], float] = {}
    described: set[str] = set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert kind == "gauge"
            assert name not in described
            described.add(name)
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in described
            assert (match[1], match[2]) not in samples
            samples[match[1], match[2]] = float(match[3])
    return samples


FEDERATION = 'federation="consortium/breast-cancer"'


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("consilia_round", FEDERATION, 3),
        ("consilia_rounds_target", FEDERATION, 10),
        ("consilia_run", FEDERATION, 2),
        ("consilia_hospitals_connected", FEDERATION, 1),
        ("consilia_quorum", FEDERATION, 2),
        ("consilia_private", FEDERATION, 0),
        ("consilia_round_seconds", FEDERATION, 0.0123),
        ("consilia_accuracy", f'{FEDERATION},on="public"', 0.97),
        ("consilia_accuracy", f'{FEDERATION},on="north"', 1.0),
        ("consilia_loss", f'{FEDERATION},on="north"', 1e-7),
    ],
)
def test_prometheus_reads_each_number(name: str, labels: str, value: float) -> None:
    assert read(exposition("consortium/breast-cancer", STATUS))[name, labels] == value


def test_a_score_that_nobody_has_is_no_sample() -> None:
    samples = read(exposition("consortium/breast-cancer", STATUS))
    assert ("consilia_auc", f'{FEDERATION},on="public"') in samples
    assert not [
        labels for name, labels in samples if "south" in labels or (name == "consilia_auc" and "north" in labels)
    ]


def test_before_anything_happened_it_is_well_formed_and_without_scores() -> None:
    samples = read(exposition("default/f", FederationStatus()))
    assert not [name for name, _ in samples if name.removeprefix("consilia_") in Metrics.model_fields]
    assert samples["consilia_round", 'federation="default/f"'] == 0


LEDGER = LedgerState(
    sequence=3, head="ab" * 32, spent=1.5, remaining=2.25, budget=4.0, delta=1e-5, run_spent=0.75, run_replacing=1.6
)
PRIVATE = FederationStatus(
    private=True,
    privacy=PrivacyStatus(epsilon=1.0, delta=1e-5, epsilon_spent=0.75),
    hospitals=[
        HospitalStatus(name="north", accuracy=0.9, errors=MetricErrors(accuracy=0.04), ledger=LEDGER),
        HospitalStatus(name="south"),
    ],
)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("consilia_private", FEDERATION, 1),
        ("consilia_epsilon_asked", FEDERATION, 1.0),
        ("consilia_delta_asked", FEDERATION, 1e-5),
        ("consilia_epsilon_spent", f'{FEDERATION},hospital="north"', 0.75),
        ("consilia_budget_epsilon", f'{FEDERATION},hospital="north"', 4.0),
        ("consilia_budget_epsilon_spent", f'{FEDERATION},hospital="north"', 1.5),
        ("consilia_budget_epsilon_remaining", f'{FEDERATION},hospital="north"', 2.25),
        ("consilia_accuracy_error", f'{FEDERATION},on="north"', 0.04),
    ],
)
def test_prometheus_reads_what_a_private_run_costs_and_leaves(name: str, labels: str, value: float) -> None:
    samples = read(exposition("consortium/breast-cancer", PRIVATE))
    assert samples[name, labels] == value
    assert not [labels for _, labels in samples if "south" in labels]


def test_without_noise_there_is_no_epsilon() -> None:
    samples = read(exposition("consortium/breast-cancer", STATUS))
    assert not [name for name, _ in samples if "epsilon" in name or "delta" in name or "error" in name]


def test_of_a_statistics_run_whoever_needs_no_token_reads_what_it_costs_and_not_what_it_found() -> None:
    found = FeatureStatistics(name="age", count=400.5, mean=61.0, errors=StatisticErrors(count=33.0, mean=1.5))
    survey = PRIVATE.model_copy(update={"task": "Statistics", "round": 1, "rounds": 1, "statistics": [found]})
    samples = read(exposition("consortium/survey", survey))
    of_run = 'federation="consortium/survey"'
    assert (samples["consilia_round", of_run], samples["consilia_rounds_target", of_run]) == (1, 1)
    assert samples["consilia_epsilon_spent", f'{of_run},hospital="north"'] == 0.75
    assert not {400.5, 61.0, 33.0} & set(samples.values())
    assert not [name for name, labels in samples if "age" in labels]
