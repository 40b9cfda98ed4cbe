"""The tour of a first visit, for each role, as pages of their own: without a script."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from environments.models import Environment
from tests.console.shops import person
from tests.factories import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
TOUR, HOME = reverse("accounts:tour"), reverse("admin:index")
DASHBOARD = reverse("environments:dashboard", args=["staging"])
SHOWN = re.compile(r'data-tour-step="(\d)">.*?</span> (.*?)</h2>', re.DOTALL)


def look(client: Client, address: str) -> str:
    """Return a page; the engine of the dashboard answers nothing."""
    answer = client.get(address, secure=True)
    assert answer.status_code in {200, 503}
    return answer.content.decode()


def link(text: str, words: str) -> str:
    """Return where a link of the step that is shown leads."""
    shown = text[SHOWN.search(text).start() :]  # type: ignore[union-attr]
    found = re.search(rf'href="([^"]*)" data-tour-go="[a-z]+">{words}<', shown)
    return found[1].replace("&amp;", "&") if found else ""


@pytest.mark.parametrize("role", list(Role))
def test_each_role_goes_through_three_steps_and_ends_them(role: Role, shop: Environment) -> None:
    user = person(role, shop)
    client, begins = enter(user), DASHBOARD if role is Role.MARKETING else HOME
    address, seen = f"{begins}?range=7d", []
    while address:
        text = look(client, address)
        seen += SHOWN.findall(text)
        address = link(text, "Next")
    assert seen == [("1", "What is here"), ("2", "What you do"), ("3", "Where help is")]
    back = link(text, "Back")
    # The range of days stays chosen.
    assert back == f"{begins}?range=7d&tour=2#tour"
    sent = {"next": f"{begins}?range=7d"}
    answer = client.post(TOUR, sent, secure=True)
    assert answer.headers["Location"] == f"{begins}?range=7d"
    text = look(client, begins)
    assert "The tour is closed." in text
    assert "data-tour" not in text
    # Again, where the person asks for it.
    assert "Show the tour again" in look(client, reverse("accounts:preferences"))
    client.post(TOUR, {"to": "again"}, secure=True)
    assert "data-tour" in look(client, begins)


def test_the_tour_is_where_a_role_begins_and_nowhere_else(shop: Environment) -> None:
    qa, marketing = (enter(person(role, shop)) for role in (Role.QA, Role.MARKETING))
    environments = reverse("promotion:environments")
    for client, address in ((qa, DASHBOARD), (qa, environments), (marketing, environments)):
        assert "data-tour" not in look(client, address)
    # A step that is none is the first.
    assert SHOWN.findall(look(qa, f"{HOME}?tour=9"))[0][0] == "1"


def test_who_looks_as_somebody_else_sees_no_tour_and_ends_none(shop: Environment) -> None:
    admin, qa = person(Role.ADMINISTRATOR, shop), person(Role.QA, shop)
    client = enter(admin)
    client.post(reverse("accounts:view-as", args=[qa.pk]), secure=True)
    assert "data-tour" not in look(client, HOME)
    assert client.post(TOUR, secure=True).status_code == 403
    qa.refresh_from_db()
    assert qa.tour_done_at is None


def test_the_end_of_the_tour_leads_to_no_other_site_and_needs_a_post(shop: Environment) -> None:
    user = person(Role.QA, shop)
    client = enter(user)
    assert client.get(TOUR, secure=True).status_code == 405
    for elsewhere in ("https://example.com/", "//example.com", "javascript:alert(1)", ""):
        answer = client.post(TOUR, {"next": elsewhere}, secure=True)
        assert answer.headers["Location"] == HOME
    closed: Any = client.post(TOUR, secure=True, headers={"hx-request": "true"})
    assert "The tour is closed." in closed.content.decode()


def test_marketing_without_an_environment_is_told_whom_to_ask_and_shown_no_tour(db: None) -> None:
    create_user(
        system_actor(),
        username="ada",
        role=Role.ADMINISTRATOR,
        password="a long phrase 77",
        first_name="Ada",
        email="ada@example.com",
    )
    mona: User = create_user(
        system_actor(), username="mona", role=Role.MARKETING, password="a long phrase 77"
    )
    text = look(enter(mona), HOME)
    assert "No environment was granted to you yet." in text
    assert "Ask Ada, the administrator" in text
    assert "mailto:ada@example.com" in text
    assert "data-tour" not in text
