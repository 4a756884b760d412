"""The operator's settings, from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from consilia import settings
from consilia.errors import InvalidSetting
from consilia.settings import Environment

COMPONENTS = ("broker", "coordinator", "hospital", "spark", "tracking")
API_SERVER_PORTS = (443, 6443)


@dataclass(frozen=True)
class IssuerReference:
    """An issuer of cert-manager: an Issuer of the federation's namespace, or a ClusterIssuer."""

    kind: str
    name: str


@dataclass(frozen=True)
class Settings:
    """One attribute a setting; the environment's name is beside it."""

    namespace: str
    """CONSILIA_NAMESPACE: the operator's own namespace, of its Lease and its signing key."""
    identity: str
    """CONSILIA_POD: who holds the Lease."""
    images: Mapping[str, str]
    """CONSILIA_IMAGE_BROKER, _COORDINATOR, _HOSPITAL, _SPARK (a hospital's with Spark), _TRACKING."""
    mlflow_uri: str | None
    """CONSILIA_MLFLOW_URI: where runs are tracked; without it they are not."""
    storage_class: str | None
    """CONSILIA_STORAGE_CLASS: of the claims; default: the cluster's."""
    port: int
    """CONSILIA_HTTP_PORT: of /healthz and /metrics, default 8080."""
    allowed_images: tuple[str, ...] = ()
    """CONSILIA_ALLOWED_IMAGES: registries or repositories, with commas between, whose images a spec may name; default:
    the repositories of the installation's own."""
    mlflow_page: str | None = None
    """CONSILIA_MLFLOW_PAGE: where a browser reaches the MLflow of CONSILIA_MLFLOW_URI; without it there is no link."""
    certificate_issuer: IssuerReference | None = None
    """CONSILIA_CERTIFICATE_ISSUER: ``Issuer/name`` or ``ClusterIssuer/name`` of cert-manager, which then makes the
    certificates; default: each federation has an authority of its own."""

    api_server_ports: tuple[int, ...] = API_SERVER_PORTS
    """CONSILIA_API_SERVER_PORTS: with commas between, where network policies let hospitals with executors reach the API
    server; default 443,6443."""
    api_server_cidrs: tuple[str, ...] = ()
    """CONSILIA_API_SERVER_CIDRS: with commas between, its addresses and that of its Service; default: any address."""

    @classmethod
    def of(cls, environment: Environment) -> "Settings":
        """Read the environment. Raises :class:`consilia.errors.InvalidSetting`."""
        return cls(
            namespace=settings.text(environment, "CONSILIA_NAMESPACE"),
            identity=settings.text(environment, "CONSILIA_POD"),
            images={name: settings.text(environment, f"CONSILIA_IMAGE_{name.upper()}") for name in COMPONENTS},
            mlflow_uri=environment.get("CONSILIA_MLFLOW_URI") or None,
            storage_class=environment.get("CONSILIA_STORAGE_CLASS") or None,
            port=settings.port(environment, "CONSILIA_HTTP_PORT", 8080),
            allowed_images=_words(environment.get("CONSILIA_ALLOWED_IMAGES") or ""),
            mlflow_page=environment.get("CONSILIA_MLFLOW_PAGE") or None,
            certificate_issuer=_issuer(environment.get("CONSILIA_CERTIFICATE_ISSUER") or None),
            api_server_ports=_ports(environment, "CONSILIA_API_SERVER_PORTS") or API_SERVER_PORTS,
            api_server_cidrs=_cidrs(environment, "CONSILIA_API_SERVER_CIDRS"),
        )


def _ports(environment: Environment, name: str) -> tuple[int, ...]:
    return tuple(settings.port({name: word}, name, 0) for word in _words(environment.get(name) or ""))


def _cidrs(environment: Environment, name: str) -> tuple[str, ...]:
    words = tuple(word for word in (part.strip() for part in (environment.get(name) or "").split(",")) if word)
    for word in words:
        try:
            ip_network(word)
        except ValueError:
            raise InvalidSetting(f'{name} holds "{word}"; a block of addresses looks like 10.20.0.1/32') from None
    return words


def _issuer(text: str | None) -> IssuerReference | None:
    if text is None:
        return None
    kind, _, name = text.partition("/")
    if kind not in ("Issuer", "ClusterIssuer") or not name:
        raise InvalidSetting(
            f'CONSILIA_CERTIFICATE_ISSUER is "{text}"; it must be Issuer/name or ClusterIssuer/name of cert-manager'
        )
    return IssuerReference(kind, name)


def _words(text: str) -> tuple[str, ...]:
    """The words between the commas; a slash at the end of one says nothing more."""
    return tuple(word for word in (part.strip().rstrip("/") for part in text.split(",")) if word)
