"""The form of a recipe: what the console cannot know, and what it knows, to be corrected."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from django import forms

from environments.addresses import BadAddressError, host_and_port
from environments.models import Environment
from environments.naming import default_tenant
from environments.recipes import reading
from environments.recipes.answers import Answers, conflicts
from environments.recipes.reading import BadAnswerError

_AGAIN: Final = "Nothing was saved. Correct it."


class ReadField(forms.CharField):
    """A text that is read into its plain form, or refused in words."""

    def __init__(self, read: Callable[[str], Any], **more: Any) -> None:
        self._read = read
        super().__init__(**{"max_length": 1000, **more})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            found = self._read(text)
        except BadAnswerError as error:
            raise forms.ValidationError(f"{error} {_AGAIN}") from error
        if self.required and not found:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return found

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value


def _port(label: str, help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=1, max_value=65535, help_text=help_text)


def _networks(label: str, help_text: str) -> ReadField:
    return ReadField(reading.networks, label=label, help_text=help_text)


def _addresses(label: str, help_text: str, required: bool = True) -> ReadField:
    return ReadField(reading.addresses, label=label, help_text=help_text, required=required)


def _engine() -> ReadField:
    return ReadField(
        reading.engine_url,
        label="Elasticsearch",
        help_text="As its containers reach it, such as http://10.2.0.12:9200.",
    )


def _redis() -> ReadField:
    return ReadField(
        reading.redis_url,
        label="Redis elsewhere",
        required=False,
        help_text="Such as redis://10.1.0.13:6379. Empty: one of its own, beside it.",
    )


def _secrets() -> ReadField:
    return ReadField(
        reading.reference,
        label="Secrets are kept in",
        required=False,
        max_length=200,
        help_text="Where, such as vault: tracardi/staging. Never a secret itself.",
    )


class RecipeForm(forms.Form):
    """All that a recipe asks. `version` is the one that the page showed, 0 where there was none."""

    version_shown = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    staff_networks = _networks("Staff's networks", "Who reaches GUI, API and SSH: 10.9.0.0/24.")
    console_addresses = _addresses(
        "This console's addresses",
        "The IPs that it comes from: it reads and writes at Elasticsearch, and asks both APIs.",
        required=False,
    )
    ssh_port = _port("SSH port")

    staging_addresses = _addresses("IP addresses", "Private ones, where GUI and API listen.")
    staging_networks = _networks("Its private networks", "Such as 10.1.0.0/24.")
    staging_api_port = _port("Port of the API")
    staging_gui_port = _port("Port of the GUI")
    staging_elasticsearch = _engine()
    staging_redis = _redis()
    staging_secrets = _secrets()

    production_addresses = _addresses("IP addresses", "Private ones, where GUI and API listen.")
    production_networks = _networks(
        "Its private networks", "Such as 10.2.0.0/24; none of staging's."
    )
    production_api_port = _port("Port of the API")
    production_gui_port = _port("Port of the GUI")
    production_collector_port = _port(
        "Port of the collector", "On the server itself, for the proxy."
    )
    production_elasticsearch = _engine()
    production_redis = _redis()
    production_secrets = _secrets()

    public_name = ReadField(
        reading.public_name,
        label="Public name",
        help_text="Where shops reach the collector, such as collect.example.com.",
    )
    public_addresses = _addresses(
        "Public IP addresses",
        "Of production. Empty where a router translates them.",
        required=False,
    )
    tls_certificate = ReadField(reading.path, label="Certificate, with its chain")
    tls_key = ReadField(reading.path, label="Its key")
    requests_per_second = forms.IntegerField(
        label="Requests a second, of one visitor", min_value=1, max_value=100_000
    )
    body_kib = forms.IntegerField(label="Largest request, KiB", min_value=1, max_value=102_400)

    licensed = forms.BooleanField(label="The API's image needs a licence key", required=False)
    api_image = ReadField(reading.image, label="API")
    gui_image = ReadField(reading.image, label="GUI")
    redis_image = ReadField(reading.image, label="Redis")
    proxy_image = ReadField(reading.image, label="Proxy, in Kubernetes")

    staging_namespace = ReadField(reading.label, label="Namespace of staging")
    production_namespace = ReadField(reading.label, label="Namespace of production")
    ingress_class = ReadField(reading.label, label="Class of the ingress")
    ingress_namespace = ReadField(reading.label, label="Namespace of its controller")

    def __init__(
        self, staging: Environment, data: Any = None, kept: Mapping[str, Any] | None = None
    ) -> None:
        self._staging = staging
        self.answers: Answers | None = None
        super().__init__(data, initial={"version_shown": 0, **prefilled(staging), **(kept or {})})

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not self.errors:
            known = {field.name for field in fields(Answers)}
            given = {name: value for name, value in found.items() if name in known}
            answers = Answers(**{**given, **facts(self._staging)})
            for name, words in conflicts(answers):
                self.add_error(name, f"{words} {_AGAIN}")
            self.answers = answers
        return found

    def groups(self) -> list[dict[str, Any]]:
        """Return the fields as a person fills them in, group by group."""
        return [
            {"title": title, "help": words, "fields": [self[name] for name in names]}
            for title, words, names in GROUPS
        ]


GROUPS: Final = (
    (
        "Who may come in",
        "What comes from elsewhere is dropped, but at the public address.",
        ("staff_networks", "console_addresses", "ssh_port"),
    ),
    (
        "Staging",
        "A server that the public never reaches.",
        (
            "staging_addresses",
            "staging_networks",
            "staging_api_port",
            "staging_gui_port",
            "staging_elasticsearch",
            "staging_redis",
            "staging_secrets",
        ),
    ),
    (
        "Production",
        "A server of its own: GUI and API are private, the collector is public by way of a proxy.",
        (
            "production_addresses",
            "production_networks",
            "production_api_port",
            "production_gui_port",
            "production_collector_port",
            "production_elasticsearch",
            "production_redis",
            "production_secrets",
        ),
    ),
    (
        "The public address",
        "Of production alone, with TLS.",
        (
            "public_name",
            "public_addresses",
            "tls_certificate",
            "tls_key",
            "requests_per_second",
            "body_kib",
        ),
    ),
    (
        "Images",
        "Each with the tag that you have tried.",
        ("licensed", "api_image", "gui_image", "redis_image", "proxy_image"),
    ),
    (
        "Kubernetes",
        "For the manifests; without a cluster, leave them as they are.",
        ("staging_namespace", "production_namespace", "ingress_class", "ingress_namespace"),
    ),
)


def facts(staging: Environment) -> dict[str, Any]:
    """Return what the console knows, and nobody is asked."""
    production = staging.promotes_to
    own = staging.tenant == default_tenant(staging.catalogue.prefix)
    return {
        "tenant": "" if own else staging.tenant,
        "version": staging.version,
        "staging_login": staging.cluster.authentication,
        "production_login": production.cluster.authentication if production else "none",
    }


def prefilled(staging: Environment) -> dict[str, Any]:
    """Return what the console proposes, out of what it knows."""
    production = staging.promotes_to
    found: dict[str, Any] = {
        "ssh_port": 22,
        "staging_api_port": 8686,
        "staging_gui_port": 8787,
        "production_api_port": 8696,
        "production_gui_port": 8797,
        "production_collector_port": 8606,
        "tls_certificate": "/etc/ssl/tracardi/fullchain.pem",
        "tls_key": "/etc/ssl/tracardi/privkey.pem",
        "requests_per_second": 50,
        "body_kib": 1024,
        "licensed": True,
        "api_image": f"tracardi/com-tracardi-api:{staging.version}",
        "gui_image": f"tracardi/tracardi-gui:{staging.version}",
        "redis_image": "redis:7.2-alpine",
        "proxy_image": "nginx:1.26-alpine",
        "ingress_class": "nginx",
        "ingress_namespace": "ingress-nginx",
    }
    word = staging.tenant.replace("_", "-").strip("-")[:40]
    for side, environment in (("staging", staging), ("production", production)):
        found[f"{side}_namespace"] = f"tracardi-{word}-{side}"
        if environment is None:
            continue
        found[f"{side}_elasticsearch"] = _fitting(environment.cluster.url, reading.engine_url)
        if place := _place(environment.api_url):
            found[f"{side}_addresses"] = _fitting(place[0], reading.addresses)
            if place[1] not in {80, 443}:
                found[f"{side}_api_port"] = place[1]
    if production is not None and (place := _place(production.public_url)):
        found["public_name"] = _fitting(place[0], reading.public_name)
    return found


def _place(url: str) -> tuple[str, int] | None:
    try:
        return host_and_port(url) if url else None
    except BadAddressError:
        return None


def _fitting(text: str, read: Callable[[str], Any]) -> Any:
    """Return a proposal where it could be an answer, else nothing."""
    try:
        return read(text)
    except BadAnswerError:
        return ""
