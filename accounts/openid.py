"""How the console speaks OpenID Connect: each answer of the provider is checked before it counts.

On top of what django-allauth does, the id token's signature is verified always, the sign-in is tied
to it by a nonce, the user info must be of the same person, and every answer is bounded in time and
size. What is refused here is not signed in.
"""

import ipaddress
import time
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlsplit

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import Provider
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest

from accounts.claims import Identity, identity

# With a public key of the provider's; a shared secret, or none, signs nothing here.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
# How far apart the two clocks may be, in seconds.
LEEWAY: Final = 60
LARGEST_ANSWER: Final = 128 * 1024
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderError(OAuth2Error):  # type: ignore[misc]
    """The provider's answer cannot be trusted. `str()` is for the operator, and holds no secret."""


class ProviderDownError(ProviderError):
    """The provider did not answer, or said that it cannot."""


def is_private(url: str) -> bool:
    """Answer whether what is sent there is read by nobody on the way: TLS, or the same machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return bool(host)
        return parts.scheme == "http" and (
            host == "localhost" or ipaddress.ip_address(host).is_loopback
        )
    except ValueError:
        return False


def nonce_of(verifier: str) -> str:
    """Return what ties an id token to one sign-in; it comes of what only that session knows."""
    return sha256(f"nonce:{verifier}".encode()).hexdigest()


def ask(what: str, url: str, form: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """Return the object that the provider answers; a form is posted. `what` names it in errors.

    Raises:
        ProviderDownError: no answer in time, or an error of the server.
        ProviderError: the answer is another one, or leads elsewhere.
    """
    method, most = "GET" if form is None else "POST", settings.SOCIALACCOUNT_REQUESTS_TIMEOUT
    try:
        with (
            get_adapter().get_requests_session() as session,
            # A way elsewhere would take the secret along.
            session.request(
                method, url, data=form, allow_redirects=False, stream=True, **options
            ) as answer,
        ):
            if answer.status_code >= 500:
                raise ProviderDownError(f"{what}: HTTP {answer.status_code}.")
            if answer.status_code != 200:
                raise ProviderError(f"{what}: HTTP {answer.status_code}.")
            answer._content = _body(what, answer, time.monotonic() + most)
            held = answer.json()
    except requests.JSONDecodeError:
        raise ProviderError(f"{what}: the answer is no JSON.") from None
    except requests.RequestException as error:
        raise ProviderDownError(f"{what}: {type(error).__name__}.") from None
    if not isinstance(held, dict):
        raise ProviderError(f"{what}: the answer is no object.")
    return held


def _body(what: str, answer: requests.Response, until: float) -> bytes:
    """Read an answer to its end; one that trickles in is not waited for."""
    body = bytearray()
    said = answer.headers.get("Content-Length", "")
    too_long = said.isdecimal() and int(said) > LARGEST_ANSWER
    # More at once would be waited for until all of it is there.
    for byte in () if too_long else answer.iter_content(1):
        body += byte
        too_long = len(body) > LARGEST_ANSWER
        if too_long:
            break
        if time.monotonic() > until:
            raise ProviderDownError(f"{what}: the answer takes too long.")
    if too_long:
        raise ProviderError(f"{what}: the answer is too long.")
    return bytes(body)


class OpenIDAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """One sign-in with the provider of the settings."""

    nonce = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself, checked.

        Raises:
            ProviderError: it speaks for another issuer, or has an endpoint where all may listen.
        """
        if not hasattr(self, "_openid_config"):
            if not is_private(settings.OIDC_ISSUER):
                raise ProviderError("OIDC_ISSUER is not https.")
            held = ask("discovery", self.get_provider().server_url)
            if str(held.get("issuer")).rstrip("/") != settings.OIDC_ISSUER.rstrip("/"):
                raise ProviderError("discovery: the issuer is another one than OIDC_ISSUER.")
            for name in _ENDPOINTS:
                if not is_private(str(held.get(name))):
                    raise ProviderError(f"discovery: {name} is missing, or not https.")
            if held.get("userinfo_endpoint") and not is_private(str(held["userinfo_endpoint"])):
                raise ProviderError("discovery: userinfo_endpoint is not https.")
            self._openid_config = held
        return self._openid_config

    def get_access_token_data(
        self,
        request: HttpRequest,
        app: Any,
        client: OAuth2Client,
        pkce_code_verifier: str | None = None,
    ) -> dict[str, Any]:
        """Exchange the code for the tokens.

        Raises:
            ProviderError: it was refused, or there is no id token.
        """
        verifier = pkce_code_verifier or ""
        self.nonce = nonce_of(verifier)
        form = {
            "grant_type": "authorization_code",
            "code": request.GET.get("code", ""),
            "redirect_uri": client.callback_url,
            "code_verifier": verifier,
        }
        if client.basic_auth:
            secret = quote(app.secret, safe="")
            options = {"auth": requests.auth.HTTPBasicAuth(quote(app.client_id, safe=""), secret)}
        else:
            form |= {"client_id": app.client_id, "client_secret": app.secret}
            options = {}
        held = ask("token", self.access_token_url, form, **options)
        for name in ("access_token", "id_token"):
            if not isinstance(held.get(name), str):
                raise ProviderError(f"token: there is no {name}.")
        # Neither a token to renew it with nor its end is of use here.
        return {"access_token": held["access_token"], "id_token": held["id_token"]}

    def complete_login(
        self, request: HttpRequest, app: Any, token: Any, **kwargs: Any
    ) -> SocialLogin:
        """Return the sign-in of whom the provider's answers are about, both of them checked.

        Raises:
            ProviderError: they cannot be trusted, or are about two people.
        """
        claims = self._verified(kwargs["response"]["id_token"], app.client_id)
        info: dict[str, Any] = {}
        if url := self.openid_config.get("userinfo_endpoint"):
            info = ask("userinfo", url, headers={"Authorization": f"Bearer {token.token}"})
            if info.get("sub") != claims["sub"]:
                raise ProviderError("userinfo: it is about another person than the id token.")
        return self.get_provider().sociallogin_from_response(request, identity(claims, info))

    def _verified(self, raw: str, client_id: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(
                raw,
                self._key(raw),
                algorithms=ALGORITHMS,
                audience=client_id,
                issuer=self.openid_config["issuer"],
                leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise ProviderError(f"id token: {type(error).__name__}.") from None
        if not claims["sub"] or not claims["sub"].isprintable():
            raise ProviderError("id token: it names nobody.")
        if claims.get("azp", client_id) != client_id:
            raise ProviderError("id token: it was made for another application.")
        if claims.get("nonce") != self.nonce:
            raise ProviderError("id token: it is of another sign-in.")
        return claims

    def _key(self, raw: str) -> jwt.PyJWK:
        named = jwt.get_unverified_header(raw).get("kid")
        held = jwt.PyJWKSet.from_dict(ask("keys", self.openid_config["jwks_uri"]))
        usable = [key for key in held.keys if key.public_key_use in (None, "sig")]
        found = [key for key in usable if named is None or key.key_id == named]
        if len(found) != 1:
            raise ProviderError("id token: the provider has no such key.")
        return found[0]


class ConsoleProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """The provider of the settings; of each person it keeps who it is, and nothing more."""

    oauth2_adapter_class = OpenIDAdapter

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Return where to go afterwards; what is asked of the provider is not the browser's."""
        asked: dict[str, Any] = Provider.get_redirect_from_request_kwargs(self, request)
        return asked

    def get_pkce_params(self) -> dict[str, str]:
        asked: dict[str, str] = super().get_pkce_params()
        return {**asked, "nonce": nonce_of(asked["code_verifier"])}

    def sociallogin_from_response(self, request: HttpRequest, response: Identity) -> SocialLogin:
        made = super().sociallogin_from_response(request, response)
        made.identity = response
        return made

    def extract_uid(self, data: Identity) -> str:
        return data.uid

    def extract_extra_data(self, data: Identity) -> dict[str, str]:
        return {"iss": data.issuer, "sub": data.subject}

    def extract_common_fields(self, data: Identity) -> dict[str, str]:
        return {"first_name": data.first_name, "last_name": data.last_name}

    def extract_email_addresses(self, data: Identity) -> list[Any]:
        return []
