"""The commands that start a console."""

from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command

from accounts.models import AuditEvent, User

pytestmark = pytest.mark.django_db


def answer(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(f"{password}\n"))


def test_create_admin_makes_the_one_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "a long enough one 81")
    call_command("create_admin", "ada", stdout=StringIO())
    user = User.objects.get()
    assert (user.role, user.check_password("a long enough one 81")) == ("administrator", True)
    assert AuditEvent.objects.get().action == "account.created"
    answer(monkeypatch, "another long one 82")
    errors = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("create_admin", "eve", stderr=errors)
    assert end.value.code == 2
    assert "active administrator already" in errors.getvalue()
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["", "short", "password1234"])
def test_create_admin_refuses_a_weak_password(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    answer(monkeypatch, password)
    with pytest.raises(SystemExit) as end:
        call_command("create_admin", "ada", stderr=StringIO())
    assert end.value.code == 2
    assert not User.objects.exists()


def test_createsuperuser_is_refused_with_the_way_to_go() -> None:
    errors = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("createsuperuser", stderr=errors)
    assert end.value.code == 3
    assert "create_admin" in errors.getvalue()
    assert not User.objects.exists()


def test_make_key_prints_a_usable_key() -> None:
    out = StringIO()
    call_command("make_key", stdout=out)
    assert (
        Fernet(out.getvalue().strip()).decrypt(Fernet(out.getvalue().strip()).encrypt(b"x")) == b"x"
    )
