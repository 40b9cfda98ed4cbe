"""The pages of errors, in the console's look. They need no database, no session and no sign-in.

None repeats what was asked: neither the address nor the host, nor what went wrong inside.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import get_script_prefix

_STYLES: Final = ("theme", "page", "error")
_TOO_MUCH: Final = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


@dataclass(frozen=True)
class Words:
    """What an error's page says: a title, what happened, what to do next."""

    title: str
    what: str
    todo: str


BAD: Final = Words(
    "The request cannot be read",
    "The console did not understand what the browser sent. Nothing was changed.",
    "Open the console by its own address, and try again from its pages.",
)
TOO_MUCH: Final = Words(
    "Too much at once",
    "What was sent is larger, or has more parts, than the console takes. Nothing was changed.",
    "Send less at once: fewer files, or a smaller choice.",
)
TOO_LONG: Final = Words(
    "The address is too long",
    "The address asks for more than the console reads. Nothing was changed.",
    "Begin at Home, and choose less at once.",
)
FORBIDDEN: Final = Words(
    "Not allowed",
    "Your account may not do this. Nothing was changed.",
    "Go back to Home, or ask the administrator.",
)
STALE_FORM: Final = Words(
    "The page was too old",
    "The form did not carry the mark of your sign-in, so it was not taken. Nothing was changed.",
    "Go back, load the page anew, sign in if it asks you to, and send the form again. Your browser "
    "must accept cookies of the console.",
)
MISSING: Final = Words(
    "There is no such page",
    "What you look for does not exist, or your account may not see it.",
    "Check the address, or begin at Home.",
)
TOO_OFTEN: Final = Words(
    "Too many attempts",
    "This was asked for too often from where you are. Nothing was changed.",
    "Wait for a minute, then try again.",
)
BROKEN: Final = Words(
    "Something went wrong",
    "The console met an error of its own. Whether what you asked for was done is not known.",
    "Look at the page that shows it before you ask again. If it happens again, tell whoever runs "
    "the console the number below: it is in the log.",
)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer what cannot be read with 400, and what is too much with 413."""
    if isinstance(exception, _TOO_MUCH):
        return too_much(request)
    return _page(request, 400, BAD)


def too_much(request: HttpRequest) -> HttpResponse:
    """Answer a body that is larger, or has more parts, than is taken."""
    return _page(request, 413, TOO_MUCH)


def too_long(request: HttpRequest) -> HttpResponse:
    """Answer an address that is longer than is read."""
    return _page(request, 414, TOO_LONG)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer what this person may not do."""
    return _page(request, 403, FORBIDDEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that another site may have sent."""
    return _page(request, 403, STALE_FORM)


def too_often(request: HttpRequest) -> HttpResponse:
    """Answer what a limit of attempts holds up; django-allauth asks for it."""
    return _page(request, 429, TOO_OFTEN)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an address that leads nowhere."""
    return _page(request, 404, MISSING)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what the console itself did wrong."""
    return _page(request, 500, BROKEN)


def _page(request: HttpRequest, status: int, words: Words) -> HttpResponse:
    context: dict[str, Any] = {
        "words": words,
        "home": get_script_prefix(),
        "styles": _styles(),
        "number": getattr(request, "request_id", "") if status == 500 else "",
    }
    # Without the request: what templates get of it would ask the database who is signed in.
    page = HttpResponse(render_to_string("console/error.html", context), status=status)
    page["Cache-Control"] = "no-store"
    return page


def _styles() -> list[str]:
    try:
        return [static(f"console/{name}.css") for name in _STYLES]
    except ValueError:
        # `collectstatic` was not run: that is no reason to say nothing.
        return []
