"""The console's admin site: Unfold's look, the home page, the side bar."""

from django.http import HttpRequest
from django.templatetags.static import static
from unfold.sites import UnfoldAdminSite


def stylesheet(_request: HttpRequest) -> str:
    return static("console/console.css")


def script(_request: HttpRequest) -> str:
    return static("console/unfold-csp.js")


def navigation(_request: HttpRequest) -> list[dict[str, object]]:
    return []


class ConsoleAdminSite(UnfoldAdminSite):  # type: ignore[misc]
    site_header = "Tracardi Console"
    site_title = "Tracardi Console"
    index_title = "Home"
