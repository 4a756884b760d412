"""What people say of pods: what is accepted, what it means, and the sentence for everything that is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builders import cohort, cohort_document, federation, federation_document, manifest_text
from consilia.manifest import explain, parse
from consilia.pod import QUANTITY_UNITS, Agent, Coordinator, Tracking, quantity

CORES = "it must be a number of cores such as 2, 0.5 or 500m"
SIZE = "it must be a size such as 512Mi or 2Gi"
IMAGE = "it must be the name of an image such as registry.example/team/agent:1.2"
KEY = "it must be the key of a label such as example.com/pool"
ADDRESS = "it must be an address such as https://mlflow.example:5000, without user and password"


def refusal(kind: type[Agent | Coordinator | Tracking], document: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(document)
    return explain(caught.value)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        pytest.param({"resources": {"requests": {"cpu": "-1"}}}, f'requests.cpu is "-1"; {CORES}', id="negative"),
        pytest.param(
            {"resources": {"requests": {"cpu": "2 cores"}}}, f'requests.cpu is "2 cores"; {CORES}', id="words"
        ),
        pytest.param({"resources": {"requests": {"cpu": "0m"}}}, f'requests.cpu is "0m"; {CORES}', id="none"),
        pytest.param({"resources": {"requests": {"cpu": 2}}}, "requests.cpu is 2; it must be text", id="a number"),
        pytest.param({"resources": {"limits": {"memory": "512"}}}, f'limits.memory is "512"; {SIZE}', id="bytes"),
        pytest.param({"resources": {"limits": {"memory": "1GB"}}}, f'limits.memory is "1GB"; {SIZE}', id="no unit"),
        pytest.param({"resources": {"limits": {"memory": "0Gi"}}}, f'limits.memory is "0Gi"; {SIZE}', id="no memory"),
        pytest.param(
            {"resources": {"limits": {"gpu": "1"}}}, "resources.limits.gpu is not a known field", id="another resource"
        ),
        pytest.param(
            {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "2000Mi"}}},
            "requests.memory 2Gi is more than limits.memory 2000Mi: lower the request or raise the limit",
            id="memory above its limit",
        ),
        pytest.param(
            {"resources": {"requests": {"cpu": "1.5"}, "limits": {"cpu": "1499m"}}},
            "requests.cpu 1.5 is more than limits.cpu 1499m: lower the request or raise the limit",
            id="cpu above its limit",
        ),
        pytest.param({"storage": {"size": "0"}}, f'storage.size is "0"; {SIZE}', id="no storage"),
        pytest.param({"storage": {"size": "-1Gi"}}, f'storage.size is "-1Gi"; {SIZE}', id="negative storage"),
        pytest.param(
            {"storage": {"className": "Fast SSD"}},
            'storage.className is "Fast SSD"; it must be an RFC 1123 subdomain',
            id="class",
        ),
        pytest.param({"image": ""}, f'image is ""; {IMAGE}', id="no image"),
        pytest.param({"image": "agent:1 --privileged"}, f'image is "agent:1 --privileged"; {IMAGE}', id="more words"),
        pytest.param({"image": "registry.example/../agent"}, f'image is "registry.example/../agent"; {IMAGE}', id="up"),
        pytest.param({"image": "registry.example/Agent"}, f'image is "registry.example/Agent"; {IMAGE}', id="capitals"),
        pytest.param({"image": "agent@sha256:12"}, f'image is "agent@sha256:12"; {IMAGE}', id="half a digest"),
        pytest.param({"image": "a" * 513}, "image is longer than the 512 that are allowed", id="an endless name"),
        pytest.param({"nodeSelector": {"a b": "c"}}, f'nodeSelector has "a b"; {KEY}', id="key of a node's label"),
        pytest.param(
            {"nodeSelector": {"disk": "fast ssd"}},
            'nodeSelector.disk is "fast ssd"; it must be the value of a label',
            id="value of a node's label",
        ),
        pytest.param(
            {"nodeSelector": {f"key-{number}": "" for number in range(33)}},
            "nodeSelector is longer than the 32 that are allowed",
            id="too many labels",
        ),
        pytest.param(
            {"tolerations": [{"key": "gpu", "operator": "Exists", "value": "yes"}]},
            'value "yes" is never compared with operator Exists: leave it out, or use Equal',
            id="a value for nothing",
        ),
        pytest.param(
            {"tolerations": [{"value": "yes"}]},
            "a toleration without a key tolerates every taint: write operator Exists, or give the key",
            id="a toleration of nothing",
        ),
        pytest.param(
            {"tolerations": [{"key": "gpu", "operator": "In"}]}, "operator is \"In\"; it must be 'Equal'", id="operator"
        ),
        pytest.param(
            {"tolerations": [{"key": "gpu", "effect": "NoRun"}]}, 'tolerations[0].effect is "NoRun"', id="effect"
        ),
    ],
)
def test_a_wrong_pod_gets_one_sentence_with_field_and_value(document: dict[str, Any], sentence: str) -> None:
    said = refusal(Agent, document)
    assert sentence in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("mlflow:5000", id="no scheme"),
        pytest.param("file:///runs", id="a file"),
        pytest.param("https://me:secret@mlflow.example", id="with a password"),
        pytest.param("https://mlflow.example/?token=secret", id="with a token"),
        pytest.param("https://mlflow.example/ x", id="a space"),
        pytest.param("https://", id="no host"),
    ],
)
def test_the_address_of_mlflow_is_an_address_without_a_secret(uri: str) -> None:
    assert f"; {ADDRESS}" in refusal(Tracking, {"mlflowUri": uri})


@pytest.mark.parametrize(
    "image",
    [
        "agent",
        "agent:1.2",
        "team/agent_x:1.2-rc.1",
        "localhost/consilia-agent:0.1.0",
        "localhost:5000/consilia-agent",
        "registry.example:5000/team/agent:1@sha256:" + "0" * 64,
        "10.0.0.1:5000/agent:latest",
    ],
)
def test_an_image_is_named_as_container_runtimes_name_it(image: str) -> None:
    assert Agent(image=image).image == image


@pytest.mark.parametrize("uri", ["http://mlflow:5000", "https://mlflow.example/team/", "http://m.svc.cluster.local"])
def test_an_address_of_mlflow_is_taken_as_it_is(uri: str) -> None:
    assert Tracking.model_validate({"mlflowUri": uri}).mlflow_uri == uri


@given(st.integers(1, 9999), st.sampled_from(sorted(QUANTITY_UNITS)))
def test_a_quantity_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert quantity(f"{number}{unit}") == number * QUANTITY_UNITS[unit]
    assert quantity(f"{number}.5{unit}") == (number + Decimal("0.5")) * QUANTITY_UNITS[unit]


@pytest.mark.parametrize(
    ("less", "more"),
    [("999m", "1"), ("1000Mi", "1Gi"), ("1G", "1Gi"), ("1023Mi", "1Gi"), ("1k", "1Ki"), ("1Ti", "1025Gi"), ("0", "1m")],
)
def test_quantities_compare_by_what_they_mean(less: str, more: str) -> None:
    assert quantity(less) < quantity(more)


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_refused_with_a_sentence(text: str) -> None:
    try:
        assert quantity(text) >= 0
    except ValueError as error:
        assert "is no quantity: write a number and one of" in str(error)  # noqa: PT017 - either way is right


def test_equal_amounts_fit_however_they_are_written() -> None:
    amounts = {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    assert Agent.model_validate({"resources": amounts}).resources.limits.memory == "1Gi"


PODS = {
    "broker": {"resources": {"limits": {"memory": "1Gi"}}},
    "coordinator": {"storage": {"size": "5Gi"}, "image": "registry.example/coordinator:1"},
    "tracking": {"mlflowUri": "https://mlflow.example"},
}


def test_a_file_for_a_cluster_is_read_on_one_machine_too() -> None:
    """Where there are no pods, what is said of them is accepted."""
    agent = {
        "resources": {"requests": {"cpu": "2"}},
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"a": "b"},
    }
    text = manifest_text(federation_document(("north",), **PODS), cohort_document("north", agent=agent))
    read = parse(text, "cluster.yaml")
    assert read.federations[0].spec.coordinator.storage.size == "5Gi"
    assert read.cohorts["default", "north-2024"].spec.agent.node_selector == {"a": "b"}


def test_what_is_said_of_pods_is_written_as_it_was_read() -> None:
    assert federation(**PODS).to_json()["spec"]["tracking"] == {
        "mlflowUri": "https://mlflow.example",
        "resources": {"requests": {}, "limits": {}},
    }
    assert cohort(agent={"image": "agent:2"}).to_json()["spec"]["agent"]["image"] == "agent:2"


@pytest.mark.parametrize(
    ("spark", "limit"),
    [
        pytest.param({}, "1434Mi", id="two fifths of 1Gi"),
        pytest.param({}, "1.4Gi", id="two fifths of 1Gi, to the byte's fraction"),
        pytest.param({"driverMemory": "512Mi"}, "896Mi", id="the least"),
        pytest.param({"driverMemory": "10Gi"}, "14Gi", id="exactly"),
    ],
)
def test_a_limit_that_a_hospitals_java_fits_into_is_accepted(spark: dict[str, str], limit: str) -> None:
    agent = {"resources": {"limits": {"memory": limit}}}
    assert cohort(engine="spark", spark=spark, agent=agent).spec.agent.resources.limits.memory == limit


def test_a_limit_is_not_held_against_what_only_spark_needs() -> None:
    assert cohort(agent={"resources": {"limits": {"memory": "512Mi"}}}).spec.engine == "sklearn"
