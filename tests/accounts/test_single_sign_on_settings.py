"""What is wrong in the settings of single sign-on is said at the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RIGHT = {
    "ENV_FILE": str(ROOT / "devtools/test.env"),
    "OIDC_ISSUER": "https://login.example.com/realms/shop/",
    "OIDC_CLIENT_ID": "tracardi-console",
    "OIDC_CLIENT_SECRET": "not-told-to-anybody",
    "OIDC_ROLES": "console-qa=qa, cn=shop marketing=marketing",
}


def check(**changed: str) -> subprocess.CompletedProcess[str]:
    """Start as each command does, with these variables."""
    given = {name: value for name, value in {**RIGHT, **changed}.items() if value != "-"}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_settings_that_are_right_pass() -> None:
    done = check()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"OIDC_ROLES": "console-qa=tester"}, "E001", "'console-qa=tester', which gives no role"),
        ({"OIDC_ROLES": "console-qa"}, "E001", "'console-qa', which gives no role"),
        ({"OIDC_ROLES": "=qa"}, "E001", "which gives no role"),
        ({"OIDC_ROLES": "boss=administrator"}, "E002", "administrator's role to 'boss'"),
        ({"OIDC_ROLES": ""}, "W001", "nobody can come"),
        ({"OIDC_ISSUER": "http://login.example.com"}, "E003", "no https address"),
        ({"OIDC_ISSUER": "login.example.com"}, "E003", "no https address"),
        ({"OIDC_ORIGINS": "https://login.example.com/path"}, "E004", "which is no origin"),
        ({"OIDC_ORIGINS": "https://*.example.com"}, "E004", "which is no origin"),
        ({"OIDC_ORIGINS": "*"}, "E004", "which is no origin"),
    ],
)
def test_a_wrong_setting_is_named_with_a_code(
    changed: dict[str, str], code: str, words: str
) -> None:
    done = check(**changed)
    assert done.returncode == 1
    assert f"single_sign_on.{code}" in done.stderr
    assert words in done.stderr
    assert RIGHT["OIDC_CLIENT_SECRET"] not in done.stderr


@pytest.mark.parametrize("name", ["OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"])
def test_a_client_that_is_not_set_is_named(name: str) -> None:
    done = check(**{name: "-"})
    assert done.returncode == 2
    assert f"{name} is not set." in done.stderr


def test_plain_http_is_for_this_machine_alone() -> None:
    for host in ("localhost:8080", "127.0.0.2:8080", "[::1]:8080"):
        assert check(OIDC_ISSUER=f"http://{host}/realms/shop").returncode == 0


@pytest.mark.parametrize(
    ("changed", "origins"),
    [
        ({}, ["https://login.example.com"]),
        ({"OIDC_ORIGINS": "https://a.example.com,https://b.example.com"}, None),
        ({"OIDC_ORIGINS": ""}, []),
        ({"OIDC_ISSUER": "-"}, []),
    ],
)
def test_forms_lead_to_the_issuer_or_where_the_settings_say(
    changed: dict[str, str], origins: list[str] | None
) -> None:
    given = {name: value for name, value in {**RIGHT, **changed}.items() if value != "-"}
    show = (
        "from tracardi_console import settings as s;"
        "print(*s.CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action'])"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", show],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    wanted = changed["OIDC_ORIGINS"].split(",") if origins is None else origins
    assert done.stdout.split() == ["'self'", *wanted]
