"""The console's admin site: Unfold's look, the home page, the side bar."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.policy import may, may_anywhere
from accounts.roles import Verb


def stylesheet(_request: HttpRequest) -> str:
    return static("console/console.css")


def script(_request: HttpRequest) -> str:
    return static("console/unfold-csp.js")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar: only what this person's role may open."""
    user = request.user
    if not isinstance(user, User):
        return []
    work = [("Home", "home", reverse("admin:index"), True)]
    if not may_anywhere(user, Verb.VIEW_BUILD):
        work = []
    work += [
        ("Environments", "dns", reverse("promotion:environments"), True),
        (
            "Builds",
            "inventory_2",
            reverse("promotion:builds"),
            bool(may_anywhere(user, Verb.VIEW_BUILD)),
        ),
        ("Promotions", "rocket_launch", reverse("promotion:promotions"), True),
    ]
    administration = [
        (
            "Audit trail",
            "history",
            reverse("audit"),
            may_anywhere(user, Verb.VIEW_AUDIT) or may_anywhere(user, Verb.VIEW_OWN_AUDIT),
        )
    ]
    if may(user, Verb.MANAGE):
        administration += [
            (
                "Set-up of environments",
                "lan",
                reverse("admin:environments_environment_changelist"),
                True,
            ),
            ("Clusters", "database", reverse("admin:environments_cluster_changelist"), True),
            ("People", "group", reverse("admin:accounts_user_changelist"), True),
        ]
    groups = [("", work), ("Administration", administration)]
    return [
        {
            "title": title,
            "separator": bool(title),
            "items": [
                {"title": label, "icon": icon, "link": link}
                for label, icon, link, shown in rows
                if shown
            ],
        }
        for title, rows in groups
        if any(row[3] for row in rows)
    ]


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
        from tracardi_console.home import home, landing

        user = request.user
        if isinstance(user, User) and (url := landing(user)):
            return HttpResponseRedirect(url)
        return home(request)
