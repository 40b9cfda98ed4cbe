"""What people set for themselves: the time zone that all pages then tell times in."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import handover, time_zones
from accounts.audit import command_actor
from accounts.authorising import NotAllowedError
from accounts.mail import send
from accounts.models import User
from accounts.preferences import ZONE_CHANGED, choose_time_zone, set_tour
from accounts.time_zones import UnknownZoneError
from tests.accounts.conftest import Cast, give_factor, told
from tests.factories import enter

PAGE = reverse("accounts:preferences")


def save(client: Client, name: str, status: int = 302) -> str:
    answer: Any = client.post(PAGE, {"time_zone": name}, secure=True)
    assert answer.status_code == status
    return str(answer.content.decode())


def page(client: Client, address: str = PAGE) -> str:
    answer = client.get(address, secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("  europe/berlin ", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
        ("Etc/GMT+5", "Etc/GMT+5"),
    ],
)
def test_a_zone_is_found_by_its_name_in_any_case_and_by_its_city(text: str, name: str) -> None:
    assert time_zones.find(text) == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Europe/Berlln", "Did you mean Europe/Berlin"),
        ("Mars/Base", "There is no time zone “Mars/Base”"),
        ("louisville", "Several time zones are called “louisville”"),
        ("localtime", "There is no time zone"),
        ("../../etc/passwd", "There is no time zone"),
    ],
)
def test_what_is_no_zone_or_several_is_said_with_what_may_be_meant(text: str, words: str) -> None:
    with pytest.raises(UnknownZoneError, match="Nothing was changed") as refused:
        time_zones.find(text)
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ["", "Mars/Base", "Europe", "../x", "localtime", "a\0b"])
def test_a_kept_name_that_is_none_is_the_consoles_own_zone(name: str) -> None:
    assert time_zones.zone_of(User(time_zone=name)) is None


def test_pages_tell_times_in_the_chosen_zone_in_summer_and_in_winter(cast: Cast) -> None:
    winter, summer = (datetime(2026, month, 1, 12, tzinfo=UTC) for month in (1, 7))
    User.objects.filter(pk=cast.qa.pk).update(last_login=winter)
    User.objects.filter(pk=cast.marketing.pk).update(last_login=summer)
    client, people = enter(cast.admin), reverse("accounts:people")
    for zone, times in (
        ("", ("1 Jan 2026, 12:00", "1 Jul 2026, 12:00")),
        ("Europe/Berlin", ("1 Jan 2026, 13:00", "1 Jul 2026, 14:00")),
        ("America/New_York", ("1 Jan 2026, 07:00", "1 Jul 2026, 08:00")),
    ):
        save(client, zone)
        text = page(client, people)
        assert [time for time in times if time not in text] == []
    # The next request in this thread is another person's.
    assert timezone.get_current_timezone_name() == "UTC"


def test_a_zone_is_saved_once_and_is_in_the_audit_trail(cast: Cast) -> None:
    client = enter(cast.marketing)
    save(client, "berlin")
    save(client, "Europe/Berlin")
    cast.marketing.refresh_from_db()
    assert cast.marketing.time_zone == "Europe/Berlin"
    assert told(ZONE_CHANGED) == [("marketing", "done")]
    assert "in Europe/Berlin" in page(client)


def test_a_bad_name_is_an_error_of_the_form_and_changes_nothing(cast: Cast) -> None:
    client = enter(cast.qa)
    save(client, "Europe/Berlin")
    text = save(client, "<b>Mars", status=400)
    assert "There is no time zone “&lt;b&gt;Mars”. Nothing was changed." in text
    assert client.post(PAGE, {}, secure=True).status_code == 400
    cast.qa.refresh_from_db()
    assert cast.qa.time_zone == "Europe/Berlin"


def test_a_zone_that_is_known_no_more_is_told_of_and_fails_nothing(cast: Cast) -> None:
    User.objects.filter(pk=cast.admin.pk).update(time_zone="Mars/Base")
    client = enter(cast.admin)
    assert "“Mars/Base” is not known any more, so times are shown in UTC" in page(client)
    assert "12:00" not in page(client, reverse("accounts:people"))
    # Nor does it keep the rest of the account from being changed.
    User.objects.filter(pk=cast.qa.pk).update(time_zone="Mars/Base")
    names = {"first_name": "Quinn", "last_name": "", "email": "q@example.com"}
    client.post(reverse("accounts:person", args=[cast.qa.pk]), names, secure=True)
    cast.qa.refresh_from_db()
    assert cast.qa.first_name == "Quinn"


def test_who_looks_as_somebody_else_keeps_their_own_clock_and_changes_nothing(cast: Cast) -> None:
    User.objects.filter(pk=cast.qa.pk).update(time_zone="Asia/Tokyo")
    client = enter(cast.admin)
    save(client, "Europe/Berlin")
    client.post(reverse("accounts:view-as", args=[cast.qa.pk]), secure=True)
    text = page(client)
    assert "in Europe/Berlin, your own time zone" in text
    assert 'value="Asia/Tokyo"' in text
    save(client, "America/New_York", status=403)
    actor = command_actor(cast.qa)
    seen = type(actor)(user=cast.qa, channel="web", viewer=cast.admin)
    with pytest.raises(NotAllowedError):
        choose_time_zone(seen, "UTC")
    with pytest.raises(NotAllowedError):
        set_tour(seen, is_over=True)
    cast.qa.refresh_from_db()
    assert (cast.qa.time_zone, cast.qa.tour_done_at) == ("Asia/Tokyo", None)


def test_a_mail_tells_times_by_the_clock_of_whoever_reads_it(
    cast: Cast, settings: Settings
) -> None:
    settings.MAIL_CONFIGURED = True
    User.objects.filter(pk=cast.qa.pk).update(time_zone="Asia/Tokyo")
    cast.qa.refresh_from_db()
    give_factor(cast.qa)
    made = handover.offer(command_actor(cast.admin), cast.qa, afterwards=None)
    with timezone.override("America/New_York"):
        send(cast.qa, "mail/handover.txt", {"made": made, "link": "-"})
    there = timezone.localtime(made.ends_at, time_zones.zone_of(cast.qa))
    assert f"{there:%H:%M} JST" in str(mail.outbox[0].body)
