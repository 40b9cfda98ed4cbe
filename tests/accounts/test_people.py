"""People's pages: invite, change, switch off and on, and look as they do."""

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.urls import reverse
from pytest_django import Settings

from accounts import people, view_as
from accounts.audit import command_actor, system_actor
from accounts.authorising import NotAllowedError
from accounts.mail import password_path
from accounts.models import AuditEvent, User
from accounts.policy import may
from accounts.roles import Role, Verb
from tests.accounts.conftest import Cast, give_factor, sign_in, stranger, told
from tests.factories import FACTORS, enter, prove
from tests.mail_servers import mail_server

NEW = "a quite new phrase 9"
LINK = re.compile(r"https://testserver(/account/password/reset/key/[\w-]+/)")


def form_of(cast: Cast, **other: Any) -> dict[str, Any]:
    return {
        "username": "nina",
        "first_name": "Nina",
        "last_name": "New",
        "email": "nina@example.com",
        "role": "qa",
        "environments": [cast.staging.pk],
        **other,
    }


def test_an_invitation_is_looked_at_sent_and_accepted(cast: Cast, settings: Settings) -> None:
    settings.MAIL_CONFIGURED = True
    client = enter(cast.admin)
    looked_at = client.post(reverse("accounts:invite"), form_of(cast), secure=True)
    page = looked_at.content.decode()
    assert "What Nina New will see, as qa" in page
    assert "approve or reject a build" in page
    assert not User.objects.filter(username="nina").exists()

    client.post(reverse("accounts:invite"), form_of(cast, step="send"), secure=True)
    nina = User.objects.get(username="nina")
    assert (nina.role, nina.is_invited, nina.has_usable_password()) == ("qa", True, False)
    assert may(nina, Verb.CAPTURE, cast.staging)
    assert not may(nina, Verb.VIEW_DASHBOARD, cast.production)
    (sent,) = mail.outbox
    assert sent.to == ["nina@example.com"]
    assert sent.subject == "Your account on Tracardi Console"
    link = re.search(r"https://testserver(\S+)", str(sent.body))
    assert link is not None

    theirs = stranger()
    form = theirs.get(link.group(1), secure=True).headers["Location"]
    theirs.post(form, {"password1": NEW, "password2": NEW}, secure=True)
    assert sign_in(theirs, nina, NEW).status_code == 302
    nina.refresh_from_db()
    assert not nina.is_invited
    assert told("account.invited") == [("administrator", "done")]
    assert told("account.granted")[-1] == ("administrator", "done")


def test_without_mail_the_link_is_shown_once(cast: Cast) -> None:
    client = enter(cast.admin)
    answer = client.post(reverse("accounts:invite"), form_of(cast, step="send"), secure=True)
    page = answer.content.decode()
    link = re.search(r"https://testserver(/account/password/reset/key/[\w-]+/)", page)
    assert link is not None
    assert answer.headers["Cache-Control"] == "no-store"
    person = reverse("accounts:person", args=[User.objects.get(username="nina").pk])
    assert "reset/key" not in client.get(person, secure=True).content.decode()
    assert link.group(1) not in str([one.facts for one in AuditEvent.objects.all()])


def test_another_invitation_ends_the_one_before(cast: Cast) -> None:
    client = enter(cast.admin)
    first = client.post(reverse("accounts:invite"), form_of(cast, step="send"), secure=True)
    nina = User.objects.get(username="nina")
    again = client.post(reverse("accounts:renew-link", args=[nina.pk]), secure=True)
    old, new = (LINK.findall(one.content.decode())[0] for one in (first, again))
    assert "This link does not work" in stranger().get(old, secure=True).content.decode()
    assert stranger().get(new, secure=True).status_code == 302


def test_a_forgotten_password_is_helped_without_mail(cast: Cast) -> None:
    inside, client = enter(cast.qa), enter(cast.admin)
    answer = client.post(reverse("accounts:renew-link", args=[cast.qa.pk]), secure=True)
    (link,) = LINK.findall(answer.content.decode())
    assert inside.get("/builds/", secure=True).status_code == 302
    theirs = stranger()
    form = theirs.get(link, secure=True).headers["Location"]
    theirs.post(form, {"password1": NEW, "password2": NEW}, secure=True)
    assert User.objects.get(pk=cast.qa.pk).check_password(NEW)
    assert told("account.link-renewed") == [("administrator", "done")]
    assert AuditEvent.objects.get(action="account.link-given").detail == {"shown": True}


@pytest.mark.parametrize("act", ["signed out", "switched off", "off and on"])
def test_an_old_link_is_worth_nothing_after_the_administrator_reacted(cast: Cast, act: str) -> None:
    link, actor = password_path(cast.qa), command_actor(cast.admin)
    if act == "signed out":
        people.sign_out(actor, cast.qa)
    else:
        people.switch_off(actor, cast.qa)
    if act == "off and on":
        people.switch_on(actor, cast.qa)
    assert "This link does not work" in stranger().get(link, secure=True).content.decode()


def test_a_changed_address_is_told_to_the_former_one(cast: Cast, settings: Settings) -> None:
    settings.MAIL_CONFIGURED = True
    data = {"first_name": "Q", "last_name": "", "email": "new@example.com"}
    url = reverse("accounts:person", args=[cast.qa.pk])
    enter(cast.admin).post(url, data, secure=True)
    (sent,) = mail.outbox
    assert sent.to == ["qa@example.com"]
    data["email"] = cast.marketing.email.upper()
    answer = enter(cast.admin).post(url, data, secure=True)
    assert "Another account has this address" in answer.content.decode()
    data = {"first_name": "Q\u202eA", "last_name": "", "email": ""}
    assert enter(cast.admin).post(url, data, secure=True).status_code == 400


def test_that_nobody_knows_whether_a_mail_came_is_said_so(cast: Cast, settings: Settings) -> None:
    settings.MAIL_CONFIGURED = True
    client = enter(cast.admin)
    with mail_server(settings, at_end=None):
        answer = client.post(reverse("accounts:invite"), form_of(cast, step="send"), secure=True)
        text = answer.content.decode()
        assert "It is not known whether the mail server took the mail" in text
        assert "No mail was sent" not in text
        assert "reset/key" in text
        where = reverse("accounts:person", args=[cast.qa.pk])
        data = {"first_name": "Q", "last_name": "", "email": "new@example.com"}
        text = client.post(where, data, secure=True, follow=True).content.decode()
        assert "qa@example.com may not have been told of it" in text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("accounts:set-rights", {"role": "marketing"}),
        ("accounts:switch", {"to": "on"}),
        ("accounts:renew-link", {}),
        ("accounts:person", {"first_name": "X", "last_name": "", "email": "x@example.com"}),
    ],
)
def test_what_gives_power_away_asks_for_a_proof(
    cast: Cast, name: str, data: dict[str, str]
) -> None:
    client = enter(cast.admin)
    prove(client, cast.admin, FACTORS, ago=3600)
    answer = client.post(reverse(name, args=[cast.qa.pk]), data, secure=True)
    assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    fresh = User.objects.get(pk=cast.qa.pk)
    assert (fresh.role, fresh.email, fresh.first_name) == ("qa", "qa@example.com", "")
    sent = client.post(reverse("accounts:invite"), form_of(cast, step="send"), secure=True)
    assert sent.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert not User.objects.filter(username="nina").exists()


def test_who_was_administrator_once_can_be_given_a_role_again(cast: Cast) -> None:
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    old, actor = User.objects.get(pk=cast.admin.pk), system_actor()
    with pytest.raises(people.PeopleError):
        people.switch_on(actor, old)
    people.change_role(actor, old, Role.MARKETING)
    people.switch_on(actor, old)
    assert (old.role, old.is_active) == ("marketing", True)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("username", "qa", "already exists"),
        ("username", "QA", "account of this name already"),
        ("username", "no spaces", "Enter a valid username"),
        ("email", "QA@example.com", "Another account has this address"),
        ("email", "nonsense", "valid email address"),
        ("role", "administrator", "Select a valid choice"),
        ("environments", ["999"], "Select a valid choice"),
    ],
)
def test_a_wrong_invitation_is_an_error_of_the_form(
    cast: Cast, field: str, value: Any, words: str
) -> None:
    before = User.objects.count()
    data = form_of(cast, step="send", **{field: value})
    answer = enter(cast.admin).post(reverse("accounts:invite"), data, secure=True)
    assert (answer.status_code, words in answer.content.decode()) == (400, True)
    assert User.objects.count() == before


def test_role_and_environments_change_together(cast: Cast) -> None:
    client = enter(cast.admin)
    data = {"role": "marketing", "environments": [cast.staging.pk]}
    client.post(reverse("accounts:set-rights", args=[cast.qa.pk]), data, secure=True)
    qa = User.objects.get(pk=cast.qa.pk)
    assert qa.role == "marketing"
    assert may(qa, Verb.VIEW_DASHBOARD, cast.staging)
    assert not may(qa, Verb.REVIEW, cast.staging)
    assert not may(qa, Verb.VIEW_DASHBOARD, cast.production)
    (event,) = AuditEvent.objects.filter(action="account.role-changed")
    assert (event.detail["from"], event.detail["to"]) == ("qa", "marketing")


def test_the_administrator_is_neither_demoted_nor_switched_off(cast: Cast) -> None:
    client = enter(cast.admin)
    for name, data in (
        ("accounts:set-rights", {"role": "qa"}),
        ("accounts:switch", {"to": "off"}),
    ):
        client.post(reverse(name, args=[cast.admin.pk]), data, secure=True)
    admin = User.objects.get(pk=cast.admin.pk)
    assert (admin.role, admin.is_active) == ("administrator", True)
    assert told("account.role-changed") == [("administrator", "refused")]
    assert told("account.disabled") == [("administrator", "refused")]


def test_nobody_is_made_administrator_by_a_form(cast: Cast) -> None:
    actor = command_actor(cast.admin)
    with pytest.raises(people.PeopleError, match="handed over"):
        people.change_role(actor, cast.qa, Role.ADMINISTRATOR)
    with pytest.raises(people.PeopleError, match="handed over"):
        people.invite(
            actor, username="eve", role=Role.ADMINISTRATOR, email="e@example.com", environments=[]
        )
    assert User.objects.filter(role="administrator").count() == 1


def test_an_account_is_switched_off_for_a_reason_and_on_again(cast: Cast) -> None:
    client, url = enter(cast.admin), reverse("accounts:switch", args=[cast.qa.pk])
    client.post(url, {"to": "off", "reason": "On leave"}, secure=True)
    assert not User.objects.get(pk=cast.qa.pk).is_active
    assert AuditEvent.objects.get(action="account.disabled").reason == "On leave"
    client.post(url, {"to": "on"}, secure=True)
    qa = User.objects.get(pk=cast.qa.pk)
    assert qa.is_active
    assert may(qa, Verb.REVIEW, cast.production)


def test_a_lost_second_factor_is_removed_with_a_fresh_proof_alone(cast: Cast) -> None:
    give_factor(cast.qa)
    client, url = enter(cast.admin), reverse("accounts:reset-factor", args=[cast.qa.pk])
    prove(client, cast.admin, FACTORS, ago=3600)
    answer = client.post(url, {"reason": "Phone lost, asked by phone"}, secure=True)
    assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert Authenticator.objects.filter(user=cast.qa).exists()
    prove(client, cast.admin)
    client.post(url, {"reason": "Phone lost, asked by phone"}, secure=True)
    assert not Authenticator.objects.filter(user=cast.qa).exists()
    outcomes = [outcome for _who, outcome in told("account.factors-reset")]
    assert outcomes == ["refused", "done"]


@pytest.mark.parametrize("role", ["qa", "marketing"])
def test_no_service_of_people_serves_anybody_else(cast: Cast, role: str) -> None:
    actor, other = command_actor(getattr(cast, role)), cast.admin
    acts: list[Any] = [
        lambda: people.change_role(actor, other, Role.QA),
        lambda: people.set_environments(actor, other, []),
        lambda: people.switch_off(actor, other),
        lambda: people.switch_on(actor, other),
        lambda: people.sign_out(actor, other),
        lambda: people.reset_second_factor(actor, other),
        lambda: people.renew_link(actor, other),
        lambda: people.change_names(actor, other, first_name="E", last_name="", email=""),
        lambda: people.invite(
            actor, username="eve", role=Role.QA, email="e@example.com", environments=[]
        ),
    ]
    for act in acts:
        with pytest.raises(NotAllowedError):
            act()
    assert AuditEvent.objects.filter(outcome="refused").count() == len(acts)


def test_the_administrator_looks_as_another_person_and_changes_nothing(cast: Cast) -> None:
    client = enter(cast.admin)
    client.post(reverse("accounts:view-as", args=[cast.marketing.pk]), secure=True)
    page = client.get(reverse("promotion:environments"), secure=True).content.decode()
    assert "You see the console as marketing (marketing)" in page
    assert "Set-up of environments" not in page
    assert client.get(reverse("promotion:builds"), secure=True).status_code == 403
    staging = reverse("promotion:environment", args=["staging"])
    assert client.get(staging, secure=True).status_code == 404
    for name, args in (
        ("promotion:capture", ["production"]),
        ("promotion:lock", ["production"]),
        ("accounts:switch", [cast.qa.pk]),
    ):
        answer = client.post(reverse(name, args=args), secure=True)
        assert (answer.status_code, "read-only" in answer.content.decode()) == (403, True)
    for name in ("mfa_index", "usersessions_list", "account_change_password"):
        assert client.get(reverse(name), secure=True).status_code == 403
    refused = AuditEvent.objects.filter(outcome="refused")
    assert {one.actor for one in refused} == {cast.admin}
    assert {one.actor_name for one in refused} == {"administrator, viewing as marketing"}

    client.post(reverse("accounts:end-view-as"), secure=True)
    assert client.get(reverse("promotion:builds"), secure=True).status_code == 200
    assert told("view-as.begun") == [("administrator", "done")]
    assert told("view-as.ended") == [("administrator", "done")]


def test_a_view_as_another_ends_by_itself(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client = enter(cast.admin)
    client.post(reverse("accounts:view-as", args=[cast.marketing.pk]), secure=True)
    late = time.time() + view_as.SECONDS + 1
    monkeypatch.setattr("accounts.view_as.time.time", lambda: late)
    answer = client.post(reverse("accounts:switch", args=[cast.qa.pk]), {"to": "off"}, secure=True)
    assert (answer.status_code, "view as another person ended" in answer.content.decode()) == (
        409,
        True,
    )
    assert User.objects.get(pk=cast.qa.pk).is_active
    assert told("view-as.ended") == [("administrator", "done")]
    page = client.get(reverse("promotion:environments"), secure=True).content.decode()
    assert "You see the console as" not in page


@pytest.mark.parametrize("whom", ["admin", "off"])
def test_some_views_are_not_to_be_had(cast: Cast, whom: str) -> None:
    if whom == "off":
        people.switch_off(command_actor(cast.admin), cast.qa)
    target = cast.admin if whom == "admin" else cast.qa
    client = enter(cast.admin)
    client.post(reverse("accounts:view-as", args=[target.pk]), secure=True)
    assert "view_as" not in client.session
    assert told("view-as.begun") == [("administrator", "refused")]


def test_who_is_demoted_meanwhile_looks_as_nobody(cast: Cast) -> None:
    client = enter(cast.qa)
    session = client.session
    session["view_as"] = {"user": cast.marketing.pk, "until": 9e12}
    session.save()
    page = client.get(reverse("promotion:environments"), secure=True).content.decode()
    assert "You see the console as" not in page
