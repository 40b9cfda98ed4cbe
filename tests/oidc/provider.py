"""A small OpenID Connect provider on a loopback address of its own, which can misbehave.

It gives a code to whoever presses a person's button, and tokens for a code that is right in all:
client, secret, redirect address, PKCE verifier, and not used before.
"""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.oidc.trouble import Trouble

CLIENT_ID, SECRET = "tracardi-console", "s3cret/of the+client"
HOST = "127.0.0.2"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Code:
    """What a code was given for."""

    person: str
    asked: dict[str, str]


@dataclass
class Provider:
    """The provider; `people` are the claims of each person who can be chosen."""

    port: int = 0
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Sent as user info alone, not in the id token.
    only_in_userinfo: set[str] = field(default_factory=set)
    trouble: Trouble = Trouble.NOTHING
    methods: tuple[str, ...] = ("client_secret_basic", "client_secret_post")
    redirects: set[str] = field(
        default_factory=lambda: {"https://testserver/account/sso/sso/callback/"}
    )
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    # All that only the console may know, and is kept nowhere.
    given: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: _make_key())

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def issuer(self) -> str:
        return f"{self.origin}/realms/shop"

    def discovery(self) -> dict[str, Any]:
        base = self.issuer
        held: dict[str, Any] = {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "userinfo_endpoint": f"{base}/userinfo",
            "jwks_uri": f"{base}/keys",
            "token_endpoint_auth_methods_supported": list(self.methods),
        }
        if self.trouble is Trouble.SPEAKS_FOR_ANOTHER:
            held["issuer"] = "https://login.example.com"
        if self.trouble is Trouble.LISTENED_TO:
            held["token_endpoint"] = "http://login.example.com/token"
        if self.trouble is Trouble.NO_ENDPOINT:
            del held["jwks_uri"]
        return held

    def keys(self) -> dict[str, Any]:
        if self.trouble is Trouble.NO_KEYS:
            return {"keys": []}
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str]) -> Answer:
        wrong = self._wrong(asked)
        if wrong:
            return 400, {}, wrong.encode()
        self.asked.append(asked)
        query = html.escape(urlencode(asked))
        buttons = "".join(
            f'<p><button name="person" value="{html.escape(who)}">{html.escape(who)}</button></p>'
            for who in self.people
        )
        page = (
            '<!doctype html><html lang="en"><link rel="icon" href="data:,">'
            f"<title>Provider</title><h1>Who are you?</h1>"
            f'<form method="post" action="{self.issuer}/choose?{query}">{buttons}</form>'
        )
        return 200, {"Content-Type": "text/html; charset=utf-8"}, page.encode()

    def _wrong(self, asked: dict[str, str]) -> str:
        if asked.get("client_id") != CLIENT_ID or asked.get("redirect_uri") not in self.redirects:
            return "unknown client or redirect_uri"
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return "only the code flow, with the scope openid"
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return "PKCE with S256 is required"
        return "" if asked.get("state") else "state is required"

    def choose(self, asked: dict[str, str], person: str) -> Answer:
        if self._wrong(asked) or person not in self.people:
            return 400, {}, b"wrong"
        code = self._secret()
        self.codes[code] = Code(person, asked)
        back = {"state": asked["state"], "code": code}
        if self.trouble is Trouble.DENIES:
            back = {"state": asked["state"], "error": "access_denied"}
        if self.trouble is Trouble.CANNOT:
            back = {"state": asked["state"], "error": "invalid_scope", "error_description": "<b>no"}
        if self.trouble is Trouble.FOREIGN_STATE:
            back["state"] = "of-somebody-else1"
        return 302, {"Location": f"{asked['redirect_uri']}?{urlencode(back)}"}, b""

    def token(self, form: dict[str, str], authorization: str) -> Answer:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.startswith("Basic "):
            held = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            name, secret = (unquote(part) for part in held.split(":"))
        if (name, secret) != (CLIENT_ID, SECRET):
            return answer_json({"error": "invalid_client"}, 401)
        code = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        self.given.append(verifier)
        if (
            code is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != code.asked["redirect_uri"]
            or challenge.rstrip(b"=").decode() != code.asked["code_challenge"]
        ):
            return answer_json({"error": "invalid_grant"}, 400)
        token = self._secret()
        self.tokens[token] = code.person
        answer = {"access_token": token, "token_type": "Bearer", "refresh_token": self._secret()}
        if self.trouble is not Trouble.NO_ID_TOKEN:
            answer["id_token"] = self._id_token(code)
            self.given.append(answer["id_token"])
        return answer_json({**answer, "expires_in": 300})

    def _id_token(self, code: Code) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        claims |= {"nonce": code.asked.get("nonce"), "sub": code.person, "jti": secrets.token_hex()}
        held = self.people[code.person]
        claims |= {name: held[name] for name in held if name not in self.only_in_userinfo}
        kid, algorithm, key = "one", "RS256", self.key
        match self.trouble:
            case Trouble.WRONG_ISSUER:
                claims["iss"] = "https://login.example.com"
            case Trouble.WRONG_AUDIENCE:
                claims["aud"] = "another-application"
            case Trouble.OTHER_PARTY:
                claims |= {"aud": [CLIENT_ID, "another"], "azp": "another"}
            case Trouble.EXPIRED:
                claims |= {"iat": now - 4000, "exp": now - 3600}
            case Trouble.NO_END:
                del claims["exp"]
            case Trouble.BAD_SIGNATURE:
                key = _make_key()
            case Trouble.UNKNOWN_KEY:
                kid = "two"
            case Trouble.WRONG_NONCE:
                claims["nonce"] = "of another sign-in"
            case Trouble.NO_NONCE:
                del claims["nonce"]
            case Trouble.NO_SUBJECT:
                claims["sub"] = ""
            case Trouble.UNPRINTABLE_SUBJECT:
                claims["sub"] = "quinn\x00"
            case Trouble.NOT_A_TOKEN:
                return "no.token"
            case Trouble.NO_SIGNATURE:
                return jwt.encode(claims, "", algorithm="none", headers={"kid": kid})
            case Trouble.SHARED_SECRET:
                return jwt.encode(claims, SECRET * 3, algorithm="HS256", headers={"kid": kid})
            case _:
                pass
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})

    def userinfo(self, authorization: str) -> Answer:
        person = self.tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return answer_json({"error": "invalid_token"}, 401)
        if self.trouble is Trouble.BROKEN_USERINFO:
            return 500, {}, b"no"
        held = {"sub": person, **self.people[person]}
        if self.trouble is Trouble.OTHER_PERSON:
            held["sub"] = "somebody-else"
        if self.trouble is Trouble.NO_PERSON:
            del held["sub"]
        return answer_json(held)

    def _secret(self) -> str:
        self.given.append(secrets.token_urlsafe(24))
        return self.given[-1]


def _make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def answer_json(held: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(held).encode()
