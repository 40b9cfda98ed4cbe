"""Tracardi's own settings as a recipe gives them. Pure.

The names are those of Tracardi 0.8: `tracardi/config.py` and `version.py`, and `app/config.py` of
its API.
"""

from dataclasses import dataclass
from typing import Final

from environments.recipes.answers import API_KEY, BASIC, Answers, Side

# The one name of the licence key, for both sides: one licence covers them.
LICENCE: Final = "LICENSE"
# What the proxy passes the visitor's address in, and Tracardi takes it from.
CLIENT_HEADER: Final = "X-Real-IP"


@dataclass(frozen=True)
class Secret:
    """A setting whose value is never in a recipe. `of_redis` says that Redis needs it too."""

    name: str
    why: str
    of_redis: bool = False


def secrets(answers: Answers, side: Side) -> tuple[Secret, ...]:
    """Return the settings of one side that are secret, or are nobody's business here."""
    found = []
    if answers.licensed:
        found.append(Secret(LICENCE, "the licence key: the same one for staging and production"))
    found += [
        Secret("INSTALLATION_TOKEN", "asked for at Tracardi's first start; long and random"),
        Secret("AUTO_PROFILE_MERGING", "what ids of profiles are hashed with; 20 letters or more"),
    ]
    if side.login == BASIC:
        found += [
            Secret("ELASTIC_HTTP_AUTH_USERNAME", "Tracardi's own account at Elasticsearch"),
            Secret("ELASTIC_HTTP_AUTH_PASSWORD", "its password"),
        ]
    if side.login == API_KEY:
        found += [
            Secret("ELASTIC_API_KEY_ID", "the id of Tracardi's own API key at Elasticsearch"),
            Secret("ELASTIC_API_KEY", "the key itself"),
        ]
    found.append(
        Secret(
            "REDIS_PASSWORD",
            "the password of this side's Redis, of letters and digits",
            of_redis=True,
        )
    )
    return tuple(found)


def settings(answers: Answers, side: Side, *, gui_api: bool) -> dict[str, str]:
    """Return the settings of one of Tracardi's servers that are no secret."""
    https = side.elasticsearch.startswith("https://")
    found = {
        "PRODUCTION": "yes" if side.is_production else "no",
        "EXPOSE_GUI_API": "yes" if gui_api else "no",
        "API_DOCS": "no" if side.is_production else "yes",
        "MULTI_TENANT": "no",
        "ELASTIC_HOST": side.elasticsearch,
        "ELASTIC_SCHEME": "https" if https else "http",
        "ELASTIC_VERIFY_CERTS": "yes" if https else "no",
        "REDIS_HOST": side.redis_host,
        "LOGGING_LEVEL": "warning" if side.is_production else "info",
    }
    if answers.tenant:
        found = {"TENANT_NAME": answers.tenant, **found}
    if side.is_production and not gui_api:
        found["USE_X_FORWARDED_IP"] = CLIENT_HEADER
    return found
