"""The console's admin site: Unfold's look, the home page, the side bar."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from tracardi_console.home import home, landing


@dataclass(frozen=True)
class Entry:
    """A line of the side bar. It is marked on pages whose address starts with one of `starts`."""

    label: str
    icon: str
    link: str
    starts: tuple[str, ...] = ()

    def to_dict(self, path: str) -> dict[str, Any]:
        active = path == self.link or any(path.startswith(start) for start in self.starts)
        return {"title": self.label, "icon": self.icon, "link": self.link, "active": active}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar: only what this person's role may open."""
    user = request.user
    if not isinstance(user, User):
        return []
    groups = [("", _work(user)), ("Administration", _administration(user))]
    return [
        {
            "title": title,
            "separator": bool(title),
            "items": [entry.to_dict(request.path) for entry in entries],
        }
        for title, entries in groups
        if entries
    ]


def _work(user: User) -> list[Entry]:
    environments = reverse("promotion:environments")
    builds, promotions = reverse("promotion:builds"), reverse("promotion:promotions")
    own = (reverse("promotion:environment", args=["x"]).removesuffix("x/"),)
    first = landing(user)
    entries = [Entry("Home", "home", reverse("admin:index"))]
    if not may_anywhere(user, Verb.VIEW_BUILD):
        entries = [Entry("Dashboard", "monitoring", first)] if first else []
    entries.append(Entry("Environments", "dns", environments, own))
    if may_anywhere(user, Verb.VIEW_BUILD):
        entries.append(Entry("Builds", "inventory_2", builds, (builds,)))
        compare = reverse("promotion:compare")
        entries.append(Entry("Compare", "difference", compare, (compare,)))
        entries.append(Entry("Reviews", "fact_check", reverse("promotion:reviews")))
        suites = reverse("promotion:suites")
        entries.append(Entry("Workflow tests", "science", suites, (suites,)))
    entries.append(Entry("Promotions", "rocket_launch", promotions, (promotions,)))
    if may(user, Verb.PROMOTE):
        batches = reverse("promotion:batches")
        entries.append(Entry("Batches", "dynamic_feed", batches, (batches,)))
    return entries


def _administration(user: User) -> list[Entry]:
    entries = []
    if may_anywhere(user, Verb.VIEW_AUDIT) or may_anywhere(user, Verb.VIEW_OWN_AUDIT):
        entries.append(Entry("Audit trail", "history", reverse("audit")))
    if may(user, Verb.MANAGE):
        rows = (
            ("Set-up of environments", "lan", "environments_environment"),
            ("Clusters", "database", "environments_cluster"),
            ("People", "group", "accounts_user"),
        )
        for label, icon, model in rows:
            link = reverse(f"admin:{model}_changelist")
            entries.append(Entry(label, icon, link, (link,)))
    return entries


class ConsoleAdminSite(UnfoldAdminSite):  # type: ignore[misc]
    site_header = "Tracardi Console"
    site_title = "Tracardi Console"
    index_title = "Home"

    def has_permission(self, request: HttpRequest) -> bool:
        """Let every active account in: what it may open is asked page by page."""
        return isinstance(request.user, User) and request.user.is_active

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the pipelines at a glance; marketing lands on production's dashboard."""
        user = request.user
        if isinstance(user, User) and (url := landing(user)):
            return HttpResponseRedirect(url)
        return home(request)
