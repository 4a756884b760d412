"""The object API's paths are those of a custom resource in Kubernetes."""

from consilia.object_paths import COLLECTION, path_of


def test_a_federation_is_where_kubernetes_keeps_a_custom_resource() -> None:
    assert COLLECTION == "/apis/consilia.health/v1alpha1/federations"
    assert path_of("clinic", "trial") == "/apis/consilia.health/v1alpha1/namespaces/clinic/federations/trial"
