"""What the operator asks of cert-manager, at a real API server: taken as it is, and what cert-manager writes stays."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cluster.api_server import ApiServer, api_server
from consilia.tokens import generate_keypair
from consilia_operator.children import mark_of
from consilia_operator.naming import FIELD_MANAGER, Manifest
from consilia_operator.resources.everything import everything
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.settings import IssuerReference
from sites import NAMESPACE, settings, site

pytestmark = pytest.mark.cluster

TEXT: Manifest = {"type": "string"}
TEXTS: Manifest = {"type": "array", "items": TEXT}
DURATION: Manifest = {"type": "string", "pattern": r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"}


def closed(required: list[str], **properties: Manifest) -> Manifest:
    return {"type": "object", "required": required, "properties": properties}


# Of cert-manager's own definition (cert-manager.io/v1), the fields that are asked for.
SPEC = closed(
    ["secretName", "issuerRef"],
    secretName=TEXT,
    duration=DURATION,
    renewBefore=DURATION,
    dnsNames=TEXTS,
    usages={"type": "array", "items": {"type": "string", "enum": ["digital signature", "server auth", "client auth"]}},
    privateKey=closed(
        [],
        algorithm={"type": "string", "enum": ["RSA", "ECDSA", "Ed25519"]},
        encoding={"type": "string", "enum": ["PKCS1", "PKCS8"]},
        rotationPolicy={"type": "string", "enum": ["Never", "Always"]},
        size={"type": "integer"},
    ),
    issuerRef=closed(["name"], group=TEXT, kind=TEXT, name=TEXT),
)
DEFINITION: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "certificates.cert-manager.io"},
    "spec": {
        "group": "cert-manager.io",
        "scope": "Namespaced",
        "names": {"kind": "Certificate", "listKind": "CertificateList", "plural": "certificates"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": closed([], spec=SPEC)},
            }
        ],
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api-server")) as started:
        started.kubectl("create", "namespace", NAMESPACE)
        started.kubectl("apply", "--filename=-", stdin=json.dumps(DEFINITION))
        started.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "certificates.cert-manager.io")
        yield started


@pytest.fixture(scope="module")
def made() -> list[Manifest]:
    """A federation whose certificates are waited for."""
    asking = settings(certificate_issuer=IssuerReference("ClusterIssuer", "hospital-ca"))
    return everything(
        site(installation=asking), {}, SigningKey(*generate_keypair()), datetime(2026, 11, 24, tzinfo=UTC)
    )


def apply(server: ApiServer, manager: str, *manifests: Manifest) -> str:
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    options = ("--server-side", "--force-conflicts", "--validate=strict", f"--field-manager={manager}")
    return server.kubectl("apply", *options, "--filename=-", stdin=given)


def test_the_requests_and_all_that_waits_for_them_are_taken(server: ApiServer, made: list[Manifest]) -> None:
    answer = apply(server, FIELD_MANAGER, *made)
    assert len(answer.splitlines()) == len(made)
    assert answer.count("certificate.cert-manager.io/") == 2


def test_what_cert_manager_writes_stays_when_the_operator_applies_again_and_is_seen(
    server: ApiServer, made: list[Manifest]
) -> None:
    ours = next(
        m for m in made if m["kind"] == "Secret" and m["metadata"]["name"].endswith("broker-certificate-issued")
    )

    def held() -> Manifest:
        name = ours["metadata"]["name"]
        answer = server.kubectl(
            "get", "secret", name, f"--namespace={NAMESPACE}", "--output=json", "--show-managed-fields"
        )
        found: Manifest = json.loads(answer)
        return found

    apply(server, FIELD_MANAGER, ours)
    marks = [mark_of(held())]
    for text in (b"first", b"second"):
        data = {"tls.crt": base64.b64encode(text).decode()}
        theirs = {k: ours[k] for k in ("apiVersion", "kind")} | {"data": data}
        theirs["metadata"] = {"name": ours["metadata"]["name"], "namespace": NAMESPACE}
        apply(server, "cert-manager-certificates-issuing", theirs)
        marks.append(mark_of(held()))
        apply(server, FIELD_MANAGER, ours)
        assert held()["data"] == data
        assert mark_of(held()) == marks[-1], "applying the same again is no news"
    assert marks[0] != marks[1]
