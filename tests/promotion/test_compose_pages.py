"""The pages of a selective promotion: choose, see what it needs, compose."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import Environment
from promotion import compose_views
from promotion.compose_forms import token_of
from promotion.composing import compose_build
from promotion.models import Build
from promotion.services import capture
from tests.factories import People, enter
from tests.promotion.test_compose import build as build
from tests.promotion.test_compose import edits as edits
from tests.promotion.test_compose import go_live, of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
Boxes = Iterable[tuple[str, str]]
RULE, FLOW, HELD = ("rule", "rule-new"), ("flow", "flow-new"), ("resource", "res-new")
SEGMENT, GONE = ("segment", "seg-loyal"), ("rule", "rule-page")


@dataclass
class Pages:
    """A browser without a script: it sends back what a page's form holds."""

    client: Client
    path: str
    text: str = ""
    status: int = 200

    def open(self, query: str = "") -> "Pages":
        return self._keep(self.client.get(f"{self.path}{query}", secure=True))

    def send(
        self,
        *,
        tick: Boxes = (),
        untick: Boxes = (),
        instead: Mapping[str, str] | None = None,
        **more: str,
    ) -> "Pages":
        data: dict[str, list[str]] = {}
        for tag in re.findall(r"<input[^>]*>", self.text):
            facts = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            box = facts.get("type") == "checkbox"
            if facts.get("type") == "hidden" or (box and " checked" in tag):
                data.setdefault(facts["name"], []).append(facts["value"].replace("&quot;", '"'))
        data.pop("csrfmiddlewaretoken", None)
        for name, value in untick:
            data[name].remove(value)
        for name, value in tick:
            data.setdefault(name, []).append(value)
        sent = {**data, **more, **(instead or {})}
        return self._keep(self.client.post(self.path, sent, secure=True))

    def _keep(self, answer: HttpResponseBase) -> "Pages":
        assert isinstance(answer, HttpResponse)
        self.status, self.text = answer.status_code, answer.content.decode()
        return self

    def rows(self, name: str) -> dict[str, bool]:
        """Return the check boxes called `name`, and whether each is ticked."""
        found = re.findall(
            rf'<input type="checkbox" name="{name}" value="([^"]*)"([^>]*)>', self.text
        )
        return {value: "checked" in rest for value, rest in found}


def pages(user: User | None, build: Build) -> Pages:
    client = enter(user)
    args = [build.environment.slug, build.number]
    return Pages(client, reverse("promotion:compose", args=args))


def test_a_single_rule_is_ticked_seen_with_what_it_needs_and_composed(
    people: People, build: Build
) -> None:
    page = pages(people.qa.user, build).open()
    page.send(tick=[("picked", token_of(RULE))], step="needs")
    assert page.rows("kept") == {token_of(FLOW): True, token_of(HELD): True}
    assert "rule “New rule” runs it" in page.text
    assert "flow “New flow” uses it" in page.text
    assert page.send(step="compose").status == 302
    made = Build.objects.get(kind="composed")
    assert made.choice is not None
    assert made.choice["chosen"] == [list(RULE)]
    look = page.client.get(reverse("promotion:build", args=["staging", made.number]), secure=True)
    text = look.content.decode()
    assert "Composed of Staging build 1" in text
    assert "rule “New rule” runs it" in text
    assert "It waits for QA" in text


def test_a_choice_survives_paging_filters_and_whole_resources(
    people: People, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose_views, "PAGE", 2)
    page = pages(people.qa.user, build).open()
    assert "Page 1 of 3" in page.text
    first = next(iter(page.rows("picked")))
    page.send(tick=[("picked", first)], page="2")
    page.send(tick=[("whole", "rule")], page="3")
    assert page.rows("whole")["rule"]
    page.send(resource="rule", step="choose")
    assert page.rows("picked") == {token_of(RULE): True, token_of(GONE): True}
    page.send(untick=[("picked", token_of(GONE))], resource="", q="loyal", step="choose")
    assert page.rows("picked") == {token_of(SEGMENT): False}
    page.send(tick=[("picked", token_of(SEGMENT))], page="1")
    assert page.rows("picked")[first]
    page.send(step="needs")
    assert page.send(step="compose").status == 302
    made = Build.objects.get(kind="composed")
    assert made.choice is not None
    chosen = {token_of((name, doc_id)) for name, doc_id in made.choice["chosen"]}
    assert chosen == {first, token_of(RULE), token_of(SEGMENT)}
    # To untick a whole resource is to let go of all of it.
    page.open().send(tick=[("whole", "rule")], resource="rule", step="choose")
    page.send(untick=[("whole", "rule")], resource="rule", step="choose")
    assert not any(page.rows("picked").values())


def test_what_comes_along_can_be_left_out_and_what_that_breaks_is_shown_first(
    people: People, build: Build
) -> None:
    page = pages(people.qa.user, build).open()
    page.send(tick=[("picked", token_of(RULE))], step="needs")
    page.send(untick=[("kept", token_of(FLOW))], step="compose")
    assert (page.status, Build.objects.filter(kind="composed").count()) == (200, 0)
    assert "Flow “New flow” is missing, and rule “New rule” runs it." in page.text
    assert "QA cannot approve it" in page.text
    # What only the flow needs does not come along either.
    assert page.rows("kept") == {token_of(FLOW): False}
    page.send(tick=[("kept", token_of(FLOW))], step="needs")
    assert "is missing" not in page.text


def test_nothing_chosen_cannot_be_composed_and_says_why(people: People, build: Build) -> None:
    page = pages(people.qa.user, build).open().send(step="needs")
    assert "disabled>Compose the build" in page.text
    assert "what Production serves already" in page.text


def test_where_production_moved_since_the_choice_is_shown_anew(
    people: People, adopted: Environment, build: Build
) -> None:
    page = pages(people.qa.user, build).open()
    page.send(tick=[("picked", token_of(SEGMENT)), ("picked", token_of(RULE))], step="needs")
    go_live(people, compose_build(people.qa, build, of("segment/seg-loyal")), adopted)
    page.send(step="compose")
    assert "Production serves another configuration than when you began" in page.text
    assert Build.objects.filter(kind="composed").count() == 1
    # One of the two is there by now.
    assert "Chosen: 1" in page.text
    assert page.send(step="compose").status == 302


def test_compose_again_shows_the_same_choice(
    people: People, adopted: Environment, build: Build
) -> None:
    early = compose_build(people.qa, build, of("segment/seg-loyal"))
    go_live(people, compose_build(people.qa, build, of("rule/rule-new")), adopted)
    page = pages(people.qa.user, build)
    path = reverse("promotion:build", args=["staging", early.number])
    text = page.client.get(path, secure=True).content.decode()
    assert "Compose it again, with the same choice." in text
    [address] = re.findall(r'href="[^"]*(\?again=\d+)"', text)
    page.open(address)
    assert "Chosen: 1" in page.text
    assert page.send(step="compose").status == 302
    assert page.open("?again=999").rows("picked")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "{"),
        ("state", "[1,2]"),
        ("state", '[["a"],[["b"]],3]'),
        ("state", ""),
        ("base", ""),
    ],
)
def test_a_page_that_cannot_be_read_is_said_so(
    people: People, build: Build, name: str, value: str
) -> None:
    page = pages(people.qa.user, build).open().send(instead={name: value})
    assert page.status == 400
    assert "The page could not be read" in page.text


def test_without_a_grant_on_production_nothing_of_it_is_shown(
    people: People, build: Build, staging: Environment
) -> None:
    password = "a long enough phrase 7"
    half = create_user(system_actor(), username="half", role=Role.QA, password=password)
    grant(system_actor(), half, staging)
    page = pages(half, build)
    assert page.open().status == 403
    made = compose_build(people.qa, build, of("segment/seg-loyal"))
    for name in ("promotion:build", "promotion:compose"):
        path = reverse(name, args=["staging", made.number])
        assert page.client.get(path, secure=True).status_code == 404


def test_of_what_cannot_be_chosen_from_the_page_says_why(
    people: People, staging: Environment, production: Environment
) -> None:
    page = pages(people.qa.user, capture(people.qa, staging)).open()
    assert page.status == 200
    assert "Production is not adopted. Adopt it first. Nothing was composed." in page.text


@pytest.mark.usefixtures("adopted")
def test_home_leads_to_what_was_composed_until_staging_is_captured_again(
    people: People, build: Build, staging: Environment
) -> None:
    made = compose_build(people.qa, build, of("segment/seg-loyal"))
    client = pages(people.qa.user, build).client
    assert (
        f"{made} waits for QA." in client.get(reverse("admin:index"), secure=True).content.decode()
    )
    again = capture(people.qa, staging)
    text = client.get(reverse("admin:index"), secure=True).content.decode()
    assert f"{again} waits for QA." in text
