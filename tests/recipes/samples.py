"""Answers of a person, as tests vary them."""

from dataclasses import replace
from typing import Any, Final

from environments.recipes.answers import Answers

SAMPLE: Final = Answers(
    tenant="acme",
    version="0.8.1",
    staff_networks=("10.9.0.0/24", "fd00:9::/64"),
    console_addresses=("10.9.0.5", "fd00:9::5"),
    public_name="collect.example.com",
    public_addresses=("198.51.100.10", "2001:db8:1::10"),
    tls_certificate="/etc/tracardi/tls/certificate.pem",
    tls_key="/etc/tracardi/tls/key.pem",
    ssh_port=22,
    staging_addresses=("10.1.0.11", "fd00:1::11"),
    staging_networks=("10.1.0.0/24", "fd00:1::/64"),
    staging_api_port=8686,
    staging_gui_port=8787,
    staging_elasticsearch="http://10.2.0.12:9200",
    staging_login="basic",
    staging_redis="",
    staging_namespace="tracardi-staging",
    staging_secrets="vault: tracardi/staging",
    production_addresses=("10.2.0.12", "fd00:2::12"),
    production_networks=("10.2.0.0/24", "fd00:2::/64"),
    production_api_port=8696,
    production_gui_port=8797,
    production_collector_port=8606,
    production_elasticsearch="http://10.2.0.12:9200",
    production_login="basic",
    production_redis="",
    production_namespace="tracardi-production",
    production_secrets="vault: tracardi/production",
    requests_per_second=50,
    body_kib=1024,
    api_image="tracardi/com-tracardi-api:0.8.1",
    gui_image="tracardi/tracardi-gui:0.8.1",
    redis_image="redis:7.2-alpine",
    proxy_image="nginx:1.26-alpine",
    licensed=True,
    ingress_class="nginx",
    ingress_namespace="ingress-nginx",
)


def sample(**changed: Any) -> Answers:
    """Return the usual answers, but for some."""
    return replace(SAMPLE, **changed)
