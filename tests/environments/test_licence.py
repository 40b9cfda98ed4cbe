"""The licence: one for staging and production, its key on demand alone, and warned of in time."""

import io
import json
import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.audit import command_actor
from accounts.models import AuditEvent, User
from environments import licences
from environments.licence_warnings import remind, warnings
from environments.licences import LicenceError, Terms
from environments.models import Environment, Licence
from promotion.management.commands.worker import acts
from tests.accounts.conftest import Cast, cast
from tests.environments.licences import Clock, clock, tracardi_key
from tests.factories import FACTORS, enter, prove
from tests.mail_servers import mail_server

__all__ = ["cast", "clock"]
pytestmark = pytest.mark.django_db
KEY = "canary-licence-9c1e-key"
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LICENCE, ADD = reverse("environments:licence"), reverse("environments:licence-add")


def address(name: str, licence: Licence, *more: str) -> str:
    return reverse(f"environments:licence-{name}", args=[licence.pk, *more])


def sent(**changed: Any) -> dict[str, Any]:
    data = {"key": KEY, "holder": "ACME", "ends_on": "2027-11-30", "note": "", **changed}
    return {name: value for name, value in data.items() if value is not None}


def kept(cast: Cast, *covered: Environment, ends_on: date | None = None) -> Licence:
    terms = Terms("ACME", ends_on, "Bought at a fair", covered)
    return licences.add(command_actor(cast.admin), terms, KEY)


def page(user: User, where: str) -> str:
    answer = enter(user).get(where, secure=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def stored(licence: Licence) -> str:
    """Return a key's column as the database has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM environments_licence WHERE id = %s", [licence.pk])
        return str(cursor.fetchone()[0])


def last(action: str) -> AuditEvent:
    return AuditEvent.objects.filter(action=action).latest("number")


# --- Adding and changing ------------------------------------------------------------------------


def test_without_a_licence_the_page_explains_and_leads_to_the_form(cast: Cast) -> None:
    text = page(cast.admin, LICENCE)
    assert "No licence is recorded." in text
    assert "No second licence is needed" in text
    assert f'href="{ADD}"' in text


def test_one_licence_for_both_sides_is_a_key_and_a_click(cast: Cast) -> None:
    ends = datetime(2027, 3, 1, 22, 59, 59, tzinfo=UTC)
    key = tracardi_key({"u": "ACME Ltd", "e": int(ends.timestamp()), "s": {}})
    client = enter(cast.admin)
    form = client.get(ADD, secure=True).context["form"]
    ticked = form["environments"].initial
    assert sorted(ticked) == sorted([cast.production.pk, cast.staging.pk])
    answer = client.post(ADD, {"key": key, "environments": ticked}, secure=True)
    assert (answer.status_code, answer.headers["Location"]) == (302, LICENCE)
    made = Licence.objects.get()
    assert (made.holder, made.ends_on, made.key) == ("ACME Ltd", date(2027, 3, 1), key)
    assert {use.environment for use in made.uses.all()} == {cast.production, cast.staging}
    assert key not in stored(made)
    event = last("licence.added")
    assert event.detail == {
        "holder": "ACME Ltd",
        "ends_on": "2027-03-01",
        "environments": ["production", "staging"],
    }


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"key": ""}, "key", "required"),
        ({"key": "two words"}, "key", "no blanks"),
        ({"key": "schl\u00fcssel"}, "key", "ASCII"),
        ({"key": "x" * 20_001}, "key", "at most 20000"),
        ({"holder": ""}, "holder", "The key does not say who holds it."),
        ({"ends_on": ""}, "ends_on", "Give the last day, or say that it has none."),
        ({"ends_on": "2027-13-01"}, "ends_on", "valid date"),
        ({"ends_on": "0001-01-01"}, "ends_on", "not between 2000 and 2200"),
        ({"endless": "on"}, "ends_on", "not both"),
        ({"environments": ["999999"]}, "environments", "999999"),
        ({"note": "x" * 2001}, "note", "at most 2000"),
    ],
)
def test_a_form_that_is_wrong_says_where_and_saves_nothing(
    cast: Cast, changed: dict[str, Any], field: str, words: str
) -> None:
    answer = enter(cast.admin).post(ADD, sent(**changed), secure=True)
    assert answer.status_code == 400
    assert words in str(answer.context["form"].errors[field])
    assert KEY not in answer.content.decode()
    assert not Licence.objects.exists()


def test_an_end_that_the_key_denies_is_refused(cast: Cast) -> None:
    ends = datetime(2027, 3, 1, 12, tzinfo=UTC)
    key = tracardi_key({"u": "ACME Ltd", "e": int(ends.timestamp()), "s": {}})
    for changed in ({"ends_on": "2027-03-02"}, {"ends_on": "", "endless": "on"}):
        answer = enter(cast.admin).post(ADD, sent(key=key, **changed), secure=True)
        assert "The key itself says that it ends on 1 March 2027" in answer.content.decode()
        assert key not in answer.content.decode()
    endless = tracardi_key({"u": "ACME Ltd", "e": 0, "s": {}})
    answer = enter(cast.admin).post(ADD, sent(key=endless), secure=True)
    assert "The key itself says that it has no end" in answer.content.decode()
    assert not Licence.objects.exists()


def test_a_key_that_ends_as_a_day_begins_does_not_cover_that_day(
    cast: Cast, settings: Settings
) -> None:
    # Midnight in Berlin, an hour before that of UTC.
    ends = datetime(2027, 2, 28, 23, tzinfo=UTC)
    key = tracardi_key({"u": "ACME Ltd", "e": int(ends.timestamp()), "s": {}})
    settings.TIME_ZONE = "Europe/Berlin"
    enter(cast.admin).post(ADD, {"key": key}, secure=True)
    assert Licence.objects.get().ends_on == date(2027, 2, 28)


def test_no_environment_has_two_licences(cast: Cast) -> None:
    kept(cast, cast.production)
    with pytest.raises(LicenceError, match="Production is covered by another licence, of ACME"):
        kept(cast, cast.staging, cast.production)
    assert Licence.objects.count() == 1
    assert (last("licence.added").outcome, last("licence.added").object_id) == ("refused", "")
    data = sent(environments=[cast.production.pk])
    text = enter(cast.admin).post(ADD, data, secure=True).content.decode()
    assert "Take it off there first." in text


def test_a_change_keeps_the_key_and_says_in_the_trail_what_was_changed(cast: Cast) -> None:
    made = kept(cast, cast.production, ends_on=date(2027, 11, 30))
    before = stored(made)
    data = sent(key=None, holder="ACME Group", note="Now Bob", environments=[cast.staging.pk])
    answer = enter(cast.admin).post(address("change", made), data, secure=True)
    assert answer.status_code == 302
    made.refresh_from_db()
    assert (made.holder, made.note, stored(made)) == ("ACME Group", "Now Bob", before)
    assert [use.environment for use in made.uses.all()] == [cast.staging]
    assert last("licence.changed").detail == {
        "holder": ["ACME", "ACME Group"],
        "environments": [["production"], ["staging"]],
        "note": ["", "another one"],
    }


def test_a_renewal_leaves_nothing_of_the_old_key(cast: Cast, clock: Clock) -> None:
    made = kept(cast, cast.production, ends_on=date(2026, 12, 1))
    clock(NOON)
    client = enter(cast.admin)
    where = address("renew", made)
    over = client.post(where, {"key": "new-key", "ends_on": "2026-11-25"}, secure=True)
    assert "25 November 2026 is over already." in over.content.decode()
    assert Licence.objects.get().key == KEY
    answer = client.post(where, {"key": "new-key", "ends_on": "2026-11-26"}, secure=True)
    assert answer.status_code == 302
    renewed = Licence.objects.get()
    assert (renewed.key, renewed.ends_on) == ("new-key", date(2026, 11, 26))
    assert renewed.renewed_at == NOON
    assert [use.environment for use in renewed.uses.all()] == [cast.production]
    assert last("licence.renewed").detail == {"ends_on": ["2026-12-01", "2026-11-26"]}


def test_what_is_removed_leaves_the_environments(cast: Cast) -> None:
    made = kept(cast, cast.production)
    client, where = enter(cast.admin), address("remove", made)
    assert "without a licence here: Production." in client.get(where, secure=True).content.decode()
    assert client.post(where, secure=True).status_code == 302
    assert not Licence.objects.exists()
    assert Environment.objects.count() == 2
    event = last("licence.removed")
    assert (event.object_label, event.detail) == (
        "Licence of ACME",
        {"environments": ["production"]},
    )


def test_what_was_removed_meanwhile_is_not_changed(cast: Cast) -> None:
    made = kept(cast)
    actor = command_actor(cast.admin)
    Licence.objects.all().delete()
    for act in (
        lambda: licences.renew(actor, made, "x", None),
        lambda: licences.change(actor, made, Terms("x", None, "", [])),
        lambda: licences.show_key(actor, made),
        lambda: licences.cover(actor, made, cast.staging),
        lambda: licences.remove(actor, made),
    ):
        with pytest.raises(LicenceError, match=r"removed meanwhile\. Nothing was changed"):
            act()
    assert AuditEvent.objects.filter(outcome="refused").count() == 5


def test_without_a_fresh_proof_nothing_is_done(cast: Cast) -> None:
    made = kept(cast, cast.production)
    client = enter(cast.admin)
    prove(client, cast.admin, FACTORS, ago=3600)
    door = reverse("account_reauthenticate")
    for name in ("change", "renew", "remove", "key"):
        answer = client.post(address(name, made), sent(environments=[]), secure=True)
        assert answer.headers["Location"].startswith(door), name
        assert KEY not in answer.content.decode()
    for where in (ADD, address("change", made), address("renew", made), address("remove", made)):
        assert client.get(where, secure=True).headers["Location"].startswith(door)
    assert client.get(LICENCE, secure=True).status_code == 200
    assert Licence.objects.get().holder == "ACME"
    assert last("licence.key-shown").outcome == "refused"


# --- The key ------------------------------------------------------------------------------------


def test_a_key_is_shown_once_for_each_time_that_it_is_asked_for(cast: Cast) -> None:
    made = kept(cast, cast.production)
    client, where = enter(cast.admin), address("key", made)
    answer = client.post(where, secure=True)
    assert KEY in answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    event = last("licence.key-shown")
    assert (event.outcome, event.actor_name, event.object_label, event.detail) == (
        "done",
        cast.admin.label,
        "Licence of ACME",
        {},
    )
    assert client.get(where, secure=True).status_code == 405
    assert AuditEvent.objects.filter(action="licence.key-shown").count() == 1


def test_a_key_that_no_key_opens_is_said_so_and_all_else_works(
    cast: Cast, settings: Settings
) -> None:
    made = kept(cast, cast.production)
    settings.ENCRYPTION_KEYS = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
    client = enter(cast.admin)
    answer = client.post(address("key", made), secure=True, follow=True)
    assert "Put the old key back, behind the new one." in answer.content.decode()
    data = {"key": "new-key", "ends_on": "2099-01-01"}
    assert client.post(address("renew", made), data, secure=True).status_code == 302
    assert Licence.objects.get().key == "new-key"


def test_no_other_page_file_log_or_event_holds_a_key(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = enter(cast.admin)
    client.post(ADD, sent(environments=[cast.production.pk], holder=""), secure=True)
    client.post(ADD, sent(environments=[cast.production.pk]), secure=True)
    made = Licence.objects.get()
    client.post(address("renew", made), {"key": KEY, "ends_on": ""}, secure=True)
    client.post(address("renew", made), {"key": KEY, "ends_on": "2099-01-01"}, secure=True)
    client.post(address("key", made), secure=True)
    pages = [
        LICENCE,
        ADD,
        *(address(name, made) for name in ("change", "renew", "remove")),
        reverse("admin:index"),
        reverse("promotion:environment", args=["production"]),
        reverse("admin:environments_environment_change", args=[cast.production.pk]),
        reverse("audit"),
        *(reverse("export-audit", args=[form]) for form in ("csv", "jsonl")),
    ]
    for where in pages:
        answer: Any = client.get(where, secure=True)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert answer.status_code == 200, where
        assert KEY not in body.decode(), where
    out = io.StringIO()
    call_command("licence", "--as", "administrator", "--json", stdout=out)
    assert KEY not in out.getvalue() + caplog.text
    assert AuditEvent.objects.filter(action__startswith="licence.").count() == 3
    assert not any(KEY in json.dumps(one.facts, default=str) for one in AuditEvent.objects.all())


# --- Staging and production ---------------------------------------------------------------------


def test_an_environment_beside_a_licensed_one_is_offered_to_be_covered(cast: Cast) -> None:
    made = kept(cast, cast.production)
    own = reverse("promotion:environment", args=["staging"])
    for where in (own, LICENCE):
        assert "Cover Staging too" in page(cast.admin, where)
    # Anybody else is told nothing of licences.
    assert "icence" not in page(cast.qa, reverse("promotion:environment", args=["production"]))
    where = address("cover", made, "staging")
    client = enter(cast.admin)
    assert client.post(where, secure=True).headers["Location"] == LICENCE
    assert {use.environment for use in made.uses.all()} == {cast.production, cast.staging}
    event = last("licence.covers")
    assert (event.object_label, event.detail) == ("Staging", {"licence": made.pk})
    # Twice is once.
    client.post(where, secure=True)
    assert AuditEvent.objects.filter(action="licence.covers").count() == 1
    assert "Cover Staging too" not in page(cast.admin, LICENCE)


def test_what_another_licence_covers_is_not_taken_from_it(cast: Cast) -> None:
    kept(cast, cast.production)
    other = kept(cast)
    answer = enter(cast.admin).post(address("cover", other, "production"), secure=True, follow=True)
    assert "Production is covered by another licence, of ACME." in answer.content.decode()
    assert not other.uses.exists()


def test_the_set_up_says_that_no_second_licence_is_needed_and_offers_it_then(cast: Cast) -> None:
    kept(cast, cast.production)
    client, where = enter(cast.admin), reverse("admin:environments_environment_add")
    assert "no second one is needed" in client.get(where, secure=True).content.decode()
    data = {
        "name": "Second staging",
        "slug": "second",
        "kind": "staging",
        "cluster": cast.production.cluster_id,
        "version": "0.8.2",
        "tenant": "second",
        "not_installed": "on",
        "promotes_to": cast.production.pk,
    }
    answer = client.post(where, data, secure=True, follow=True)
    assert "Production has a licence, of ACME, which covers Second staging too" in (
        answer.content.decode()
    )
    data |= {"name": "Far", "slug": "far", "tenant": "far", "promotes_to": ""}
    answer = client.post(where, data, secure=True, follow=True)
    assert "covers Far too" not in answer.content.decode()
    assert "Cover Far too" not in page(cast.admin, LICENCE)


def test_the_other_side_of_the_same_tracardi_is_beside_it_too(cast: Cast) -> None:
    Environment.objects.update(promotes_to=None)
    kept(cast, cast.staging)
    assert "Cover Production too" in page(cast.admin, LICENCE)


# --- The end ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "code", "severity", "words"),
    [
        (61, None, "", ""),
        (60, "licence.ends-60", "info", "ends in 60 days"),
        (31, "licence.ends-60", "info", "ends in 31 days"),
        (30, "licence.ends-30", "warning", "ends in 30 days"),
        (8, "licence.ends-30", "warning", "ends in 8 days"),
        (7, "licence.ends-7", "error", "ends in 7 days"),
        (1, "licence.ends-7", "error", "ends tomorrow"),
        (0, "licence.ends-7", "error", "ends today"),
        (-1, "licence.ended", "error", "ended on 25 November 2026 (UTC)"),
        (-400, "licence.ended", "error", "ended on 22 October 2025 (UTC)"),
    ],
)
def test_the_nearer_the_end_the_more_severe_the_warning(
    cast: Cast, clock: Clock, left: int, code: str | None, severity: str, words: str
) -> None:
    clock(NOON)
    kept(cast, cast.production, ends_on=NOON.date() + timedelta(days=left))
    found = warnings()
    if code is None:
        assert found == []
        return
    assert [(one.code, one.severity) for one in found] == [(code, severity)]
    assert words in found[0].message
    assert "as LICENSE" in found[0].remedy


def test_a_licence_without_end_is_never_warned_of(cast: Cast, clock: Clock) -> None:
    kept(cast)
    clock(datetime(2150, 1, 1, tzinfo=UTC))
    assert warnings() == []


def test_the_day_is_the_one_of_the_consoles_zone(
    cast: Cast, clock: Clock, settings: Settings
) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    kept(cast, ends_on=date(2026, 11, 26))
    # In UTC it is the twenty-sixth until midnight; in Auckland the next day began at eleven.
    clock(datetime(2026, 11, 26, 10, 59, tzinfo=UTC))
    assert [one.code for one in warnings()] == ["licence.ends-7"]
    clock(datetime(2026, 11, 26, 11, 0, tzinfo=UTC))
    assert [one.code for one in warnings()] == ["licence.ended"]
    assert "(Pacific/Auckland)" in warnings()[0].message


def test_a_last_day_is_the_consoles_whatever_zone_a_person_looks_in(
    cast: Cast, clock: Clock
) -> None:
    kept(cast, ends_on=date(2026, 11, 26))
    clock(datetime(2026, 11, 26, 11, 0, tzinfo=UTC))
    # There the next day has begun.
    with timezone.override("Pacific/Auckland"):
        (told,) = warnings()
    assert (told.code, "26 November 2026 (UTC)" in told.message) == ("licence.ends-7", True)


def test_the_administrator_is_warned_on_home_and_the_environments_page_and_nobody_else(
    cast: Cast, clock: Clock
) -> None:
    now = timezone.now()
    kept(cast, cast.production, ends_on=now.date() + timedelta(days=5))
    own = reverse("promotion:environment", args=["production"])
    for where in (reverse("admin:index"), own, LICENCE):
        text = page(cast.admin, where)
        assert "The licence of ACME ends in 5 days" in text, where
        assert 'tc-note--bad" role="alert">The licence' in text
    for user in (cast.qa, cast.marketing):
        assert "icence of" not in page(user, own)
    assert "icence of" not in page(cast.qa, reverse("admin:index"))


# --- Mail ---------------------------------------------------------------------------------------


@pytest.fixture
def mails(settings: Settings) -> list[Any]:
    settings.MAIL_CONFIGURED = True
    return mail.outbox


def test_each_threshold_is_told_by_mail_once(cast: Cast, clock: Clock, mails: list[Any]) -> None:
    ends = date(2027, 6, 30)
    made = kept(cast, cast.production, cast.staging, ends_on=ends)
    assert remind in [act for act, _seconds in acts()]
    told = []
    for left in range(70, -10, -1):
        clock(datetime.combine(ends - timedelta(days=left), NOON.time(), tzinfo=UTC))
        for _ in range(2):
            if remind():
                told.append(left)
    assert told == [60, 30, 7, -1]
    assert [one.to for one in mails] == [["administrator@example.com"]] * 4
    assert mails[0].subject == "The licence of Tracardi ends soon"
    assert "ends in 60 days: its last day is 30 June 2027 (UTC)" in mails[0].body
    assert "- Production (production)" in mails[0].body
    assert mails[3].subject == "The licence of Tracardi has ended"
    assert KEY not in "".join(one.body for one in mails)
    events = AuditEvent.objects.filter(action="licence.reminded").order_by("number")
    assert [one.detail for one in events] == [{"days": d} for d in (60, 30, 7, 0)]
    assert {one.object_id for one in events} == {str(made.pk)}


def test_of_the_thresholds_that_passed_without_a_worker_the_last_one_is_told(
    cast: Cast, clock: Clock, mails: list[Any]
) -> None:
    kept(cast, ends_on=NOON.date() + timedelta(days=5))
    clock(NOON)
    remind()
    remind()
    assert len(mails) == 1
    assert "in 5 days" in mails[0].body


def test_after_a_renewal_the_thresholds_count_anew(
    cast: Cast, clock: Clock, mails: list[Any]
) -> None:
    made = kept(cast, ends_on=NOON.date() + timedelta(days=5))
    clock(NOON)
    remind()
    licences.renew(command_actor(cast.admin), made, "new", NOON.date() + timedelta(days=365))
    assert remind() == []
    clock(NOON + timedelta(days=335))
    assert remind() == [made]
    assert "in 30 days" in mails[1].body


def test_another_note_is_no_reason_for_another_mail(
    cast: Cast, clock: Clock, mails: list[Any]
) -> None:
    ends = NOON.date() + timedelta(days=5)
    made = kept(cast, ends_on=ends)
    clock(NOON)
    remind()
    licences.change(command_actor(cast.admin), made, Terms("ACME", ends, "Another", []))
    assert remind() == []


def test_what_could_not_be_sent_is_tried_again(
    cast: Cast, clock: Clock, settings: Settings, mails: list[Any]
) -> None:
    kept(cast, ends_on=NOON.date() + timedelta(days=5))
    clock(NOON)
    settings.MAIL_CONFIGURED = False
    assert remind() == []
    settings.MAIL_CONFIGURED = True
    User.objects.filter(pk=cast.admin.pk).update(email="")
    assert remind() == []
    User.objects.filter(pk=cast.admin.pk).update(email="ada@example.com")
    works = settings.EMAIL_BACKEND
    # Nothing answers there.
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert remind() == []
    settings.EMAIL_BACKEND = works
    assert len(remind()) == 1
    assert [one.to for one in mails] == [["ada@example.com"]]


def test_what_the_mail_server_may_have_taken_is_not_sent_again(
    cast: Cast, clock: Clock, settings: Settings, mails: list[Any]
) -> None:
    kept(cast, ends_on=NOON.date() + timedelta(days=5))
    clock(NOON)
    with mail_server(settings, at_end=None) as server:
        assert remind() == []
        assert remind() == []
        assert len(server.taken) == 1
    assert AuditEvent.objects.get(action="licence.reminded").outcome == "failed"


# --- The command --------------------------------------------------------------------------------


def run(*words: str) -> tuple[int, str]:
    out, errors = io.StringIO(), io.StringIO()
    try:
        call_command("licence", "--as", "administrator", *words, stdout=out, stderr=errors)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue() + errors.getvalue()
    return 0, out.getvalue() + errors.getvalue()


def test_the_command_says_until_when_and_ends_with_1_where_a_warning_is_due(
    cast: Cast, clock: Clock
) -> None:
    assert run() == (0, "No licence is recorded. Add it on Licence.\n")
    made = kept(cast, cast.production, cast.staging, ends_on=date(2027, 6, 30))
    clock(NOON)
    assert run() == (0, "Licence of ACME, until 2027-06-30; it covers production, staging.\n")
    clock(datetime(2027, 6, 1, tzinfo=UTC))
    code, words = run()
    assert code == 1
    assert "The licence of ACME ends in 29 days" in words
    code, words = run("--json")
    facts = json.loads(words)
    assert (code, facts["status"]) == (1, "failed")
    assert facts["licences"] == [
        {
            "id": made.pk,
            "holder": "ACME",
            "ends_on": "2027-06-30",
            "days_left": 29,
            "environments": ["production", "staging"],
            "warning": warnings()[0].to_dict(),
        }
    ]
