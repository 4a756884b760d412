"""What a real API server says to our resources: accepted, shown, explained, or refused with a sentence."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders import changed, cohort_document, federation_document
from cluster.api_server import ApiServer, api_server, apply_definitions
from consilia.admission import MOST_COMPARED
from consilia.manifest import parse
from consilia.spec import Cohort, Federation
from consilia.status import (
    CohortStatus,
    Condition,
    CountedBudget,
    FederationStatus,
    HospitalStatus,
    LedgerState,
    LedgerWitness,
    MetricErrors,
    Metrics,
    PrivacyStatus,
)
from consilia_operator.cohort_view import cohort_status
from deadline import eventually
from invalid_manifests import CORPUS, InvalidManifest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "breast-cancer.yaml"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that knows our resources."""
    with api_server(tmp_path_factory.mktemp("api-server")) as started:
        apply_definitions(started, ROOT / "crds")
        yield started


def create(server: ApiServer, document: dict[str, Any], *flags: str) -> dict[str, Any]:
    """Create an object, and give it back as the server has it."""
    made = server.kubectl("create", "--filename=-", "--output=json", *flags, stdin=json.dumps(document))
    stored: dict[str, Any] = json.loads(made)
    return stored


def private_document(**spec: Any) -> dict[str, Any]:
    """A private Federation, with what noise needs."""
    features = federation_document()["spec"]["features"] | {"nominalRows": 400}
    return federation_document(**{"features": features, "privacy": {"epsilon": 1}} | spec)


def rows(table: str) -> list[list[str]]:
    """The cells of what ``kubectl get`` prints."""
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]


def words(text: str) -> str:
    """Without the lines that kubectl breaks it into."""
    return " ".join(text.split())


@pytest.mark.parametrize("manifest", CORPUS, ids=str)
def test_an_invalid_manifest_is_refused_with_its_sentence(server: ApiServer, manifest: InvalidManifest) -> None:
    answer = server.run("kubectl", "create", "--dry-run=server", "--filename", manifest.path)
    assert answer.returncode != 0
    assert manifest.on_a_cluster in answer.stderr


def test_the_example_is_accepted_and_is_the_same_document_as_here(server: ApiServer) -> None:
    manifest = parse(EXAMPLE.read_text(), EXAMPLE.name)
    created = json.loads(server.kubectl("apply", "--dry-run=server", "--output=json", "--filename", EXAMPLE))["items"]
    documents = {(each["kind"], each["metadata"]["name"]): each for each in created}
    for ours in (*manifest.federations, *manifest.cohorts.values()):
        theirs = type(ours).model_validate(documents.pop((ours.kind, ours.metadata.name)))
        assert theirs.spec == ours.spec
    assert not documents


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        pytest.param(Federation, federation_document(), id="federation"),
        pytest.param(Federation, private_document(), id="private federation"),
        pytest.param(Federation, private_document(algorithm={"dpFedSGD": {}}), id="its algorithm named"),
        pytest.param(Cohort, cohort_document(), id="cohort"),
        pytest.param(Cohort, cohort_document(budget={"epsilon": 4}), id="cohort with a budget"),
        pytest.param(
            Cohort,
            cohort_document(
                source={"csv": {"path": "exports/2024", "claim": "exports"}},
                mapping={"columns": [{"name": "mean radius", "column": "r", "unit": "cm"}]},
                engine="spark",
                spark={"executors": 1, "maxExecutors": 4},
                egress=[{"cidr": "10.0.0.7/32", "ports": [5432]}, {"namespace": "storage", "ports": [9000]}],
            ),
            id="files, Spark and ways out",
        ),
        pytest.param(
            Cohort,
            cohort_document(
                source={
                    "jdbc": {
                        "url": "jdbc:postgresql://db.example:5432/clinic",
                        "query": "SELECT * FROM biopsies",
                        "partitionColumn": "id",
                        "lowerBound": 0,
                        "upperBound": 1_000_000,
                        "partitions": 8,
                    },
                    "credentials": "warehouse",
                },
                engine="spark",
            ),
            id="a database read in parts",
        ),
        pytest.param(
            Cohort,
            cohort_document(source={"omop": {"url": "sqlite:///cdm.db", "schema": "cdm", "claim": "exports"}}),
            id="a database in a file",
        ),
        pytest.param(
            Cohort,
            cohort_document(engine="spark", agent={"resources": {"limits": {"memory": "1.4Gi"}}}),
            id="a limit of just the memory that Spark needs",
        ),
    ],
)
def test_the_server_fills_in_what_our_models_fill_in(
    server: ApiServer, kind: type[Federation] | type[Cohort], document: dict[str, Any]
) -> None:
    stored = create(server, document, "--dry-run=server")
    assert stored["spec"] == kind.model_validate(document).spec.to_json()


def large(hospitals: int, **privacy: Any) -> dict[str, Any]:
    """A federation whose every list but the hospitals' is full, and every name as long as it may be."""
    names = tuple(f"h{number:03}-{'x' * 49}" for number in range(hospitals))
    columns = [{"name": f"{number:04}-{'z' * 123}", "min": -1.5, "max": 1.5} for number in range(2000)]
    features = {"label": "l" * 128, "codebook": columns, "nominalRows": 1_000_000_000}
    document = federation_document(names, quorum=hospitals, features=features, privacy=privacy or {"epsilon": 0})
    for number, hospital in enumerate(document["spec"]["hospitals"]):
        hospital["cohort"] = {"name": f"c{number:03}-{'y' * 58}", "namespace": "n" * 63}
    Federation.model_validate(document)
    return document


@pytest.mark.parametrize("privacy", [{"epsilon": 0}, {"epsilon": 1, "delta": 1e-10}], ids=["NON-PRIVATE", "private"])
@pytest.mark.parametrize("hospitals", [MOST_COMPARED, 500])
def test_the_largest_federation_is_within_the_servers_budget(
    server: ApiServer, hospitals: int, privacy: dict[str, float]
) -> None:
    document = large(hospitals, **privacy)
    assert len(create(server, document, "--dry-run=server")["spec"]["hospitals"]) == hospitals


def test_a_weak_promise_that_is_meant_is_accepted(server: ApiServer) -> None:
    create(server, private_document(privacy={"epsilon": 101, "acceptWeak": True}), "--dry-run=server")


def test_a_federation_that_says_nothing_of_privacy_is_private(server: ApiServer) -> None:
    document = private_document(privacy=None)
    assert create(server, document, "--dry-run=server")["spec"]["privacy"]["epsilon"] == 1


def test_a_cohort_is_told_from_others_in_the_largest_federation_that_is_compared(server: ApiServer) -> None:
    document = large(MOST_COMPARED)
    first = document["spec"]["hospitals"][0]["cohort"]
    repeated = changed(document, f"spec.hospitals.{MOST_COMPARED - 1}.cohort", first)
    answer = server.run("kubectl", "create", "--dry-run=server", "--filename=-", stdin=json.dumps(repeated))
    assert f'cohort "{first["namespace"]}/{first["name"]}" is brought by two hospitals' in answer.stderr


def test_every_field_is_explained(server: ApiServer) -> None:
    said = server.kubectl("explain", "fed.spec")
    assert "Fewest hospitals of a round. Default: all of them." in said
    assert re.search(r"features\s+<Object> -required-", said)
    everything = server.kubectl("explain", "federation", "--recursive=false")
    assert "Hospitals that learn one model together." in everything
    assert "Their names" in server.kubectl("explain", "cohort.spec.grants.federations")
    assert "Memory: " in server.kubectl("explain", "cohort.spec.agent.resources.limits.memory")
    assert "from among those that the cluster's administrator allows" in words(
        server.kubectl("explain", "fed.spec.coordinator.image")
    )


def test_kubectl_shows_a_federation_and_its_status(server: ApiServer) -> None:
    create(server, changed(federation_document(), "metadata.name", "shown"))
    heads, cells = rows(server.kubectl("get", "fed", "shown"))
    assert heads == ["NAME", "PHASE", "ROUND", "ROUNDS", "HOSPITALS", "ACCURACY", "LOSS", "EPSILON", "AGE"]
    status = FederationStatus(
        phase="Training",
        round=2,
        rounds=3,
        hospitals_ready="2/2",
        metrics=Metrics(accuracy=0.947, loss=0.141),
        private=True,
        privacy_label="0.79",
        privacy=PrivacyStatus(epsilon=1.0, delta=1e-5, epsilon_spent=0.79, epsilon_replace_one=1.7, holdout="mixed"),
        started_at="2026-11-24T12:00:00.000Z",
        hospitals=[
            HospitalStatus(
                name="north",
                phase="Sent",
                loss=0.2,
                errors=MetricErrors(loss=0.1, recall=0.3),
                hidden=["recall"],
                ledger=LedgerState(sequence=4, head="4" * 64, spent=1.0, remaining=2.9, budget=4.0, delta=1e-5),
                last_seen="2026-11-24T12:00:01Z",
            )
        ],
        conditions=[Condition(type="Complete", status="True", reason="TargetReached", message="")],
    ).to_json()
    server.kubectl(
        "patch", "fed", "shown", "--subresource=status", "--type=merge", "--patch", json.dumps({"status": status})
    )
    _, cells = rows(server.kubectl("get", "fed", "shown"))
    assert cells[:-1] == ["shown", "Training", "2", "3", "2/2", "0.947", "0.141", "0.79"]
    assert json.loads(server.kubectl("get", "fed", "shown", "--output=json"))["status"] == status
    server.kubectl("wait", "--for=condition=Complete", "--timeout=5s", "fed/shown")


def test_kubectl_shows_a_cohort_and_the_category_shows_both(server: ApiServer) -> None:
    create(server, changed(cohort_document(budget={"epsilon": 4}), "metadata.name", "shown"))
    status = CohortStatus(
        in_use_by="consortium/breast-cancer",
        epsilon_spent=1.0,
        epsilon_remaining=2.9,
        budget=CountedBudget(epsilon=4.0, delta=1e-5),
        ledger=LedgerWitness(sequence=4, head="4" * 64),
        conditions=[Condition(type="Ready", status="True", reason="InUse", message="")],
    ).to_json()
    server.kubectl(
        "patch", "cohort", "shown", "--subresource=status", "--type=merge", "--patch", json.dumps({"status": status})
    )
    heads, cells = rows(server.kubectl("get", "cohorts", "shown"))
    assert heads == ["NAME", "HOSPITAL", "ENGINE", "SPENT", "BUDGET", "IN-USE-BY", "READY", "AGE"]
    assert cells[:-1] == ["shown", "north", "sklearn", "1", "4", "consortium/breast-cancer", "True"]
    assert json.loads(server.kubectl("get", "cohort", "shown", "--output=json"))["status"] == status
    assert "cohort.consilia.health/shown" in server.kubectl("get", "consilia", "--output=name")


def test_kubectl_says_of_a_cohort_that_its_data_are_refused_and_why(server: ApiServer) -> None:
    create(server, changed(cohort_document(), "metadata.name", "refused"))
    reason = 'column "radius_cm" ("mean radius") is empty: fill it, or map another column'
    hospital = {"name": "north", "phase": "Refused", "reason": reason}
    holder = federation_document() | {"status": {"hospitals": [hospital]}}
    cohort = json.loads(server.kubectl("get", "cohort", "refused", "--output=json"))
    status = cohort_status(cohort, holder | {"metadata": {"name": "study", "namespace": "default"}}, datetime.now(UTC))
    server.kubectl(
        "patch", "cohort", "refused", "--subresource=status", "--type=merge", "--patch", json.dumps({"status": status})
    )
    heads, cells = rows(server.kubectl("get", "cohorts", "refused", "--output=wide"))
    assert "False" in cells  # what is not known is an empty cell
    assert (heads[-1], cells[-1]) == ("MESSAGE", reason)
    described = server.kubectl("describe", "cohort", "refused")
    assert f"Message: {reason}" in words(described)
    assert "Reason: DataRefused" in words(described)
    server.kubectl("wait", "--for=condition=DataAccepted=false", "--timeout=5s", "cohort/refused")


def test_a_status_is_no_part_of_what_people_apply(server: ApiServer) -> None:
    document = changed(federation_document(), "metadata.name", "claims") | {"status": {"phase": "Complete"}}
    assert "status" not in create(server, document)


@pytest.mark.parametrize(
    ("patch", "sentence"),
    [
        pytest.param({"quorum": 3}, "quorum 3 is more than the 2 hospitals", id="quorum"),
        pytest.param({"rounds": 0}, "should be greater than or equal to 1", id="rounds"),
        pytest.param({"privacy": {"epsilon": 2}}, "privacy.epsilon 2 needs features.nominalRows", id="epsilon"),
        pytest.param(
            {"coordinator": {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}},
            "requests.memory 2Gi is more than limits.memory 1Gi",
            id="resources",
        ),
    ],
)
def test_an_edit_is_held_to_the_same_rules(server: ApiServer, patch: dict[str, Any], sentence: str) -> None:
    name = f"edited-{next(iter(patch))}"
    create(server, changed(federation_document(), "metadata.name", name))
    answer = server.run("kubectl", "patch", "fed", name, "--type=merge", "--patch", json.dumps({"spec": patch}))
    assert answer.returncode != 0
    assert sentence in answer.stderr


def test_what_start_stop_and_a_new_target_edit_is_accepted(server: ApiServer) -> None:
    create(server, changed(federation_document(), "metadata.name", "started"))
    for patch in ({"suspend": True}, {"rounds": 15}, {"suspend": False, "run": 2}):
        server.kubectl("patch", "fed", "started", "--type=merge", "--patch", json.dumps({"spec": patch}))
    stored = json.loads(server.kubectl("get", "fed", "started", "--output=json"))
    assert {name: stored["spec"][name] for name in ("suspend", "rounds", "run")} == {
        "suspend": False,
        "rounds": 15,
        "run": 2,
    }


def test_a_definition_that_is_applied_again_changes_nothing(server: ApiServer) -> None:
    assert set(server.kubectl("apply", "--filename", ROOT / "crds").split()[1::2]) == {"unchanged"}
    definition = yaml.safe_load((ROOT / "crds" / "federations.yaml").read_text())["metadata"]["name"]
    # Structural, or the server would say so here.
    eventually(lambda: "NonStructuralSchema" not in server.kubectl("get", "crd", definition, "--output=json"))


def test_statistics_of_as_many_of_the_longest_names_as_there_may_be_are_looked_up(server: ApiServer) -> None:
    names = [f"{number:04}{'x' * 124}" for number in range(2000)]
    codebook = [{"name": name, "min": 0, "max": 1} for name in names]
    features = {"label": "malignant", "codebook": codebook, "nominalRows": 400}
    asked = {"task": "Statistics", "features": features, "statistics": {"features": names[-50:]}}
    created = create(server, changed(private_document(**asked), "metadata.name", "survey"), "--dry-run=server")
    assert (created["spec"]["statistics"]["bins"], created["spec"]["statistics"]["quantiles"]) == (
        20,
        [0.25, 0.5, 0.75],
    )
    stranger = changed(private_document(**asked), "spec.statistics.features.49", "x" * 128)
    refused = server.run("kubectl", "create", "--filename=-", "--dry-run=server", stdin=json.dumps(stranger))
    assert "which is not in features.codebook: add it there, or remove it" in refused.stderr
