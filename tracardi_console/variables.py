"""Reads the console's variables: from the environment, from a file of them, from files of secrets.

Whatever is wrong with one is said in a line that names the variable and never its value.
"""

import io
import os
import re
from collections import ChainMap
from pathlib import Path
from typing import Any, Final

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

# What a file may hold instead, as secrets of containers and of systemd come: NAME_FILE is its path.
SECRETS: Final = frozenset(
    {
        *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "ENCRYPTION_KEYS", "DATABASE_URL", "EMAIL_URL"),
        *("OIDC_CLIENT_SECRET", "METRICS_TOKEN"),
    }
)
ENGINES: Final = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
_MAKE_SECRET: Final = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"  # noqa: S105
# Fernet's own way to make one needs a package; this is the same without it.
_MAKE_KEY: Final = (
    "python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
)
_HOW: Final = {
    "SECRET_KEY": f"Make one with: {_MAKE_SECRET}",
    "ENCRYPTION_KEYS": f"Make one with: {_MAKE_KEY}",
}
_KINDS: Final = {int: "a whole number", float: "a number"}
_YES_AND_NO: Final = frozenset(
    {"true", "on", "ok", "y", "yes", "1", "false", "off", "n", "no", "0", ""}
)


class Variables(environ.Env):  # type: ignore[misc]
    """django-environ, with files of secrets, and with errors that are fit for people."""

    def __init__(self) -> None:
        super().__init__()
        # What files held is not handed to the processes that this one starts.
        self.ENVIRON = ChainMap[str, str]({}, os.environ)

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **more: Any
    ) -> Any:
        """Return a variable's value.

        Raises:
            ImproperlyConfigured: it is missing, cannot be read, or is not of its kind.
        """
        self._take_file(var)
        if var not in self.ENVIRON and default is self.NOTSET:
            how = f" {_HOW[var]}" if var in _HOW else ""
            raise ImproperlyConfigured(f"{var} is not set.{how}")
        if cast is bool and str(self.ENVIRON.get(var, "")).strip().lower() not in _YES_AND_NO:
            raise ImproperlyConfigured(f"{var} is neither yes nor no: write True or False.")
        try:
            return super().get_value(var, cast=cast, default=default, **more)
        except ValueError as error:
            kind = _KINDS.get(cast, "what it has to be")
            raise ImproperlyConfigured(f"{var} is not {kind}.") from error

    def _take_file(self, var: str) -> None:
        path = self.ENVIRON.get(f"{var}_FILE", "")
        if var not in SECRETS or not path or var in self.ENVIRON.maps[0]:
            return
        if self.ENVIRON.get(var):
            raise ImproperlyConfigured(f"{var} and {var}_FILE are both set: leave one out.")
        try:
            self.ENVIRON[var] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise ImproperlyConfigured(f"{var}_FILE cannot be read: {why}.") from error

    def secret(self, var: str) -> str:
        """Return a secret that the console does not start without.

        Raises:
            ImproperlyConfigured: it is missing or empty.
        """
        value: str = self.str(var)
        if not value:
            raise ImproperlyConfigured(f"{var} is empty. {_HOW[var]}")
        return value

    def encryption_keys(self, var: str) -> list[str]:
        """Return the Fernet keys of a variable, the newest first.

        Raises:
            ImproperlyConfigured: there is none, or one is no Fernet key.
        """
        keys: list[str] = [one.strip() for one in self.list(var) if one.strip()]
        if not keys:
            raise ImproperlyConfigured(f"{var} is empty. {_HOW[var]}")
        for place, key in enumerate(keys, 1):
            try:
                Fernet(key)
            except ValueError as error:
                raise ImproperlyConfigured(
                    f"{var} holds something that is no key, at place {place}. {_HOW[var]}"
                ) from error
        return keys

    def database(self, var: str, default: str) -> dict[str, Any]:
        """Return how Django reaches the database.

        Raises:
            ImproperlyConfigured: it is no address of SQLite or PostgreSQL.
        """
        bad = ImproperlyConfigured(
            f"{var} is no address of a database. Write postgres://USER:PASSWORD@HOST:5432/NAME, or "
            "sqlite:////an/absolute/path/console.sqlite3; characters such as @ and / in a password "
            "have to be percent-encoded."
        )
        if not re.match(
            r"(sqlite|postgres|postgresql|psql|pgsql)://", self.str(var, default=default)
        ):
            raise bad
        try:
            found: dict[str, Any] = self.db_url(var, default=default)
        except Exception as error:
            # Whatever parsing an address raises; its words may hold the password.
            raise bad from error
        if found.get("ENGINE") not in ENGINES or not found.get("NAME"):
            raise bad
        return found


def read(project: Path) -> Variables:
    """Return the variables, with those of the file that ENV_FILE names, else of `.env`.

    Raises:
        ImproperlyConfigured: ENV_FILE names a file that cannot be read.
    """
    env = Variables()
    named = env.str("ENV_FILE", default=str(project / ".env"))
    try:
        with Path(named).open(encoding="utf-8") as stream:
            Variables.read_env(io.StringIO(stream.read()))
    except FileNotFoundError as error:
        if "ENV_FILE" in os.environ:
            raise ImproperlyConfigured(f"ENV_FILE names {named}, which is not there.") from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ImproperlyConfigured(f"{named} cannot be read: {why}.") from error
    return env
