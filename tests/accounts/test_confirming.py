"""What asks for a proof of who one is, a moment ago; and what the settings leave out."""

import pytest
from django.urls import reverse
from django.utils.http import urlencode
from pytest_django import Settings

from accounts.models import AuditEvent, Handover
from promotion.models import Promotion
from tests.accounts.conftest import PASSWORD, Cast, give_factor
from tests.factories import FACTORS, enter, prove

LONG_AGO = 3600.0
# Each page and button that goes live, goes back, opens production, or gives power away.
PAGES = ("promotion:adopt", "promotion:release", "promotion:rollback", "promotion:discard-drift")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_what_is_risky_asks_first(cast: Cast, name: str) -> None:
    client = enter(cast.admin)
    url = reverse(name, args=["production"])
    assert client.get(url, secure=True).status_code == 200
    prove(client, cast.admin, FACTORS, ago=LONG_AGO)
    answer = client.get(url, secure=True)
    way = urlencode({"next": url})
    assert answer.headers["Location"] == f"{reverse('account_reauthenticate')}?{way}"


def test_the_password_leads_back_to_where_one_came_from(cast: Cast) -> None:
    client = enter(cast.admin)
    prove(client, cast.admin, FACTORS, ago=LONG_AGO)
    url = reverse("promotion:adopt", args=["production"])
    way = client.get(url, secure=True).headers["Location"]
    assert client.get(way, secure=True).status_code == 200
    wrong = client.post(way, {"password": "wrong", "next": url}, secure=True)
    assert "Incorrect password" in wrong.content.decode()
    assert client.get(url, secure=True).status_code == 302
    right = client.post(way, {"password": PASSWORD, "next": url}, secure=True)
    assert right.headers["Location"] == url
    assert client.get(url, secure=True).status_code == 200


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("promotion:adopt", "adopt.requested"),
        ("promotion:unlock", "environment.unlock"),
        ("promotion:prolong", "environment.prolong"),
    ],
)
def test_a_change_without_a_fresh_proof_does_not_happen(cast: Cast, name: str, action: str) -> None:
    client = enter(cast.admin)
    prove(client, cast.admin, FACTORS, ago=LONG_AGO)
    data = {"agree": "on", "reason": "A hole", "minutes": "30"}
    answer = client.post(reverse(name, args=["production"]), data, secure=True)
    assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    event = AuditEvent.objects.filter(action=action).latest("number")
    assert event.outcome == "refused"
    assert "again" in event.reason
    assert not Promotion.objects.exists()


def test_a_second_factor_is_offered_to_prove_it_with(cast: Cast) -> None:
    give_factor(cast.admin)
    page = enter(cast.admin).get(reverse("account_reauthenticate"), secure=True)
    assert reverse("mfa_reauthenticate") in page.content.decode()


def test_looking_asks_for_nothing(cast: Cast) -> None:
    client = enter(cast.admin)
    prove(client, cast.admin, FACTORS, ago=LONG_AGO)
    for url in (reverse("admin:index"), reverse("promotion:environment", args=["production"])):
        assert client.get(url, secure=True).status_code == 200


def test_handing_over_asks_first(cast: Cast) -> None:
    give_factor(cast.qa)
    client = enter(cast.admin)
    prove(client, cast.admin, FACTORS, ago=LONG_AGO)
    data = {"person": cast.qa.pk, "afterwards": "off"}
    answer = client.post(reverse("accounts:handover"), data, secure=True)
    assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert not Handover.objects.exists()


def test_the_demo_leaves_both_out_and_says_so(cast: Cast, settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR, settings.REAUTHENTICATION_SECONDS = False, 0
    settings.DEMO = True
    client = enter(cast.admin, factors=["password"])
    prove(client, cast.admin, ["password"], ago=LONG_AGO)
    answer = client.get(reverse("promotion:adopt", args=["production"]), secure=True)
    assert answer.status_code == 200
    assert "A second factor is not asked for" in answer.content.decode()
    assert "has to confirm who they are" in answer.content.decode()


def test_a_real_console_has_no_such_banner(cast: Cast) -> None:
    page = enter(cast.admin).get(reverse("promotion:environments"), secure=True)
    assert "second factor" not in page.content.decode()
