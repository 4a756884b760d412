"""ConfigMaps: the broker's configuration, a hospital's cohort and its Spark's settings."""

from consilia.plan import BROKER, Component
from consilia.prosody import ACCOUNTS_MODULE, ACCOUNTS_MODULE_FILE, ProsodySettings, render_prosody
from consilia_operator.naming import Manifest, host_of, metadata, object_name, selector
from consilia_operator.resources.site import CONFIG, SECRETS, VOLUMES, Site
from consilia_operator.resources.spark import spark_files


def config_maps(site: Site, component: Component) -> list[Manifest]:
    """The ConfigMap of a component that reads files; else none."""
    data = _broker_files(site) if component.name == BROKER else dict(component.files) | spark_files(site, component)
    if not data:
        return []
    name = object_name(site.federation, component.name, component.namespace)
    labels = selector(site.federation, component)
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(site.federation, name, component.namespace, site.owner(component), labels),
            "data": data,
        }
    ]


def _broker_files(site: Site) -> dict[str, str]:
    settings = ProsodySettings(
        domain=host_of(site.federation, BROKER),
        port=site.plan.component(BROKER).ports["xmpp"],
        interfaces=["*"],
        accounts=f"{SECRETS}/accounts",
        certificate=f"{SECRETS}/broker-certificate/tls.crt",
        key=f"{SECRETS}/broker-certificate/tls.key",
        modules=f"{CONFIG}/modules",
        state=f"{VOLUMES}/broker",
    )
    return {"prosody.cfg.lua": render_prosody(settings), ACCOUNTS_MODULE_FILE: ACCOUNTS_MODULE}
