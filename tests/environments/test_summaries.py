"""Weekly summaries: when they are due, what they say, and that each comes once."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.cache import caches
from django.core.mail.backends.locmem import EmailBackend
from django.urls import reverse
from PIL import Image
from pytest_django import Settings

from accounts.models import AuditEvent, User
from accounts.services import revoke
from environments.dashboards.chosen import Chosen
from environments.dashboards.reading import figures_of, period_of
from environments.models import Environment, Summary
from environments.saved.picture import Bar, draw, scale_of, short
from environments.saved.services import SavedError, save_view
from environments.saved.summaries import (
    ask_for,
    pass_over,
    pause,
    send_summaries,
)
from environments.saved.weeks import last_week, next_due
from promotion.management.commands.worker import acts
from promotion.models import Promotion
from tests.environments.dashboards import Shop, environment
from tests.environments.summaries import MONDAY, SITE, Clock, clock, parts_of
from tests.factories import People, enter, make_people
from tests.mail_servers import mail_server

__all__ = ["clock"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
BERLIN = ZoneInfo("Europe/Berlin")


# --- Which week ----------------------------------------------------------------------------------


def test_a_week_is_due_on_monday_at_seven_by_the_persons_own_clock() -> None:
    before, after = datetime(2026, 11, 23, 5, 59, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert last_week(before, BERLIN).first == date(2026, 11, 9)
    week = last_week(after, BERLIN)
    assert (week.first, week.last) == (date(2026, 11, 16), date(2026, 11, 22))
    assert last_week(after, UTC).first == date(2026, 11, 9)
    assert next_due(before, BERLIN) == after
    # The clocks changed on Sunday: seven is seven.
    assert last_week(datetime(2026, 10, 26, 6, tzinfo=UTC), BERLIN).first == date(2026, 10, 19)


def test_pauses_grow_up_to_six_hours() -> None:
    found = [pause(tries) / timedelta(minutes=1) for tries in (1, 2, 3, 50)]
    assert found == [5, 10, 20, 360]


# --- The picture ---------------------------------------------------------------------------------


def test_the_axis_reaches_the_largest_bar_and_says_so_in_few_characters() -> None:
    assert scale_of(0) == (1, 1)
    for most in (1, 7, 99, 1_000, 123_456_789):
        step, end = scale_of(most)
        assert end >= most > end - step
        assert end <= 6 * step
    assert [short(n) for n in (0, 950, 1_500, 2_000_000)] == ["0", "950", "1.5k", "2M"]
    picture = Image.open(io.BytesIO(draw([Bar("Mon", 10, 5), Bar("Tue", 0, None)], "events")))
    assert (picture.format, picture.size) == ("PNG", (1200, 520))


# --- The mail ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(elasticsearch_url: str) -> Iterator[Shop]:
    made = Shop(elasticsearch_url, datetime(2026, 11, 25, 12, 0, tzinfo=UTC))
    yield made
    made.remove()


@pytest.fixture
def shop(filled: Shop) -> Environment:
    caches["figures"].clear()
    return environment(filled.url, filled.tenant)


@pytest.fixture
def people(shop: Environment, settings: Settings) -> People:
    settings.MAIL_CONFIGURED = True
    made = make_people(shop)
    User.objects.update(email="somebody@example.com")
    for actor in (made.admin, made.qa, made.marketing):
        assert actor.user is not None
        actor.user.refresh_from_db()
    return made


def test_the_mail_says_what_the_dashboard_does_of_these_days(
    shop: Environment, people: People, clock: Clock
) -> None:
    client = enter(people.marketing.user)
    answer = client.post(
        reverse("environments:ask-for-summary", args=[shop.slug]),
        {"about": ""},
        secure=True,
        headers={"host": "localhost"},
    )
    assert answer.status_code == 302
    Promotion.objects.create(
        kind="adopt",
        environment=shop,
        status="succeeded",
        live_at=MONDAY - timedelta(days=4),
        finished_at=MONDAY,
    )
    # Nothing is due before Monday, and of a mail that was asked for on Saturday the first is then.
    assert send_summaries() == []
    clock(MONDAY)
    assert send_summaries in [act for act, _seconds in acts()]
    assert len(send_summaries()) == 1
    [message] = mail.outbox
    assert message.subject == "Shop: Mon 16 Nov to Sun 22 Nov 2026"
    assert message.to == ["somebody@example.com"]
    chosen = Chosen(key="custom", first="2026-11-16", last="2026-11-22")
    found = figures_of(shop, chosen, period_of(chosen, MONDAY, UTC))
    parts = parts_of(message)
    html = parts["text/html"].get_payload(decode=True).decode()  # type: ignore[union-attr]
    events, visitors = found.stats[0], found.stats[1]
    types = found.tile("types")
    assert types is not None
    for text in (html, message.body):
        for stat in (events, visitors):
            assert f"{stat.value:,}" in text
            assert f"{stat.change:.1f}" in text
        for row in types.rows[:5]:
            assert row.label in text
            assert f"{row.values[0]:,}" in text
        assert "Thu 19 Nov, 07:05" in text
    # Just these days, and where it ends: no token in either.
    link = "https://localhost/environments/shop/dashboard/?range=custom"
    assert f"{link}&from=2026-11-16&to=2026-11-22\n" in message.body
    assert "https://localhost/environments/shop/dashboard/views/#summary" in message.body
    # The picture belongs to the HTML, which says what it shows.
    assert message.message().get_content_type() == "multipart/related"
    assert parts["image/png"]["Content-ID"] == "<events-a-day>"
    assert 'src="cid:events-a-day"' in html
    over_time = found.tile("over_time")
    assert over_time is not None
    assert f"Mon 16: {over_time.rows[0].values[-2]:,}, Tue" in html
    assert Image.open(io.BytesIO(parts["image/png"].get_payload(decode=True))).format == "PNG"  # type: ignore[arg-type]
    # Once; a week later once more.
    clock(MONDAY + timedelta(hours=3))
    assert send_summaries() == []
    clock(MONDAY + timedelta(days=7))
    send_summaries()
    assert [one.subject for one in mail.outbox[1:]] == ["Shop: Mon 23 Nov to Sun 29 Nov 2026"]


def test_what_was_swapped_back_is_told_as_such(
    shop: Environment, people: People, clock: Clock
) -> None:
    for status, days in (("failed", 4), ("succeeded", 3)):
        Promotion.objects.create(
            kind="promote",
            environment=shop,
            status=status,
            live_at=MONDAY - timedelta(days=days),
            finished_at=MONDAY,
        )
    ask_for(people.qa, shop, None, SITE)
    clock(MONDAY)
    send_summaries()
    assert "Thu 19 Nov, 07:05: Promotion, swapped back, https" in mail.outbox[0].body
    assert "Fri 20 Nov, 07:05: Promotion, https" in mail.outbox[0].body


def test_a_summary_of_a_view_has_its_filters_and_says_where_nothing_happened(
    shop: Environment, people: People, clock: Clock
) -> None:
    shown = save_view(people.marketing, shop, "Nobody", "range=today&source=no-such-source")
    ask_for(people.marketing, shop, shown, SITE)
    clock(MONDAY)
    send_summaries()
    [message] = mail.outbox
    assert message.subject.startswith("Shop, Nobody: ")
    assert "Only source: no-such-source." in message.body
    assert "No event in these days." in message.body
    assert "range=custom&from=2026-11-16&to=2026-11-22&source=no-such-source" in message.body
    assert "image/png" not in parts_of(message)


class SecondWorker(EmailBackend):
    """While a mail is handed over, another worker looks for what is due."""

    def send_messages(self, messages: Any) -> int:
        assert send_summaries() == []
        return int(super().send_messages(messages))


def test_two_workers_send_one_mail(
    shop: Environment, people: People, clock: Clock, settings: Settings
) -> None:
    ask_for(people.marketing, shop, None, SITE)
    clock(MONDAY)
    settings.EMAIL_BACKEND = f"{__name__}.SecondWorker"
    assert len(send_summaries()) == 1
    assert len(mail.outbox) == 1


def test_a_mail_that_was_not_taken_is_told_on_the_page_and_tried_again_later(
    shop: Environment, people: People, clock: Clock, settings: Settings
) -> None:
    ask_for(people.marketing, shop, None, SITE)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    clock(MONDAY)
    assert send_summaries() == []
    text = enter(people.marketing.user).get(
        reverse("environments:views", args=[shop.slug]), secure=True
    )
    assert "The mail server did not take the mail" in text.content.decode()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    clock(MONDAY + timedelta(minutes=4))
    assert send_summaries() == []
    clock(MONDAY + timedelta(minutes=6))
    assert len(send_summaries()) == 1
    kept = Summary.objects.get()
    assert (kept.problem, kept.tries, kept.sent_week) == ("", 0, date(2026, 11, 16))


def test_a_mail_that_the_server_may_have_taken_is_not_sent_again(
    shop: Environment, people: People, clock: Clock, settings: Settings
) -> None:
    ask_for(people.marketing, shop, None, SITE)
    clock(MONDAY)
    with mail_server(settings, at_end=None) as server:
        assert send_summaries() == []
        clock(MONDAY + timedelta(hours=12))
        assert send_summaries() == []
        assert len(server.taken) == 1
    text = enter(people.marketing.user).get(
        reverse("environments:views", args=[shop.slug]), secure=True
    )
    assert "It is not known whether the mail server took the mail" in text.content.decode()
    assert "could not be sent" not in text.content.decode()
    event = AuditEvent.objects.get(action="summary.sent")
    assert (event.outcome, event.detail) == ("failed", {"week": "2026-11-16"})
    # The week after comes as ever, and the words go.
    clock(MONDAY + timedelta(days=7))
    with mail_server(settings):
        assert len(send_summaries()) == 1
    assert Summary.objects.get().problem == ""


@pytest.mark.parametrize(("at_end", "taken"), [("451 later", False), ("250 ok", True)])
def test_a_mail_is_tried_again_only_where_the_server_did_not_take_it(
    shop: Environment,
    people: People,
    clock: Clock,
    settings: Settings,
    at_end: str,
    taken: bool,
) -> None:
    ask_for(people.marketing, shop, None, SITE)
    clock(MONDAY)
    # What happens after its answer, at the goodbye, changes nothing of it.
    with mail_server(settings, at_end, at_quit=None) as server:
        assert bool(send_summaries()) is taken
        clock(MONDAY + timedelta(minutes=6))
        send_summaries()
        assert len(server.taken) == (1 if taken else 2)


def test_a_summary_that_breaks_keeps_no_other_back_and_is_tried_again(
    shop: Environment, people: People, clock: Clock
) -> None:
    assert people.admin.user is not None
    for actor in (people.admin, people.marketing):
        ask_for(actor, shop, None, SITE)
    # As an import may have left it: no header of a mail can hold it.
    User.objects.filter(pk=people.admin.user.pk).update(email="admin@exam\nple.com")
    clock(MONDAY)
    assert [one.user for one in send_summaries()] == [people.marketing.user]
    broken = Summary.objects.get(user=people.admin.user)
    assert broken.sent_week is None
    assert "Something that nobody foresaw stopped it (BadHeaderError)" in broken.problem
    User.objects.filter(pk=people.admin.user.pk).update(email="admin@example.com")
    clock(MONDAY + timedelta(minutes=6))
    assert [one.user for one in send_summaries()] == [people.admin.user]


def test_who_may_not_look_any_more_gets_none_and_nobody_asks_again(
    shop: Environment, people: People, clock: Clock
) -> None:
    view = save_view(people.qa, shop, "Of QA", "range=7d")
    for actor in (people.admin, people.qa, people.marketing):
        ask_for(actor, shop, None, SITE)
    ask_for(people.qa, shop, view, SITE)
    assert people.marketing.user is not None
    assert people.qa.user is not None
    revoke(people.admin, people.marketing.user, shop)
    User.objects.filter(pk=people.qa.user.pk).update(is_active=False)
    clock(MONDAY)
    assert [one.user for one in send_summaries()] == [people.admin.user]
    assert [one.user for one in Summary.objects.all()] == [people.admin.user]
    assert AuditEvent.objects.filter(action="summary.dropped").count() == 3


def test_it_is_asked_for_once_ended_by_one_click_and_says_what_is_missing(
    shop: Environment, people: People, settings: Settings, clock: Clock
) -> None:
    where = reverse("environments:views", args=[shop.slug])
    client = enter(people.marketing.user)
    made = ask_for(people.marketing, shop, None, SITE)
    assert ask_for(people.marketing, shop, None, SITE) == made
    end = reverse("environments:end-summary", args=[shop.slug, made.pk])
    assert enter(people.qa.user).post(end, secure=True).status_code == 404
    assert client.post(end, secure=True).status_code == 302
    assert not Summary.objects.exists()
    User.objects.update(email="")
    assert "has no e-mail address" in client.get(where, secure=True).content.decode()
    settings.MAIL_CONFIGURED = False
    assert "EMAIL_URL" in client.get(where, secure=True).content.decode()
    with pytest.raises(SavedError, match="EMAIL_URL"):
        ask_for(people.marketing, shop, None, SITE)


def test_a_restored_console_sends_no_summary_that_the_other_may_have_sent(
    shop: Environment, people: People, clock: Clock
) -> None:
    ask_for(people.marketing, shop, None, SITE)
    clock(MONDAY)
    assert pass_over() == 1
    assert send_summaries() == []
