"""Handing the administration over: offered, accepted, at once; and recovered on the server."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import handover, people
from accounts.audit import command_actor
from accounts.handover import HandoverError
from accounts.models import AuditEvent, Handover, User
from accounts.policy import may
from accounts.roles import Role, Verb
from tests.accounts.conftest import Cast, give_factor, told
from tests.factories import FACTORS, enter, prove


@pytest.fixture
def offered(cast: Cast) -> Handover:
    give_factor(cast.qa)
    return handover.offer(command_actor(cast.admin), cast.qa, afterwards=Role.MARKETING)


def roles() -> dict[str, tuple[str, bool]]:
    return {one.username: (one.role, one.is_active) for one in User.objects.all()}


def test_one_offers_the_other_accepts_and_both_change_at_once(
    cast: Cast, settings: Settings
) -> None:
    settings.MAIL_CONFIGURED = True
    give_factor(cast.qa)
    old, new = enter(cast.admin), enter(cast.qa)
    data = {"person": cast.qa.pk, "afterwards": "marketing", "reason": "I change jobs"}
    page = old.post(reverse("accounts:handover"), data, secure=True, follow=True)
    assert "Offered to qa" in page.content.decode()
    assert mail.outbox[0].to == [cast.qa.email]
    # Nothing has changed yet.
    assert roles()["administrator"] == ("administrator", True)

    assert "offers you the administration" in new.get("/builds/", secure=True).content.decode()
    made = Handover.objects.get()
    new.post(reverse("accounts:accept-handover", args=[made.pk]), secure=True)
    assert roles() == {
        "administrator": ("marketing", True),
        "qa": ("administrator", True),
        "marketing": ("marketing", True),
    }
    for user, allowed in ((User.objects.get(username="qa"), True), (cast.admin, False)):
        fresh = User.objects.get(pk=user.pk)
        assert bool(may(fresh, Verb.PROMOTE, cast.production)) is allowed
        assert bool(may(fresh, Verb.MANAGE)) is allowed
    # Who promotes never approves.
    assert not may(User.objects.get(username="qa"), Verb.REVIEW, cast.production)
    for client in (old, new):
        assert client.get("/builds/", secure=True).headers["Location"].startswith("/account/login/")
    assert told("handover.offered") == [("administrator", "done")]
    assert told("handover.accepted") == [("qa", "done")]


def test_accepting_asks_for_a_proof_first(cast: Cast, offered: Handover) -> None:
    client = enter(cast.qa)
    prove(client, cast.qa, FACTORS, ago=3600)
    answer = client.post(reverse("accounts:accept-handover", args=[offered.pk]), secure=True)
    assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert roles()["qa"] == ("qa", True)
    assert told("handover.accepted") == [("qa", "refused")]


def test_whoever_leaves_is_switched_off(cast: Cast) -> None:
    give_factor(cast.qa)
    made = handover.offer(command_actor(cast.admin), cast.qa, afterwards=None)
    handover.accept(command_actor(cast.qa), made)
    # It keeps the least, should it ever be switched on.
    assert roles()["administrator"] == ("marketing", False)


@pytest.mark.parametrize("how", ["declined", "withdrawn", "over"])
def test_an_offer_that_has_ended_is_accepted_no_more(
    cast: Cast, offered: Handover, how: str
) -> None:
    if how == "over":
        offered.offered_at = timezone.now() - timedelta(days=4)
        offered.save()
    else:
        who = cast.qa if how == "declined" else cast.admin
        url = reverse("accounts:end-handover", args=[offered.pk])
        enter(who).post(url, secure=True)
        assert told(f"handover.{how}") == [(who.username, "done")]
    with pytest.raises(HandoverError, match="withdrawn, answered or is over"):
        handover.accept(command_actor(cast.qa), offered)
    assert roles()["qa"] == ("qa", True)
    # Another one can be made.
    handover.offer(command_actor(cast.admin), cast.qa, afterwards=None)


def test_an_offer_is_nobody_elses(cast: Cast, offered: Handover) -> None:
    for name in ("accounts:accept-handover", "accounts:end-handover"):
        answer = enter(cast.marketing).post(reverse(name, args=[offered.pk]), secure=True)
        assert answer.status_code == 404
    with pytest.raises(HandoverError, match="not offered to you"):
        handover.accept(command_actor(cast.marketing), offered)
    with pytest.raises(HandoverError, match="not offered to you"):
        handover.accept(command_actor(cast.admin), offered)
    assert roles()["qa"] == ("qa", True)


def test_there_is_one_offer_at_a_time(cast: Cast, offered: Handover) -> None:
    give_factor(cast.marketing)
    with pytest.raises(HandoverError, match="Another offer waits"):
        handover.offer(command_actor(cast.admin), cast.marketing, afterwards=None)
    assert Handover.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("no factor", "second factor first"),
        ("off", "switched off"),
        ("no password", "has no password"),
    ],
)
def test_some_people_cannot_be_offered_it(cast: Cast, state: str, words: str) -> None:
    if state != "no factor":
        give_factor(cast.qa)
    if state == "off":
        people.switch_off(command_actor(cast.admin), cast.qa)
    if state == "no password":
        cast.qa.set_unusable_password()
        cast.qa.save()
    with pytest.raises(HandoverError, match=words):
        handover.offer(command_actor(cast.admin), cast.qa, afterwards=None)
    assert not Handover.objects.exists()
    assert told("handover.offered") == [("administrator", "refused")]


def test_who_was_switched_off_meanwhile_accepts_nothing(cast: Cast, offered: Handover) -> None:
    people.switch_off(command_actor(cast.admin), cast.qa)
    cast.qa.refresh_from_db()
    with pytest.raises(HandoverError):
        handover.accept(command_actor(cast.qa), offered)
    assert roles()["administrator"] == ("administrator", True)


def command(*arguments: str) -> tuple[int, str]:
    out, errors = StringIO(), StringIO()
    try:
        call_command("handover", *arguments, stdout=out, stderr=errors)
    except SystemExit as end:
        return int(str(end.code)), errors.getvalue()
    return 0, out.getvalue()


def test_lost_access_is_recovered_on_the_server(cast: Cast, offered: Handover) -> None:
    inside = enter(cast.admin)
    code, words = command("marketing", "--reason", "Ada is gone")
    assert (code, "marketing is the administrator" in words) == (0, True)
    assert roles()["administrator"] == ("marketing", False)
    assert roles()["marketing"] == ("administrator", True)
    assert inside.get("/builds/", secure=True).status_code == 302
    event = AuditEvent.objects.get(action="handover.recovered")
    assert (event.channel, event.reason, bool(event.system_user)) == ("cli", "Ada is gone", True)
    offered.refresh_from_db()
    assert offered.status == "withdrawn"


def test_the_former_one_may_stay_as_something_else(cast: Cast) -> None:
    assert command("qa", "--reason", "Swap", "--former", "qa")[0] == 0
    assert roles() == {
        "administrator": ("qa", True),
        "qa": ("administrator", True),
        "marketing": ("marketing", True),
    }


def test_an_administrator_who_lost_everything_gets_in_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_factor(cast.admin)
    monkeypatch.setattr("sys.stdin", StringIO("another long phrase 8\n"))
    code, words = command("administrator", "--reason", "Phone lost", "--reset-sign-in")
    assert (code, "set up at the next sign-in" in words) == (0, True)
    admin = User.objects.get(username="administrator")
    assert admin.check_password("another long phrase 8")
    assert not Authenticator.objects.filter(user=admin).exists()
    assert admin.role == "administrator"
    event = AuditEvent.objects.get(action="account.sign-in-renewed")
    assert (event.reason, event.detail) == ("Phone lost", {"types": ["recovery_codes", "totp"]})


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nobody", "--reason", "x"], 2, "no account called nobody"),
        (["qa", "--reason", " "], 2, "--reason is empty"),
        (["administrator", "--reason", "x"], 3, "administrator already"),
    ],
)
def test_a_wrong_recovery_changes_nothing(
    cast: Cast, arguments: list[str], code: int, words: str
) -> None:
    before = roles()
    found = command(*arguments)
    assert (found[0], words in found[1], "Nothing was changed." in found[1]) == (code, True, True)
    assert roles() == before
    assert told("handover.recovered") == ([("Console", "refused")] if code == 3 else [])


def test_a_weak_password_recovers_nothing(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    before: Any = roles()
    monkeypatch.setattr("sys.stdin", StringIO("short\n"))
    assert command("qa", "--reason", "x", "--reset-sign-in")[0] == 2
    assert roles() == before
