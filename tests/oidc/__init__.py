"""An OpenID Connect provider of the tests' own, and the console set up to use it."""

import re
from html import unescape
from typing import Any

import requests
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.oidc.provider import CLIENT_ID, SECRET, Provider

START = "/account/sso/sso/login/"
CALLBACK = "/account/sso/sso/callback/"
ROLES = {"console-qa": "qa", "console-marketing": "marketing", "console-boss": "administrator"}


def use(settings: Settings, provider: Provider, **changed: Any) -> None:
    """Set the console up as its environment variables do; `changed` are further settings."""
    settings.OIDC_ISSUER = provider.issuer
    settings.OIDC_NAME = "Shop Login"
    settings.OIDC_ROLE_CLAIM = "roles"
    settings.OIDC_ROLES = ROLES
    settings.OIDC_ORIGINS = [provider.origin]
    app = {
        "provider_id": "sso",
        "name": "Shop Login",
        "client_id": CLIENT_ID,
        "secret": SECRET,
        "settings": {"server_url": provider.issuer},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}
    }
    for name, value in changed.items():
        setattr(settings, name, value)


def begin(client: Client, query: str = "") -> str:
    """Press the console's button, and return the provider's address where it leads."""
    answer = client.post(f"{reverse('openid_connect_login', args=['sso'])}{query}", secure=True)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def choose(address: str, person: str) -> str:
    """Press a person's button on the provider's page, and return where that leads."""
    with requests.Session() as browser:
        # A proxy of the machine's is not asked for its own addresses.
        browser.trust_env = False
        page = browser.get(address, timeout=10)
        assert page.status_code == 200, page.text
        form = re.search(r'<form method="post" action="([^"]+)">', page.text)
        assert form is not None
        assert f'<button name="person" value="{person}">' in page.text
        answer = browser.post(
            unescape(form[1]), data={"person": person}, timeout=10, allow_redirects=False
        )
    assert answer.status_code == 302, answer.text
    return str(answer.headers["Location"])


def come(client: Client, person: str, query: str = "") -> Any:
    """Go the whole way as a person, and return the console's answer to the way back."""
    return client.get(choose(begin(client, query), person), secure=True)
