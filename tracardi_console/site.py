"""The console's admin site: Unfold's look, the home page, the side bar."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import forbidden
from tracardi_console.home import STAY, configured, home, landing, stays

# Addresses of Django's and Unfold's that nothing here leads to, and that ask no policy of ours.
UNUSED: Final = frozenset({"autocomplete", "view_on_site"})


@dataclass(frozen=True)
class Entry:
    """A line of the side bar. It is marked on pages whose address starts with one of `starts`."""

    label: str
    icon: str
    link: str
    starts: tuple[str, ...] = ()

    def match(self, path: str) -> int:
        """Return how much of an address this line stands for; 0 where it does not."""
        starts = [one for one in self.starts if path.startswith(one)]
        own = path == self.link.partition("?")[0]
        return len(path) + 1 if own else max(map(len, starts), default=0)

    def to_dict(self, is_active: bool) -> dict[str, Any]:
        return {"title": self.label, "icon": self.icon, "link": self.link, "active": is_active}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar: only what this person's role may open."""
    user = request.user
    if not isinstance(user, User):
        return []
    groups = [("", _work(user)), ("Administration", _administration(user))]
    matches = [entry.match(request.path) for _, entries in groups for entry in entries]
    # An environment's own pages are all of Environments, unless a line leads to one of them.
    best = max([*matches, 1])
    return [
        {
            "title": title,
            "separator": bool(title),
            "items": [entry.to_dict(entry.match(request.path) == best) for entry in entries],
        }
        for title, entries in groups
        if entries
    ]


def _work(user: User) -> list[Entry]:
    environments = reverse("promotion:environments")
    builds, promotions = reverse("promotion:builds"), reverse("promotion:promotions")
    own = (reverse("promotion:environment", args=["x"]).removesuffix("x/"),)
    first = landing(user)
    # Where a page of their own was chosen to begin at, that one is not home.
    stay = f"?{STAY}" if first else ""
    entries = [Entry("Home", "home", f"{reverse('admin:index')}{stay}")]
    if not may_anywhere(user, Verb.VIEW_BUILD):
        entries = [Entry("Dashboard", "monitoring", first)] if first else entries
        if words := configured(user):
            entries.append(Entry("Configuration", "menu_book", words, (words,)))
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
        wizard = reverse("environments:connect")
        entries.append(Entry("Connect", "cable", wizard, (wizard,)))
        rows = (
            ("Set-up of environments", "lan", "environments_environment"),
            ("Clusters", "database", "environments_cluster"),
        )
        for label, icon, model in rows:
            link = reverse(f"admin:{model}_changelist")
            entries.append(Entry(label, icon, link, (link,)))
        licence = reverse("environments:licence")
        entries.append(Entry("Licence", "license", licence, (licence,)))
        people = reverse("accounts:people")
        entries.append(Entry("People", "group", people, (people,)))
    return entries


class ConsoleAdminSite(UnfoldAdminSite):  # type: ignore[misc]
    site_header = "Tracardi Console"
    site_title = "Tracardi Console"
    index_title = "Home"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take pages that ask the policy; those that libraries bring are no business here."""
        from accounts.admin import PolicyAdmin

        if admin_class is not None and issubclass(admin_class, PolicyAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Let every active account in: what it may open is asked page by page."""
        return isinstance(request.user, User) and request.user.is_active

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the one page where people sign in."""
        back = request.GET.get("next", "")
        query = f"?{urlencode({'next': back})}" if back else ""
        return HttpResponseRedirect(f"{reverse('account_login')}{query}")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the one page where a password is changed."""
        return HttpResponseRedirect(reverse("account_change_password"))

    @method_decorator(require_POST)
    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Sign out, and show the door."""
        logout(request)
        return HttpResponseRedirect(reverse("account_login"))

    def get_urls(self) -> list[Any]:
        return [one for one in super().get_urls() if getattr(one, "name", None) not in UNUSED]

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Answer nothing: Unfold's templates need the address, and the side bar has no search."""
        raise Http404

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Say why a page of the administration is not for this person, and record the attempt."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                answer: HttpResponse = inner(request, *args, **kwargs)
            except PermissionDenied:
                match = request.resolver_match
                action = f"administration.{match.url_name if match is not None else ''}"
                return forbidden(request, may(request.user, Verb.MANAGE), action)
            return answer

        return wrapped

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the home page; marketing, and who chose a page to begin at, are led there."""
        user = request.user
        if isinstance(user, User) and not stays(request, user) and (url := landing(user)):
            return HttpResponseRedirect(url)
        return home(request)
