"""The installation's signing key: made once, in a Secret of the operator's namespace."""

import base64

from consilia.errors import Refusal
from consilia.tokens import generate_keypair
from consilia_operator.cluster import Cluster, Conflict
from consilia_operator.naming import Manifest
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.settings import Settings

NAME = "consilia-token-key"


def signing_key(cluster: Cluster, settings: Settings) -> SigningKey:
    """The key that is there; or a new one, where there is none yet."""
    found = cluster.get("Secret", settings.namespace, NAME)
    if found is None:
        private, public = generate_keypair()
        try:
            found = cluster.replace(_secret(settings.namespace, private, public))
        except Conflict:
            found = cluster.get("Secret", settings.namespace, NAME)
    data = (found or {}).get("data") or {}
    if not {"private.pem", "public.pem"} <= data.keys():
        raise Refusal(
            f"Secret {settings.namespace}/{NAME} has no private.pem and public.pem: delete it, and another key is made"
        )
    return SigningKey(base64.b64decode(data["private.pem"]), base64.b64decode(data["public.pem"]))


def _secret(namespace: str, private: bytes, public: bytes) -> Manifest:
    data = {"private.pem": private, "public.pem": public}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": NAME, "namespace": namespace, "labels": {"app.kubernetes.io/name": "consilia"}},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
