"""The plan: which components run, with which settings, and every connection they may open."""

import json
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from builders import changed, cohort, cohort_document, federation, federation_document
from consilia.manifest import only_federation, parse
from consilia.plan import (
    Component,
    ConfigFile,
    CredentialsFolder,
    DataFolder,
    HostOf,
    Link,
    Plan,
    PortOf,
    SecretFile,
    UrlOf,
    VolumeFolder,
    plan,
)
from consilia.spec import Cohort, Federation

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer.yaml"
GOLDEN = Path(__file__).parent / "golden" / "breast-cancer-plan.json"
SECRET_WORDS = ("PASSWORD", "TOKEN", "KEY", "CERTIFICATE", "CA_FILE")


def planned(**options: Any) -> Plan:
    """The plan of two hospitals."""
    cohorts = {name: cohort(name, shard) for shard, name in enumerate(("north", "south"))}
    return plan(federation(), cohorts, **options)


def plan_of_example() -> Plan:
    manifest = parse(EXAMPLE.read_text(), EXAMPLE.name)
    chosen = only_federation(manifest, EXAMPLE.name)
    return plan(chosen, manifest.cohorts_of(chosen))


def other_components(component: Component) -> Iterator[tuple[str, str | None]]:
    """(component, port) of every other component that the settings refer to."""
    for value in component.settings.values():
        if isinstance(value, PortOf | UrlOf) and value.component != component.name:
            yield value.component, value.port
        if isinstance(value, HostOf):
            yield value.component, None


def as_json(value: Any) -> Any:
    """Plain data, with the name of every reference's kind."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = {} if isinstance(value, Plan | Component | Link) else {"is": type(value).__name__}
        return kind | {name: as_json(part) for name, part in vars(value).items()}
    if isinstance(value, dict):
        return {name: as_json(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [as_json(part) for part in value]
    return value


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param(
            {},
            ["broker", "coordinator", "hospital-north", "hospital-south", "mlflow", "tracking", "dashboard"],
            id="all",
        ),
        pytest.param(
            {"mlflow": False},
            ["broker", "coordinator", "hospital-north", "hospital-south", "dashboard"],
            id="without MLflow, no tracking either",
        ),
        pytest.param(
            {"mlflow": False, "dashboard": False},
            ["broker", "coordinator", "hospital-north", "hospital-south"],
            id="what a round needs",
        ),
    ],
)
def test_a_plan_has_a_broker_a_coordinator_the_hospitals_and_what_is_asked_for(
    options: dict[str, bool], names: list[str]
) -> None:
    assert [component.name for component in planned(**options).components] == names


def test_these_are_all_the_links_there_are() -> None:
    assert set(planned().links) == {
        Link("coordinator", "broker", "xmpp"),
        Link("hospital-north", "broker", "xmpp"),
        Link("hospital-north", "coordinator", "https"),
        Link("hospital-south", "broker", "xmpp"),
        Link("hospital-south", "coordinator", "https"),
        Link("tracking", "coordinator", "https"),
        Link("tracking", "mlflow", "http"),
        Link("dashboard", "coordinator", "https"),
    }


def test_over_all_pairs_a_hospital_reaches_the_broker_and_the_coordinator_and_nobody_reaches_a_hospital() -> None:
    made = planned()
    for source in made.components:
        for target in made.components:
            ports = [link.port for link in made.links if (link.source, link.target) == (source.name, target.name)]
            assert len(ports) <= 1
            if target.kind == "hospital" or source.name == target.name:
                assert ports == []
            if source.kind == "hospital":
                assert bool(ports) == (target.kind in ("broker", "coordinator"))


@pytest.mark.parametrize("options", [{}, {"mlflow": False}, {"dashboard": False}], ids=str)
def test_every_link_ends_at_a_port_that_its_target_opens(options: dict[str, bool]) -> None:
    made = planned(**options)
    for link in made.links:
        assert link.port in made.component(link.target).ports
        assert made.component(link.source)


def test_whatever_a_components_settings_refer_to_it_is_linked_to() -> None:
    made = plan_of_example()
    for component in made.components:
        for target, port in other_components(component):
            ports = {link.port for link in made.links if (link.source, link.target) == (component.name, target)}
            assert ports, f"{component.name} refers to {target} and has no link to it"
            assert port is None or port in ports


@pytest.mark.parametrize("component", plan_of_example().components, ids=lambda component: component.name)
def test_a_setting_never_holds_a_secret_but_says_in_which_file_it_is(component: Component) -> None:
    for name, value in component.settings.items():
        if any(word in name for word in SECRET_WORDS):
            assert isinstance(value, SecretFile), f"{name} of {component.name} is {value}"
        if isinstance(value, SecretFile):
            assert value.secret in component.secrets
        if isinstance(value, ConfigFile):
            assert value.name in component.files
        if isinstance(value, VolumeFolder):
            assert value.volume in component.volumes


def test_a_hospital_reads_its_own_password_and_nobody_elses() -> None:
    made = planned()
    assert "account-north" in made.component("hospital-north").secrets
    for component in made.components:
        accounts = [secret for secret in component.secrets if secret.startswith("account-")]
        own = {"hospital-north": ["account-north"], "hospital-south": ["account-south"]}
        assert accounts == own.get(component.name, ["account-coordinator"] if component.name == "coordinator" else [])


def test_only_the_dashboard_holds_the_key_that_signs_tokens() -> None:
    holders = [component.name for component in planned().components if "token-signing-key" in component.secrets]
    assert holders == ["dashboard"]


def test_a_hospital_runs_in_its_cohorts_namespace_and_everything_else_in_the_federations() -> None:
    document = changed(federation_document(), "metadata.namespace", "consortium")
    north = Cohort.model_validate(changed(cohort_document(), "metadata.namespace", "north-clinic"))
    made = plan(Federation.model_validate(document), {"north": north, "south": cohort("south", 1)})
    namespaces = {component.name: component.namespace for component in made.components}
    assert namespaces.pop("hospital-north") == "north-clinic"
    assert namespaces.pop("hospital-south") == "default"
    assert set(namespaces.values()) == {"consortium"}


def test_a_hospital_gets_its_own_cohort_as_a_file_that_reads_back() -> None:
    file = planned().component("hospital-south").files["cohort.json"]
    assert Cohort.model_validate_json(file) == cohort("south", 1)


def test_a_grant_another_image_or_a_way_out_changes_nothing_of_what_a_hospital_reads() -> None:
    cohorts = {"north": cohort("north"), "south": cohort("south", 1)}
    said: dict[str, Any] = {"grants": [{"namespace": "default"}], "agent": {"image": "other:1"}}
    edited = cohorts | {"south": cohort("south", 1, **said, egress=[{"cidr": "10.0.0.7/32", "ports": [5432]}])}
    assert plan(federation(), edited) == plan(federation(), cohorts)


def test_a_hospitals_component_says_whose_it_is_and_the_others_are_nobodys() -> None:
    assert {component.name: component.hospital for component in planned().components if component.hospital} == {
        "hospital-north": "north",
        "hospital-south": "south",
    }


@pytest.mark.parametrize(
    ("quorum", "expected"),
    [pytest.param(None, "4", id="the default where the spec is silent"), pytest.param(2, None, id="else the spec")],
)
def test_min_agents_reaches_the_coordinator_only_where_the_spec_names_no_quorum(
    quorum: int | None, expected: str | None
) -> None:
    cohorts = {"north": cohort("north"), "south": cohort("south", 1)}
    made = plan(federation(quorum=quorum), cohorts, defaults={"MIN_AGENTS": "4"})
    assert made.component("coordinator").settings.get("MIN_AGENTS") == expected


def test_every_process_that_trains_or_aggregates_has_one_blas_thread() -> None:
    for component in planned().components:
        if component.kind in ("coordinator", "hospital"):
            assert component.settings["OPENBLAS_NUM_THREADS"] == component.settings["OMP_NUM_THREADS"] == "1"


def test_the_order_of_hospitals_in_the_file_changes_nothing() -> None:
    cohorts = {"north": cohort("north"), "south": cohort("south", 1)}
    assert plan(federation(("south", "north")), cohorts) == plan(federation(("north", "south")), cohorts)


def test_the_examples_plan_is_the_one_that_was_reviewed() -> None:
    """When a change to the plan is meant, write the new one to the golden file and read the difference."""
    assert as_json(plan_of_example()) == json.loads(GOLDEN.read_text())


def test_a_plan_is_plain_data() -> None:
    json.dumps(asdict(planned()))


def hospital_of(source: dict[str, Any], defaults: dict[str, str] | None = None, **spec: Any) -> Component:
    """The component of a hospital whose cohort has this source."""
    cohorts = {"north": cohort("north", source=source, **spec), "south": cohort("south", 1)}
    return plan(federation(), cohorts, defaults=defaults).component("hospital-north")


CSV, QUERY = {"csv": {"path": "biopsies.csv"}}, {"url": "postgresql://db.example/clinic", "query": "SELECT 1"}


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        pytest.param(CSV, True, id="a file"),
        pytest.param({"fhir": {"path": "export", "claim": "exports"}}, True, id="files of a claim"),
        pytest.param({"parquet": {"path": "s3://clinic/rows"}}, False, id="an object store"),
        pytest.param({"sql": QUERY | {"url": "sqlite:///clinic.db"}}, True, id="SQLite"),
        pytest.param({"sql": QUERY}, False, id="a server"),
        pytest.param({"builtin": {"dataset": "breast-cancer", "shard": 0, "of": 5}}, False, id="builtin"),
    ],
)
def test_a_hospital_is_told_where_its_files_are_where_it_reads_any(source: dict[str, Any], folder: bool) -> None:
    found = hospital_of(source)
    assert (found.settings.get("CONSILIA_DATA") == DataFolder()) is folder
    assert "CONSILIA_CREDENTIALS" not in found.settings


def test_a_hospital_reads_its_own_claim_and_its_own_secret() -> None:
    found = hospital_of({"csv": {"path": "biopsies.csv", "claim": "exports"}, "credentials": "warehouse"})
    assert (found.claim, found.credentials) == ("exports", "warehouse")
    assert found.settings["CONSILIA_CREDENTIALS"] == CredentialsFolder("warehouse")
    assert "warehouse" not in found.secrets, "a secret that Consilia makes"


@pytest.mark.parametrize(
    ("spec", "defaults", "conf"),
    [
        pytest.param({}, {}, None, id="scikit-learn"),
        pytest.param({}, {"USE_SPARK": "yes"}, "1024m", id="Spark by the environment"),
        pytest.param({"engine": "spark"}, {}, "1024m", id="Spark"),
        pytest.param({"engine": "spark", "spark": {"driverMemory": "1.5Gi"}}, {}, "1536m", id="with its memory"),
        pytest.param({"engine": "spark", "spark": {"driverMemory": "2G"}}, {}, "1907m", id="in powers of ten"),
    ],
)
def test_a_hospital_with_spark_has_sparks_settings_as_a_file(
    spec: dict[str, Any], defaults: dict[str, str], conf: str | None
) -> None:
    found = hospital_of(CSV, defaults, **spec)
    assert found.settings["USE_SPARK"] == ("false" if conf is None else "true")
    assert found.settings.get("CONSILIA_SPARK_CONF") == (None if conf is None else ConfigFile("spark.conf"))
    expected = None if conf is None else f"spark.driver.memory {conf}\nspark.master local[*]\n"
    assert found.files.get("spark.conf") == expected


SPARK: dict[str, Any] = {"engine": "spark", "spark": {"executors": 2}}


def test_executors_are_in_the_plan_where_there_is_a_cluster_and_the_cohort_asks_for_them() -> None:
    cohorts = {"north": cohort("north", **SPARK), "south": cohort("south", 1, engine="spark")}
    made = plan(federation(), cohorts, executors=True)
    added = {component.name for component in made.components} - {c.name for c in planned().components}
    assert added == {"executors-north", "kubernetes"}
    assert set(made.links) - set(planned().links) == {
        Link("hospital-north", "kubernetes", "https"),
        Link("executors-north", "hospital-north", "driver"),
        Link("executors-north", "hospital-north", "blocks"),
        Link("hospital-north", "executors-north", "blocks"),
        Link("executors-north", "executors-north", "blocks"),
    }
    for link in made.links:
        assert link.port in made.component(link.target).ports
    assert plan(federation(), cohorts).links == planned().links, "on one machine Spark computes within the process"


def test_executors_read_the_hospitals_data_and_none_of_its_secrets() -> None:
    source = {"csv": {"path": "a.csv", "claim": "exports"}, "credentials": "warehouse"}
    cohorts = {"north": cohort("north", source=source, **SPARK), "south": cohort("south", 1)}
    executors = plan(federation(), cohorts, executors=True).component("executors-north")
    assert (executors.claim, executors.credentials, executors.secrets) == ("exports", None, ())
    assert (executors.settings, executors.files, executors.volumes) == ({}, {}, {})
