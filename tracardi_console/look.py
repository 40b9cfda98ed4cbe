"""How the console looks: what Unfold is told of its name, its styles and scripts, and its menus."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def no_inline_colors(_request: HttpRequest) -> dict[str, dict[str, str]]:
    """Return no colours: Unfold then renders no inline style; theme.css carries them."""
    return {}


def served(name: str) -> Callable[[HttpRequest], str]:
    """Return what tells Unfold the address of one of our own static files."""

    def address(_request: HttpRequest) -> str:
        return static(f"console/{name}")

    return address


def badge(_request: HttpRequest) -> list[str] | None:
    """Return the words at the top of each page: of the demo, that it has no real Tracardi."""
    return ["Demo: stand-in for Tracardi", "info"] if settings.DEMO else None


_STYLES: Final = (
    *("theme", "page", "tables", "progress", "charts", "compare", "flow"),
    *("words", "home"),
)
_SCRIPTS: Final = ("unfold-csp", "flow", "workflow-test", "shown-once", "time-zone", "tour")
LOOK: Final[dict[str, Any]] = {
    "SITE_TITLE": "Tracardi Console",
    "SITE_HEADER": "Tracardi Console",
    "SITE_SUBHEADER": "Staging to production",
    "SITE_SYMBOL": "rocket_launch",
    # The login page's "Return to site" would lead back to itself.
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": no_inline_colors,
    "ENVIRONMENT": badge,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": served("favicon.svg")}],
    "STYLES": [served(f"{n}.css") for n in _STYLES],
    "SCRIPTS": [served(f"{n}.js") for n in _SCRIPTS],
    "ACCOUNT": {
        "navigation": [
            {"title": "Your settings", "link": reverse_lazy("accounts:preferences")},
            {"title": "Sign-in and security", "link": reverse_lazy("mfa_index")},
            {"title": "Sessions", "link": reverse_lazy("usersessions_list")},
            {"title": "Change password", "link": reverse_lazy("account_change_password")},
        ]
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": "tracardi_console.site.navigation",
    },
}
