"""What every page's template knows."""

from django.conf import settings
from django.http import HttpRequest


def console(_request: HttpRequest) -> dict[str, object]:
    """Return `demo`: whether this console is the demo, which says so on each page."""
    return {"demo": settings.DEMO}
