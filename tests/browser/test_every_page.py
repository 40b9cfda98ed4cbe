"""Every page of the console in Chromium: all that opens is opened, and nothing goes wrong."""

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext
from pytest_django.live_server_helper import LiveServer

from accounts.audit import Actor
from accounts.roles import Role
from environments.funnels.services import make_funnel
from environments.models import Environment, Funnel, Licence, LicenceUse, SavedView
from environments.recipes.services import save
from environments.saved.services import save_view
from promotion.batch_models import Batch
from promotion.models import Build, Comment, Promotion, SuiteRun
from tests.alike import some
from tests.browser.conftest import enter_browser
from tests.browser.visiting import Inline, Visitor, expected_policy, policy_of, visitor
from tests.browser.world import batch, lived, patience, ran, standin, suite, talked
from tests.factories import People, served
from tests.recipes.samples import sample
from tests.security.matrix import ROWS
from tests.security.tally import PAGES, Record
from tests.security.test_matrix import routes

__all__ = ["batch", "lived", "patience", "ran", "standin", "suite", "talked", "visitor"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# What is downloaded, or asked for by a script: nothing is drawn of it.
FILES = {
    "environments:dashboard-export",
    "promotion:receipt",
    "promotion:export-suite",
    "export-audit",
    "admin:jsi18n",
}
# What machines ask for.
FILES |= {"live", "ready", "metrics"}
# It lets nobody in again, and there is none here: tests/browser/test_single_sign_on.py has them.
SINGLE_SIGN_ON = {"openid_connect_login", "openid_connect_callback"}
# Whatever leads nowhere.
NOWHERE = "admin:(?P<url>.*)$"
COMPARED = "before=staging:1&after=staging:2"
LISTED = ("rule", "flow")


@dataclass
class World:
    """One of each thing that an address may name."""

    people: People
    staging: Environment
    production: Environment
    ran: SuiteRun
    batch: Batch

    def arguments(self) -> dict[str, list[list[object]]]:
        """Return what the addresses of each kind in the matrix are made with."""
        return {
            "-": [[]],
            "csv": [["csv"], ["jsonl"]],
            "staging": [["staging"], ["production"]],
            "production": [["production"]],
            "recipe": [["staging", 1], ["staging", 2]],
            "funnel": [[one.environment.slug, one.pk] for one in Funnel.objects.all()],
            "tile": [["staging", "types"]],
            "view": [["staging", one.pk] for one in SavedView.objects.all()],
            "flows": [["staging", name] for name in LISTED],
            "flow": [["staging", name, min(served(self.staging, name))] for name in LISTED],
            # One that went live, and one that waits.
            "build": [["staging", 2], ["staging", 3]],
            "document": [["staging", 2, name] for name in LISTED],
            "comment": [["staging", 3, Comment.objects.all()[0].pk]],
            # The adoption first, which everybody sees; then all the others.
            "went": [[one.pk] for one in Promotion.objects.order_by("pk")],
            "goes": [[Promotion.objects.latest("pk").pk]],
            "batch": [[self.batch.pk]],
            "cluster": [[self.staging.cluster.pk]],
            "licence": [[one.pk] for one in Licence.objects.all()],
            "covered": [[one.pk, "staging"] for one in Licence.objects.all()],
            "environment": [[self.staging.pk], [self.production.pk]],
            "person": [[one.user.pk] for one in (self.people.admin, self.people.qa) if one.user],
            "suite": [[self.ran.suite_id]],
            "test": [[self.ran.suite_id, pk] for pk in self.ran.chosen],
            "run": [[self.ran.pk]],
            "result": [[self.ran.pk, one.pk] for one in self.ran.results.all()],
            "app": [["environments"]],
            "link": [["1", "no-key"]],
            "key": [[1]],
        }

    def queries(self, name: str, args: list[object]) -> list[str]:
        """Return what an address needs besides its path: one query, or several."""
        rule, flow = (quote(min(served(self.staging, one))) for one in LISTED)
        ids = {"rule": rule, "flow": flow}
        sides = f"{COMPARED}&resource"
        moment = f"{timezone.now():%Y-%m-%dT%H:%M}"
        known = {
            "promotion:compare": ["", f"?{COMPARED}", "?before=production:live&after=staging:now"],
            "promotion:compare-way": [f"?{COMPARED}"],
            "promotion:compare-document": [f"?{sides}={k}&id={v}" for k, v in ids.items()],
            "promotion:live-at": ["", f"?at={moment}", f"?at={moment}&resource=rule"],
            "promotion:compose": ["", f"?restore=rule&id={rule}"],
            "promotion:comment": ["", f"?resource=rule&id={rule}"],
            "environments:connect-environments": [
                f"?set=08x.{self.staging.tenant}&set=prod-08x.{self.staging.tenant}",
            ],
            "environments:dashboard": ["", "?range=30d&whole", "?wall&whole"],
            "environments:around": [f"?at={timezone.now() - timedelta(days=2):%Y-%m-%dT%H:%M}Z"],
            "environments:configuration": ["", "?kind=rule&state=off", "?q=nobody"],
            "environments:way": ["", f"?around=rule/{rule}"] if args == ["staging"] else [""],
        }
        if name in {"promotion:document", "promotion:history"}:
            return [f"?id={ids.get(str(args[-1]), rule)}"]
        return known.get(name, [""])

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a route, of which there is one at least."""
        found = self.arguments()[ROWS[name].thing]
        if name == "promotion:build":
            found = [[one.environment.slug, one.number] for one in Build.objects.all()]
        return [
            f"{reverse(name, args=args)}{q}" for args in found for q in self.queries(name, args)
        ]


@pytest.fixture
def world(
    lived: People,
    staging: Environment,
    production: Environment,
    ran: SuiteRun,
    batch: Batch,
    talked: Build,
) -> World:
    licence = Licence.objects.create(holder="Shop", key="licence-key", ends_on=timezone.localdate())
    LicenceUse.objects.create(licence=licence, environment=production)
    for number, name in enumerate(("one.example.com", "two.example.com")):
        save(lived.admin, staging, sample(public_name=name), shown=number)
    make_funnel(lived.qa, staging, "Purchase", ["page-view", "purchase-completed"])
    save_view(lived.admin, staging, "Last month", "range=30d", Role)
    return World(lived, staging, production, ran, batch)


def changing() -> set[str]:
    """Return the routes that only change something, which the matrix holds to be refused by GET."""
    return {name for name, row in ROWS.items() if row.get["administrator"] == 405}


def look(visitor: Visitor, address: str, status: int) -> None:
    visitor.go(address, status)
    visitor.open_everything()
    visitor.narrow()


def test_every_address_that_can_be_opened_is_visited_and_nothing_is_reported(
    world: World,
    visitor: Visitor,
    context: BrowserContext,
    live_server: LiveServer,
    problems: list[str],
    record_property: Record,
) -> None:
    enter_browser(context, live_server, world.people.admin.user)
    wanted = set(routes(get_resolver())) - changing() - SINGLE_SIGN_ON - {NOWHERE}
    visited = set()
    for name in sorted(wanted):
        try:
            addresses = world.addresses(name)
        except (KeyError, NoReverseMatch):
            problems.append(f"{name}: it is new: say with which arguments it is opened")
            continue
        for address in addresses:
            if name in FILES:
                fetch(visitor, context, address, problems)
            else:
                look(visitor, address, expected(name, Role.ADMINISTRATOR))
        if addresses:
            visited.add(name)
    for address in ("/nothing-is-here/", "/builds/staging/99/", "/nothing"):
        look(visitor, address, 404)
    record_property(PAGES, visitor.visited)
    assert not wanted - visited
    assert visitor.visited > 110
    assert visitor.opened > 400


def expected(name: str, role: Role) -> int:
    """Return the status of a page here, where the cluster answers and the objects are there."""
    status = ROWS[name].get[role.value]
    if name == "accounts:handover" and role is not Role.ADMINISTRATOR:
        # Nobody was offered it here.
        return 403
    if name == "environments:remove-view":
        # It is the administrator's own here.
        return 200 if role is Role.ADMINISTRATOR else 403
    return {503: 200, 302: 200}.get(status, status)


def fetch(visitor: Visitor, context: BrowserContext, address: str, problems: list[str]) -> None:
    """Ask for what is no page: it has the policy too, and a type that no browser guesses at."""
    answer = context.request.get(f"{visitor.server}{address}")
    headers = answer.headers
    visitor.visited += 1
    if answer.status not in {200, 404}:
        problems.append(f"{address}: answered {answer.status}")
    if policy_of(headers.get("content-security-policy", "")) != expected_policy():
        problems.append(f"{address}: policy is {headers.get('content-security-policy')}")
    if headers.get("x-content-type-options") != "nosniff":
        problems.append(f"{address}: may be sniffed")


# Most of QA's pages are the administrator's too.
@pytest.mark.parametrize(
    "role", some([Role.QA, Role.MARKETING], lambda _place, role: role is Role.MARKETING)
)
def test_every_page_of_another_role_is_visited_and_nothing_is_reported(
    role: Role,
    world: World,
    visitor: Visitor,
    context: BrowserContext,
    live_server: LiveServer,
    record_property: Record,
) -> None:
    actors: dict[Role, Actor] = {Role.QA: world.people.qa, Role.MARKETING: world.people.marketing}
    enter_browser(context, live_server, actors[role].user)
    refused = 0
    for name in sorted(set(ROWS) - changing() - FILES - SINGLE_SIGN_ON - {NOWHERE}):
        status = expected(name, role)
        addresses = world.addresses(name)
        if status != 200:
            # Of what is refused one is enough: the page that says so is the same.
            refused += 1
            if refused <= 5 and status in {403, 404}:
                look(visitor, addresses[0], status)
            continue
        for address in addresses[:1]:
            look(visitor, address, status)
    record_property(PAGES, visitor.visited)
    assert visitor.visited > {Role.QA: 30, Role.MARKETING: 12}[role]


def test_nobody_who_is_not_signed_in_meets_an_error(
    visitor: Visitor, world: World, record_property: Record
) -> None:
    # Each leads to the sign-in, also what is not there.
    for address in (
        reverse("account_login"),
        "/",
        reverse("promotion:builds"),
        "/nothing-is-here/",
    ):
        look(visitor, address, 200)
    record_property(PAGES, visitor.visited)


def test_what_a_strict_policy_forbids_is_found_in_the_text_of_a_page() -> None:
    for text, found in (
        ('<p style="color: red">', "style"),
        ("<p onclick=go()>", "onclick"),
        ("<style>p {}</style>", "<style>"),
        ("<script>go()</script>", "<script>"),
        ('<a href=" java\nscript:go()">', "href"),
        ("<form action=JAVASCRIPT:go()>", "action"),
    ):
        assert re.search(re.escape(found), " ".join(Inline(text).found)), text
    assert not Inline(
        '<script src="/a.js"></script><script type="application/json">{}</script>'
    ).found
