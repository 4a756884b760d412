"""A plan as processes: every setting resolved, every path in the state folder."""

from pathlib import Path

import pytest

from consilia.data_source import Source
from consilia.manifest import Manifest
from consilia.plan import Plan, plan
from consilia_local.folder import StateFolder
from consilia_local.launcher import ProcessSpec
from consilia_local.render import Site, config_files, render

PORTS = {
    ("broker", "xmpp"): 5001,
    ("coordinator", "https"): 5002,
    ("mlflow", "http"): 5003,
    ("dashboard", "http"): 5004,
}
COHORTS = {name: ("consortium", f"{name}-2024") for name in ("north", "south")}


@pytest.fixture
def planned(manifest: Manifest) -> Plan:
    """The plan of the trial."""
    federation = manifest.federations[0]
    return plan(federation, manifest.cohorts_of(federation), defaults={"MIN_AGENTS": "2", "DP_EPSILON": "0.5"})


@pytest.fixture
def site(folder: StateFolder) -> Site:
    """A machine."""
    return Site(folder, "uid-1", PORTS, "localhost", "http://127.0.0.1:5005", {"PATH": "/bin"}, "embedded", COHORTS)


@pytest.fixture
def processes(planned: Plan, site: Site) -> dict[str, ProcessSpec]:
    """The rendered processes, by name."""
    return {spec.name: spec for spec in render(planned, site)}


def test_every_component_is_a_process_with_its_own_log(processes: dict[str, ProcessSpec], planned: Plan) -> None:
    assert list(processes) == [component.name for component in planned.components]
    assert len({spec.log for spec in processes.values()}) == len(processes)


def test_those_that_train_or_speak_to_the_broker_are_forked_and_the_others_executed(
    processes: dict[str, ProcessSpec],
) -> None:
    forked = [name for name, spec in processes.items() if spec.module]
    assert forked == ["broker", "coordinator", "hospital-north", "hospital-south"]
    assert all(bool(spec.module) != bool(spec.command) for spec in processes.values())


def test_a_hospital_reaches_broker_and_coordinator_and_reads_its_own_files_only(
    processes: dict[str, ProcessSpec], folder: StateFolder
) -> None:
    found = processes["hospital-north"].environment
    assert (found["XMPP_SERVER"], found["XMPP_PORT"], found["CONSILIA_ACCOUNT"]) == ("localhost", "5001", "north")
    assert found["CONSILIA_COORDINATOR_URL"] == "https://localhost:5002"
    assert found["CONSILIA_PASSWORD_FILE"] == str(folder.root / "secrets" / "account-north" / "password")
    assert found["CONSILIA_STATE"] == str(folder.root / "volumes" / "hospital-north" / "outbox")
    assert (found["OPENBLAS_NUM_THREADS"], found["DP_EPSILON"], found["PATH"]) == ("1", "0.5", "/bin")
    assert found["CONSILIA_LEDGER"] == str(folder.root / "ledgers" / "consortium" / "north-2024")
    assert "south" not in "".join(found.values())


def test_servers_listen_on_loopback_and_the_quorum_of_the_environment_reaches_the_coordinator(
    processes: dict[str, ProcessSpec],
) -> None:
    assert processes["coordinator"].environment["CONSILIA_HTTP_HOST"] == "127.0.0.1"
    assert processes["coordinator"].environment["MIN_AGENTS"] == "2"
    assert processes["coordinator"].environment["CONSILIA_FEDERATION_UID"] == "uid-1"
    assert processes["dashboard"].environment["CONSILIA_HTTP_HOST"] == "127.0.0.1"
    assert processes["dashboard"].environment["CONSILIA_API_URL"] == "http://127.0.0.1:5005"
    assert processes["tracking"].environment["MLFLOW_TRACKING_URI"] == "http://localhost:5003"


def test_the_broker_is_told_which_it_is_and_where_its_folder_is(
    processes: dict[str, ProcessSpec], folder: StateFolder
) -> None:
    assert processes["broker"].arguments == ("embedded", str(folder.root / "volumes" / "broker" / "broker"))


def test_a_hospital_finds_its_cohort_as_a_file(planned: Plan, site: Site, processes: dict[str, ProcessSpec]) -> None:
    files = config_files(planned, site)
    path = processes["hospital-south"].environment["CONSILIA_COHORT_FILE"]
    assert '"hospital": "south"' in files[path]
    assert Path(path).parent.is_dir()


def test_a_hospitals_files_are_beside_the_manifest_and_its_credentials_in_the_folder_of_their_name(
    manifest: Manifest, folder: StateFolder, tmp_path: Path
) -> None:
    federation = manifest.federations[0]
    cohorts = manifest.cohorts_of(federation)
    source = Source.model_validate({"csv": {"path": "biopsies.csv"}, "credentials": "warehouse"})
    cohorts["north"] = cohorts["north"].model_copy(
        update={"spec": cohorts["north"].spec.model_copy(update={"source": source})}
    )
    site = Site(
        folder, "uid-1", PORTS, "localhost", "", {}, cohorts=COHORTS, data=tmp_path, credentials=tmp_path / "kept"
    )
    north, south = render(plan(federation, cohorts), site)[2:4]
    assert north.environment["CONSILIA_DATA"] == str(tmp_path)
    assert north.environment["CONSILIA_CREDENTIALS"] == str(tmp_path / "kept" / "warehouse")
    assert not {"CONSILIA_DATA", "CONSILIA_CREDENTIALS"} & south.environment.keys()
